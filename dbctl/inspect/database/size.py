"""The operation behind `inspect size`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import asyncpg

from dbctl.db.catalog import fetch
from dbctl.db.names import typed
from dbctl.inspect.database.results.size import (
    DatabaseSize,
    IndexSize,
    Share,
    SizeResult,
    TableSize,
)
from dbctl.inspect.reading import STATEMENT_TIMEOUT, reading

LIMIT = 20
_PARTS = ("total_bytes", "heap_bytes", "index_bytes", "toast_bytes")


async def measure(
    connection: asyncpg.Connection[Any],
    *,
    limit: int = LIMIT,
    statement_timeout: float = STATEMENT_TIMEOUT,
) -> SizeResult:
    """Measure the database, its schemas, and the `limit` largest tables and indexes.

    A table that is locked exclusively is left out and named, so that nothing waits for it.
    """
    async with reading(connection, statement_timeout):
        sizes = await fetch(connection, "inspect.database", "sizes")
        indexes = await fetch(connection, "inspect.database", "all_indexes", schema=None)
        databases = await fetch(connection, "inspect.database", "databases")
        total = await connection.fetchval(
            "SELECT pg_catalog.pg_database_size(pg_catalog.current_database())"
        )
        (moment,) = await fetch(connection, "inspect.database", "moment")
    known = [row for row in sizes if not row["locked"]]
    measured = sorted(
        (row for row in indexes if row["bytes"] is not None),
        key=lambda row: (-row["bytes"], row["schema"], row["name"]),
    )
    return SizeResult(
        database=moment["database"],
        read_at=moment["read_at"],
        total_bytes=total,
        other_bytes=max(total - sum(row["total_bytes"] for row in known), 0),
        limit=limit,
        schemas=tuple(_schemas(known)),
        table_count=len(known),
        tables=tuple(
            TableSize(
                schema_name=row["schema"], name=row["name"], **{part: row[part] for part in _PARTS}
            )
            for row in known[:limit]
        ),
        index_count=len(measured),
        indexes=tuple(
            IndexSize(
                schema_name=row["schema"], table=row["table"], name=row["name"], bytes=row["bytes"]
            )
            for row in measured[:limit]
        ),
        databases=tuple(DatabaseSize(**row) for row in databases),
        locked=tuple(
            f"{typed(row['schema'])}.{typed(row['name'])}" for row in sizes if row["locked"]
        ),
    )


def _schemas(rows: list[Mapping[str, Any]]) -> list[Share]:
    sums: dict[str, dict[str, int]] = {}
    for row in rows:
        of_schema = sums.setdefault(row["schema"], dict.fromkeys(_PARTS, 0))
        for part in _PARTS:
            of_schema[part] += row[part]
    shares = [Share(name=name, **parts) for name, parts in sums.items()]
    return sorted(shares, key=lambda share: (-share.total_bytes, share.name))
