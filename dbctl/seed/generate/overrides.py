"""What the project says about a column: in its model's `info`, or in [tool.dbctl.generate]."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dbctl.db.names import choose, parse_relation, suggestion
from dbctl.db.tables import Table
from dbctl.errors import ConfigurationError, DbctlError
from dbctl.settings import Settings, project_table

_WHERE = "[tool.dbctl.generate]"
_DBCTL_INFO = "generate"
_REMEDY = "docs/seed.md says what a column may be told."


class Override(BaseModel):
    """How a column is to be made; what is None is left to dbctl.

    `null` is a share from 0 to 1. `python` names a function as `module:function`; it is called with
    the row's number and a random.Random, and returns the value.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, strict=True)

    choices: list[Any] | dict[str, int] | None = Field(default=None, min_length=1)
    weights: list[int] | None = None
    constant: Any = None
    null: float | int | None = Field(default=None, ge=0, le=1)
    pattern: str | None = None
    regex: str | None = None
    provider: str | None = None
    min: Any = None
    max: Any = None
    length: int | None = Field(default=None, ge=1)
    distribution: Literal["uniform", "skewed"] | None = None
    unique: bool | None = None
    skip: bool = False
    python: str | None = None

    @property
    def kind(self) -> str | None:
        """The key that says what the values are, if one does."""
        return next(
            (
                name
                for name in ("choices", "pattern", "regex", "provider", "python", "skip")
                if getattr(self, name)
            ),
            "constant" if "constant" in self.model_fields_set else None,
        )


# The tables of the project's models; empty where it has none.
type Models = Sequence[sa.Table]


def read_overrides(
    settings: Settings, models: Models, tables: Sequence[Table]
) -> dict[tuple[str, str], Override]:
    """Return what the project says about columns of `tables`, by (label, column).

    Raises ConfigurationError where it cannot be understood, naming the key.
    """
    found: dict[tuple[str, str], Override] = {}
    for table in tables:
        for column, said in _of_model(models, table):
            found[table.label, column] = said
    for path, said in configured_overrides(settings):
        for table, column in _columns(path, tables):
            before = found.get((table.label, column))
            merged = said
            if before is not None and said.kind is None:
                told = {name: getattr(said, name) for name in said.model_fields_set}
                merged = before.model_copy(update=told)
            found[table.label, column] = merged
    return found


def load_function(name: str, where: str) -> Any:
    """Import `module:function`; the project's root is on the path.

    Raises ConfigurationError.
    """
    from importlib import import_module

    module, _, function = name.partition(":")
    try:
        found = getattr(import_module(module), function)
    except Exception as error:
        raise ConfigurationError(
            f"{where}: python = {name!r} cannot be imported: {type(error).__name__}: {error}",
            hint='Write "module:function", importable from the project\'s root.',
        ) from error
    if not callable(found):
        raise ConfigurationError(
            f"{where}: python = {name!r} is no function", hint="Name a function(number, random)."
        )
    return found


def _of_model(models: Models, table: Table) -> Iterator[tuple[str, Override]]:
    relation = table.relation
    for model in models:
        schema = model.schema or "public"
        if (schema, model.name) != (relation.schema, relation.name):
            continue
        for column in model.columns:
            said = column.info.get(_DBCTL_INFO)
            if said is not None:
                where = f"info of {model.name}.{column.name}"
                yield column.name, _override(said, where)


def configured_overrides(settings: Settings) -> Iterator[tuple[tuple[str, ...], Override]]:
    """Yield what the project's file says, each with the names that it says it of."""

    def walk(path: tuple[str, ...], value: object) -> Iterator[tuple[tuple[str, ...], Override]]:
        where = f"{'.'.join(path)} in {_WHERE}"
        if not isinstance(value, Mapping):
            raise ConfigurationError(f"{where} is no table", hint=_REMEDY)
        if (
            value
            and all(isinstance(inner, Mapping) for inner in value.values())
            and not (set(value) & set(Override.model_fields))
        ):
            for name, inner in value.items():
                yield from walk((*path, name), inner)
        else:
            yield path, _override(value, where)

    for name, value in project_table(settings, "generate").items():
        try:
            parts = _split(name)
        except DbctlError as error:
            raise ConfigurationError(
                f"{name!r} in {_WHERE}: {error.message}", hint=error.hint
            ) from None
        yield from walk(parts, value)


def _split(name: str) -> tuple[str, ...]:
    """Split `table.column` or `schema.table.column`; the last part may stand alone."""
    head, dot, tail = name.rpartition(".")
    if not dot or name.endswith('"'):
        return (name,)
    return (*(part.folded for part in parse_relation(head)), tail)


def _columns(path: tuple[str, ...], tables: Sequence[Table]) -> Iterator[tuple[Table, str]]:
    """Yield the column that a path means, where its table is among those to be filled."""
    where = f"{'.'.join(path)} in {_WHERE}"
    if len(path) not in {2, 3}:
        raise ConfigurationError(
            f"{where} names no column", hint='Write "table.column" or "schema.table.column".'
        )
    *schema, name, column = path
    for table in tables:
        relation = table.relation
        if relation.name != name or (schema and schema[0] != relation.schema):
            continue
        (typed,) = parse_relation(column)
        names = [c.name for c in table.columns]
        meant = choose(typed, names)
        if len(meant) != 1:
            raise ConfigurationError(
                f"{where}: {table.label} has no column {column}",
                hint=suggestion(column, names, f"It has {', '.join(names)}."),
            )
        if table.column(meant[0]).generated is not None:
            raise ConfigurationError(
                f"{where}: the server generates it", hint="Leave it out: it takes no value."
            )
        yield table, meant[0]


def _override(value: object, where: str) -> Override:
    try:
        said = Override.model_validate(value)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False)[0]
        key = ".".join(str(part) for part in fault["loc"][:1]) or "it"
        if fault["type"] == "extra_forbidden":
            raise ConfigurationError(
                f"{where}: unknown key {key!r}",
                hint=suggestion(
                    key, Override.model_fields, f"There are {', '.join(Override.model_fields)}."
                ),
            ) from None
        raise ConfigurationError(f"{where}: {key}: {fault['msg']}", hint=_REMEDY) from None
    if said.weights is not None and (
        not isinstance(said.choices, list) or len(said.weights) != len(said.choices)
    ):
        raise ConfigurationError(
            f"{where}: weights has not as many numbers as choices has values", hint=_REMEDY
        )
    weights = said.weights or (said.choices.values() if isinstance(said.choices, dict) else [1])
    if min(weights) < 0 or not sum(weights):
        raise ConfigurationError(
            f"{where}: weights must not be negative, nor all zero", hint=_REMEDY
        )
    return said
