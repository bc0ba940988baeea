"""Which extensions models need: told by the types, operator classes and functions they use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dbctl.errors import DbctlError
from dbctl.settings import Settings, project_table

if TYPE_CHECKING:
    from sqlalchemy import Column, Index, Table

    from dbctl.migrate.project_models import ProjectModels

_OF_TYPES = {
    "citext": ("citext",),
    "cube": ("cube",),
    "hstore": ("hstore",),
    "isn": ("ean13", "isbn", "isbn13", "ismn", "ismn13", "issn", "issn13", "upc"),
    "ltree": ("ltree", "lquery", "ltxtquery"),
    "postgis": ("geometry", "geography", "box2d", "box3d"),
    "postgis_raster": ("raster",),
    "seg": ("seg",),
    "vector": ("vector", "halfvec", "sparsevec"),
}
_EXTENSIONS = {name: extension for extension, names in _OF_TYPES.items() for name in names}
# Operator classes and functions, as they stand in an index, a default or a CHECK.
_IN_SQL = {
    "earthdistance": r"\b(ll_to_earth|earth_box|earth_distance)\s*\(",
    "fuzzystrmatch": r"\b(soundex|d?metaphone|levenshtein)\s*\(",
    "intarray": r"\b(gin|gist)__int(big)?_ops\b",
    "pg_trgm": r"\b(gin|gist)_trgm_ops\b|\b(word_)?similarity\s*\(",
    "pgcrypto": r"\b(gen_random_bytes|gen_salt|crypt)\s*\(",
    "unaccent": r"\bunaccent\s*\(",
    "uuid-ossp": r"\buuid_generate_v\w+\s*\(",
    "vector": r"\b(vector|halfvec|sparsevec)_(l1|l2|ip|cosine)_ops\b",
}
_USES = {extension: re.compile(pattern, re.IGNORECASE) for extension, pattern in _IN_SQL.items()}
# What GiST and GIN index only with btree_gist and btree_gin.
_SCALARS = re.compile(
    r"(bigint|boolean|bytea|char|date|double|float|integer|interval|numeric|real|smallint|text|time"
    r"|timestamp|uuid|varchar)\b(?!.*\[)",
    re.IGNORECASE,
)
_FIRST_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Needs:
    """The extensions that the models need, each with what needs it, or why that is not known."""

    extensions: Mapping[str, str] = field(default_factory=dict)
    error: DbctlError | None = None


def load_needs(settings: Settings, models: ProjectModels | None) -> Needs:
    """Return what `models` need where they were loaded, else those of DBCTL_MODELS.

    A look that compares no models runs no env.py for them. The example needs nothing, and where the
    project lists its extensions no models are imported.
    """
    if "extensions" in project_table(settings, "health"):
        return Needs()
    if models is None:
        if settings.models is None or settings.uses_example:
            return Needs()
        from dbctl.migrate.project_models import project_models

        try:
            models = project_models(settings)
        except DbctlError as error:
            return Needs(error=error)
    return Needs(extensions_of(models.tables))


def extensions_of(tables: Iterable[Table]) -> dict[str, str]:
    """Return the extensions that `tables` need, each with the first that needs it."""
    found: dict[str, str] = {}
    for table in sorted(tables, key=lambda table: table.fullname):
        for extension, what in _of_table(table):
            found.setdefault(extension, what)
    return dict(sorted(found.items()))


def _of_table(table: Table) -> Iterator[tuple[str, str]]:
    from sqlalchemy import CheckConstraint
    from sqlalchemy.dialects.postgresql import ExcludeConstraint

    for column in table.columns:
        where = f"{table.fullname}.{column.name}"
        word = _FIRST_WORD.match(_type(column))
        if word and (extension := _EXTENSIONS.get(word[0].lower())):
            yield extension, where
        for default in (column.server_default, column.computed):
            text = getattr(default, "arg", None)
            text = getattr(default, "sqltext", text)
            yield from _used(str(text), where)
    for constraint in table.constraints:
        where = f"{table.fullname}, {constraint.name or 'a constraint'}"
        if isinstance(constraint, CheckConstraint):
            yield from _used(str(constraint.sqltext), where)
        if isinstance(constraint, ExcludeConstraint):
            yield from _of_method(constraint.using, list(constraint.columns), where)
    for index in table.indexes:
        yield from _of_index(index, f"{table.fullname}, {index.name}")


def _of_index(index: Index, where: str) -> Iterator[tuple[str, str]]:
    from sqlalchemy import Column

    options = index.dialect_options["postgresql"]
    classes: Mapping[str, str] = options["ops"]
    for name in classes.values():
        yield from _used(name, where)
    for expression in index.expressions:
        yield from _used(str(expression), where)
    plain = [each for each in index.expressions if isinstance(each, Column)]
    bare = [column for column in plain if column.key not in classes]
    yield from _of_method(options["using"], bare, where)


def _of_method(
    method: object, columns: list[Column[object]], where: str
) -> Iterator[tuple[str, str]]:
    if method in ("gist", "gin") and any(_SCALARS.match(_type(column)) for column in columns):
        yield f"btree_{method}", where


def _used(sql: str, where: str) -> Iterator[tuple[str, str]]:
    for extension, pattern in _USES.items():
        if pattern.search(sql):
            yield extension, where


def _type(column: Column[object]) -> str:
    """Return the column's type as PostgreSQL writes it; empty where it has none."""
    from sqlalchemy.dialects import postgresql
    from sqlalchemy.exc import CompileError

    try:
        # The class is not typed.
        return column.type.compile(dialect=postgresql.dialect())  # type: ignore[no-untyped-call]
    except CompileError:
        return ""
