"""What is known of a run before its rows are read: table, files, and which column each fills."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.db.catalog import Column
from dbctl.db.queries import query
from dbctl.db.search_path import EMPTY_PATH, ON_SESSION_PATH
from dbctl.db.tables import Table, find_table
from dbctl.errors import UsageError
from dbctl.migrate.project_models import ProjectModels
from dbctl.seed.bulk.encoding import takes_text
from dbctl.seed.load.checking import MISSING
from dbctl.seed.load.composites import writers
from dbctl.seed.load.constraints import Modelled, of_models
from dbctl.seed.load.files import File
from dbctl.seed.load.mapping import Matcher, check_header, parse_renames, require
from dbctl.seed.load.request import OnConflict, Request
from dbctl.seed.load.rows import Dialect
from dbctl.seed.load.sources import Source

# Types whose numbers must keep every digit that JSON has.
_EXACT = frozenset({"numeric", "json", "jsonb"})
# Of an interval the driver turns months into days; it has no BC, no infinity and no 24:00.
_INEXACT = frozenset({"interval", "date", "time", "timetz", "timestamp"})
# What it takes `infinity` for, which now() never is.
_ENDS = (datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC))
_CALL = re.compile(r'(?:"((?:[^"]|"")+)"|([a-z_][a-z0-9_$]*))\s*\(')


@dataclass(frozen=True, slots=True)
class Intake:
    """The table and the files of a run; `given` are the columns that the files begin with.

    `fields` has the column of each field, `writers` what makes the text of values with fields.
    """

    table: Table
    files: tuple[File, ...]
    matcher: Matcher
    modelled: Modelled
    given: tuple[str, ...]
    fields: Mapping[str, str]
    writers: Mapping[str, Callable[[Any], str]]

    @property
    def is_sparse(self) -> bool:
        """Tell whether rows may differ in what they have, as they may in JSON."""
        return any(file.header is None for file in self.files) or any(
            set(self._columns_of(file)) != set(self.given) for file in self.files
        )

    @property
    def made(self) -> dict[str, Callable[[], Any]]:
        """What makes values of the columns for which a model has a default, and only it."""
        return {
            column.name: self.modelled.defaults[column.name]
            for column in self.table.writable
            if column.name in self.modelled.defaults and is_required(column)
        }

    def _columns_of(self, file: File) -> list[str]:
        return [name for name in map(self.matcher.column_of, file.fields) if name is not None]


async def take_in(
    connection: AsyncConnection,
    models: ProjectModels | None,
    request: Request,
    sources: Sequence[Source],
) -> Intake:
    """Find the table, look into `sources` and map their fields to its columns.

    Raises UsageError for whatever of that does not fit, FileFault for a damaged file.
    """
    table = await find_table(connection, request.into)
    modelled = of_models(models, table)
    renames = parse_renames(request.renames, table)
    matcher = Matcher(table, renames)
    exact = any(column.leaf in _EXACT or takes_text(column) for column in table.writable)
    dialect = Dialect(
        request.delimiter,
        request.null,
        request.force_null,
        "" in renames.dropped,
        request.key,
        exact,
    )
    files = tuple(File(source, dialect, table.relation.name) for source in sources)
    fields: dict[str, str] = {}
    for file in files:
        columns = check_header(matcher, file.label, _without_twins(matcher, file), file.advice)
        present = {name for name in columns if name is not None}
        for field in file.fields:
            if (name := matcher.column_of(field)) is not None:
                fields.setdefault(field, name)
        lacking = [
            column
            for column in table.writable
            if is_required(column)
            and column.name not in present
            and column.name not in modelled.defaults
        ]
        if file.fields and request.on_conflict is not OnConflict.UPDATE:
            require(file.label, table, lacking)
    if not fields and any(file.fields for file in files):
        raise UsageError(
            "no field of the files goes into a column", hint="Leave out some --map field=."
        )
    given = tuple(column.name for column in table.writable if column.name in set(fields.values()))
    written = await writers(connection, table)
    return Intake(table, files, matcher, modelled, given, fields, written)


def _without_twins(matcher: Matcher, file: File) -> Sequence[str]:
    """Return the fields of a file; of JSON, where each row may spell a name its own way, once each.

    A row with both spellings is a fault of its own.
    """
    if file.header is not None:
        return file.header
    seen: set[str | None] = set()
    fields = []
    for field in file.fields:
        try:
            column = matcher.column_of(field)
        except LookupError:
            column = None
        if column is None or column not in seen:
            fields.append(field)
        seen.add(column)
    return fields


def is_required(column: Column) -> bool:
    """Tell whether the table makes nothing of a row without the column."""
    return not column.nullable and column.expression is None and column.identity is None


async def defaults(
    connection: AsyncConnection, table: Table, columns: Sequence[str]
) -> dict[str, Callable[[], Any]]:
    """Return what stands in for each of `columns` where a row lacks it.

    That is null, or the default where every row gets the same in one transaction; MISSING where
    the server makes a new value for each row, or one that Python has no equal for. Columns that
    must be given are left out.
    """
    found: dict[str, Callable[[], Any]] = {}
    for name in columns:
        column = table.column(name)
        if column.identity is not None or (
            column.expression is not None
            and (_is_inexact(column) or await _is_volatile(connection, column.expression))
        ):
            found[name] = _constantly(MISSING)
        elif column.expression is not None:
            sql = _escaped(f"({column.expression}){_cast(column)}")
            value = await connection.scalar(text(f"select {sql} where {ON_SESSION_PATH}"))
            await connection.exec_driver_sql(EMPTY_PATH)
            found[name] = _constantly(MISSING if value in _ENDS else value)
        elif column.nullable:
            found[name] = _constantly(None)
    return found


async def _is_volatile(connection: AsyncConnection, expression: str) -> bool:
    """Tell whether any function that the expression may call makes another value each time."""
    names = [quoted.replace('""', '"') or plain for quoted, plain in _CALL.findall(expression)]
    if not names:
        return False
    return bool(await connection.scalar(text(query("seed.load", "volatile")), {"names": names}))


def _is_inexact(column: Column) -> bool:
    """Tell whether the driver may make another value of a default than the server has."""
    return column.subtype is not None or column.leaf in _INEXACT


def _cast(column: Column) -> str:
    """Return what makes text of a default where rows have text for the type."""
    if takes_text(column):
        return "::pg_catalog.text"
    if column.leaf in {"json", "jsonb"}:
        return "::pg_catalog.text[]" if column.is_array else "::pg_catalog.text"
    return ""


def _escaped(expression: str) -> str:
    """Return SQL in which SQLAlchemy finds no parameter of its own."""
    return re.sub(r"(?<!:):(?!:)", r"\\:", expression)


def _constantly(value: Any) -> Callable[[], Any]:
    return lambda: value
