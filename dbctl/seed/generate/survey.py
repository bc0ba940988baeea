"""What the database holds already: rows, keys to point at, and where its sequences are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.db.catalog import Column, fetch
from dbctl.db.names import quote
from dbctl.db.tables import ForeignKey, Table

# So many rows that are there already are pointed at at most, the first ones by their key.
SAMPLE = 100_000


@dataclass(frozen=True, slots=True)
class Sequence_:  # noqa: N801 - the database's, not Python's
    """Where a sequence is: the value that it gives next, its step, and between what it stays."""

    next: int
    increment: int
    low: int
    high: int


async def rows_in(connection: AsyncConnection, table: Table) -> int:
    """Count the rows of a table."""
    return int(await connection.scalar(text(f"select count(*) from {table.sql}")) or 0)  # noqa: S608


async def keys_of(
    connection: AsyncConnection,
    schema: str,
    name: str,
    columns: Sequence[str],
    *,
    limit: int = SAMPLE,
    without: tuple[Table, Sequence[str]] | None = None,
) -> list[tuple[object, ...]]:
    """Return keys of a table, in their order; `without` those that a child points at already."""
    listed = ", ".join(f"p.{quote(column)}" for column in columns)
    conditions = [f"p.{quote(column)} is not null" for column in columns]
    if without is not None:
        child, own = without
        pairs = " and ".join(
            f"c.{quote(mine)} {child.column(mine).operator('=')} p.{quote(theirs)}"
            for mine, theirs in zip(own, columns, strict=True)
        )
        conditions.append(f"not exists (select from {child.sql} c where {pairs})")
    rows = await connection.execute(
        text(
            f"select {listed} from {quote(schema)}.{quote(name)} p "  # noqa: S608 - quoted
            f"where {' and '.join(conditions)} order by {listed} limit {limit}"
        )
    )
    return [tuple(row) for row in rows]


async def sequence_at(connection: AsyncConnection, name: str) -> Sequence_:
    """Read a sequence by its quoted name."""
    (state,) = await fetch(connection, "seed.generate", "sequence", sequence=name)
    row = (await connection.execute(text(f"select last_value, is_called from {name}"))).one()  # noqa: S608
    step = int(state["increment"])
    at = row.last_value + step if row.is_called else row.last_value
    return Sequence_(at, step, int(state["low"]), int(state["high"]))


async def taken_from(
    connection: AsyncConnection, table: Table, column: Column, first: int, increment: int
) -> int | None:
    """Return a value of the column that the sequence has still to give, or None."""
    operator = ">=" if increment > 0 else "<="
    found: int | None = await connection.scalar(
        text(
            f"select {quote(column.name)} from {table.sql} "  # noqa: S608 - quoted
            f"where {quote(column.name)} {operator} :first limit 1"
        ),
        {"first": first},
    )
    return found


def target_of(key: ForeignKey) -> str:
    """Return the label of what a foreign key points at."""
    from dbctl.db.names import typed

    return f"{typed(key.target_schema)}.{typed(key.target_name)}"
