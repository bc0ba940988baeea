"""The temporary copies of tables, and the DDL with which the models' own parts are put on them."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import asyncpg
from sqlalchemy import Constraint, Dialect, FromClause, Index, RowMapping, Table, text
from sqlalchemy.dialects.postgresql.base import PGIdentifierPreparer
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.compiler import DDLCompiler

from dbctl.db.failures import first_line
from dbctl.db.qualified import qualified
from dbctl.db.queries import query
from dbctl.migrate.results import Difference

# The longest name in bytes (NAMEDATALEN - 1); the server cuts a longer one off.
_NAME_LENGTH = 63

# An object that the server has compared: its sort, the table and the name.
type Settled = set[tuple[str, str, str]]


class Sort(StrEnum):
    """What a part is on its table."""

    COPY = "copy"
    COLUMN = "column"
    CONSTRAINT = "constraint"
    INDEX = "index"
    STORAGE = "storage"


@dataclass(frozen=True, slots=True)
class Target:
    """A table of the models that the database has; `sql` is its name there."""

    table: Table
    oid: int
    sql: str


@dataclass(frozen=True, slots=True)
class Part:
    """Something to build: a copy, or what the models put on one; `name` is what it will be called.

    `text` is what people are shown of one that has no name.
    """

    target: Target
    sort: Sort
    name: str
    sql: str
    text: str = ""

    def not_compared(self, reason: str) -> Difference:
        """Return what is reported where the server has refused it, or SQLAlchemy to write it."""
        return Difference(
            kind="not_compared",
            table=self.target.table.fullname,
            name=self.name,
            detail=reason if self.name or not self.text else f"{self.text}: {reason}",
        )


async def build(connection: AsyncConnection, parts: Sequence[Part]) -> dict[Part, str]:
    """Build `parts` in their order, and return those that the server refused, with its reason.

    All in one go, as nearly always nothing is refused; else in halves, down to what is.
    """
    if not parts:
        return {}
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None  # noqa: S101 - it has run a statement
    try:
        async with connection.begin_nested():
            # A comment at the end of a CHECK would hide a semicolon on its line.
            await driver.execute("\n;".join(part.sql for part in parts))
    except asyncpg.PostgresError as error:
        if len(parts) == 1:
            return {parts[0]: first_line(error)}
        half = len(parts) // 2
        refused = await build(connection, parts[:half])
        return refused | await build(connection, parts[half:])
    return {}


class _CopyNames(PGIdentifierPreparer):
    """Write the name of a table as that of its copy, and that of a type as one beside it."""

    def format_table(
        self,
        table: FromClause,
        use_schema: bool = True,  # noqa: ARG002 - the copy has another
        name: str | None = None,
    ) -> str:
        return f"pg_temp.{super().format_table(table, use_schema=False, name=name)}"


def writer_for(dialect: Dialect) -> DDLCompiler:
    """Return a compiler of DDL for the copies; `dialect` knows how this server reads a literal."""
    changed: Any = copy.copy(dialect)
    changed.identifier_preparer = _CopyNames(changed)
    changed._supports_create_index_concurrently = False  # it cannot run in a transaction
    writer: DDLCompiler = changed.ddl_compiler(changed, None)
    return writer


def copy_of(target: Target, writer: DDLCompiler) -> str:
    """Return the name of the copy of a table, as SQL."""
    return writer.preparer.format_table(target.table)


def constraints_of(table: Table, writer: DDLCompiler) -> Iterator[Constraint]:
    """Yield the constraints that CREATE TABLE would make, those of columns too.

    The private method is what it asks: a type brings some along that PostgreSQL does without.
    """
    for constraints in (table.constraints, *(column.constraints for column in table.columns)):
        for constraint in constraints:
            if constraint._should_create_for_compiler(writer):
                yield constraint


def name_of(item: Constraint | Index, writer: DDLCompiler) -> str:
    """Return what the server will call an object; empty where it chooses.

    Raises what SQLAlchemy does for a name that is too long.
    """
    quoted = writer.preparer.format_constraint(item) if item.name is not None else None
    name = "".join(writer.preparer.unformat_identifiers(quoted)) if quoted else ""
    return name.encode()[:_NAME_LENGTH].decode(errors="ignore")


def by_table(rows: Iterable[RowMapping]) -> defaultdict[int, list[RowMapping]]:
    """Return rows by the oid of their table."""
    found = defaultdict(list)
    for row in rows:
        found[row["oid"]].append(row)
    return found


async def fetch(connection: AsyncConnection, name: str, **values: object) -> Sequence[RowMapping]:
    """Return what one of the queries of this package finds."""
    return (
        (await connection.execute(text(qualified(query("migrate", name))), values)).mappings().all()
    )
