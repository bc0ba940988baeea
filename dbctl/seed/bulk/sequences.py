"""Move sequences on to where the rows that were written with keys of their own have come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import asyncpg

from dbctl.db.names import quote
from dbctl.db.queries import query
from dbctl.db.tables import Table

_COUNTED = frozenset({"int2", "int4", "int8", "numeric"})


@dataclass(frozen=True, slots=True)
class Resynced:
    """A sequence that was moved on: its next value is the one after `value`."""

    sequence: str
    value: int


async def resync(driver: asyncpg.Connection[Any], table: Table) -> tuple[list[Resynced], list[str]]:
    """Move the sequences of `table` on, never back; return what was moved, and what was not.

    A sequence knows no rollback: to be called last. What was not is told in a sentence each.
    """
    moved, kept = [], []
    for row in await driver.fetch(query("seed.bulk", "sequences"), table.relation.oid):
        if table.column(row["column"]).leaf not in _COUNTED:
            continue
        if not row["permitted"]:
            kept.append(
                f"{row['sequence']} was left where it is: this role has no SELECT and UPDATE on it,"
                f" or no SELECT on {table.label}"
            )
            continue
        value = await driver.fetchval(_statement(table, row))
        if value is not None:
            moved.append(Resynced(row["sequence"], value))
    return moved, kept


def _statement(table: Table, row: asyncpg.Record) -> str:
    """Return what sets the sequence to the furthest value of the column, if that is ahead of it.

    A value beyond the bounds of the sequence leaves it at the bound: used up, or to cycle.
    """
    furthest, ahead = ("max", ">") if row["ascending"] else ("min", "<")
    low, high = row["minimum"], row["maximum"]
    column, sequence = quote(row["column"]), row["sequence"]
    name = "'" + sequence.replace("'", "''") + "'"
    return f"""
        select pg_catalog.setval({name}::pg_catalog.regclass, found.value)
        from (
            select greatest(least({furthest}({column}), {high}), {low})::int8 as value,
                   {furthest}({column}) as furthest
            from {table.sql}
        ) found, {sequence} s
        where found.furthest {ahead} s.last_value
           or found.furthest = s.last_value and not s.is_called
    """  # noqa: S608 - every name is quoted
