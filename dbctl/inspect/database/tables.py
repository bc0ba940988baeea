"""The operation behind `inspect tables`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import asyncpg

from dbctl.db.catalog import fetch, kind_of
from dbctl.db.names import quote
from dbctl.inspect.database.results.tables import TablesResult, TableSummary
from dbctl.inspect.database.schemas import known_schema
from dbctl.inspect.query.guard import refusals
from dbctl.inspect.reading import STATEMENT_TIMEOUT, reading

_COUNTABLE = frozenset("rpm")


async def list_tables(
    connection: asyncpg.Connection[Any],
    *,
    schema: str | None = None,
    sort: str = "name",
    partitions: bool = False,
    exact: bool = False,
    statement_timeout: float = STATEMENT_TIMEOUT,
) -> TablesResult:
    """List every relation that is not the system's, with the sizes that it has now.

    `sort` is name, size, rows or dead. With `partitions` they follow their table. With `exact` rows
    are counted, all tables together within `statement_timeout` seconds. Raises UsageError where
    there is no such schema.
    """
    async with reading(connection, statement_timeout):
        name = await known_schema(connection, schema)
        rows = await fetch(connection, "inspect.database", "tables", relation=None, schema=name)
        (moment,) = await fetch(connection, "inspect.database", "moment")
        rows = [row for row in rows if partitions or not row["is_partition"]]
        counted = await _counted(connection, rows, statement_timeout) if exact else {}
    tables = [
        summary(row).model_copy(update=counted.get((row["schema"], row["name"]), {}))
        for row in rows
    ]
    return TablesResult(
        database=moment["database"],
        read_at=moment["read_at"],
        exact=exact,
        tables=tuple(_sorted(tables, sort)),
    )


def summary(row: Mapping[str, Any]) -> TableSummary:
    """Return what a row of tables.sql says."""
    known = {name: row[name] for name in TableSummary.model_fields if name in row}
    return TableSummary(schema_name=row["schema"], kind=kind_of(row), **known)


def _sorted(tables: list[TableSummary], sort: str) -> list[TableSummary]:
    """Sort by what is largest, each partition below its table."""

    def largeness(table: TableSummary) -> int:
        value = {"size": table.total_bytes, "rows": table.rows, "dead": table.dead_rows}[sort]
        return -1 if value is None else value

    if sort == "name":
        return tables
    # Each table with what follows it on a lower level, as the catalogue query orders them.
    families: list[list[TableSummary]] = []
    for table in tables:
        if table.level and families and families[-1][0].level < table.level:
            families[-1].append(table)
        else:
            families.append([table])
    families.sort(key=lambda family: largeness(family[0]), reverse=True)
    return [
        table
        for head, *below in families
        for table in (head, *(_sorted(below, sort) if below else ()))
    ]


async def _counted(
    connection: asyncpg.Connection[Any], rows: list[Mapping[str, Any]], seconds: float
) -> dict[tuple[str, str], dict[str, Any]]:
    """Count the rows of each table, the smallest first, until the time is over; 0 is no limit."""
    ends = time.monotonic() + seconds
    counted: dict[tuple[str, str], dict[str, Any]] = {}
    countable = [row for row in rows if row["relkind"] in _COUNTABLE]
    refused = await refusals(connection, [row["oid"] for row in countable])
    for row in sorted(countable, key=lambda row: row["total_bytes"] or 0):
        left = ends - time.monotonic()
        outcome: dict[str, Any]
        if row["oid"] in refused:
            outcome = {"not_counted": refused[row["oid"]]}
        elif row["total_bytes"] is None:
            outcome = {"not_counted": "locked"}
        elif seconds and left <= 0:
            outcome = {"not_counted": "out of time"}
        else:
            outcome = await _count(connection, row, left if seconds else 0)
        counted[row["schema"], row["name"]] = outcome
    return counted


async def _count(
    connection: asyncpg.Connection[Any], row: Mapping[str, Any], seconds: float
) -> dict[str, Any]:
    relation = f"{quote(row['schema'])}.{quote(row['name'])}"
    try:
        async with connection.transaction():  # a savepoint: what fails ends this count alone
            await connection.execute(
                "SELECT pg_catalog.set_config('statement_timeout', $1, true)",
                f"{max(1, round(seconds * 1000))}ms" if seconds else "0",
            )
            return {"exact_rows": await connection.fetchval(f"SELECT count(*) FROM {relation}")}  # noqa: S608 - quoted names
    except asyncpg.QueryCanceledError:
        return {"not_counted": "out of time"}
    except asyncpg.UndefinedTableError:
        return {"not_counted": "dropped"}
    except asyncpg.LockNotAvailableError:
        return {"not_counted": "locked"}
    except asyncpg.InsufficientPrivilegeError:
        return {"not_counted": "no permission"}
    except asyncpg.ObjectNotInPrerequisiteStateError:
        return {"not_counted": "not populated"}
