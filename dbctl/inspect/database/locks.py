"""The operation behind `inspect locks`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import asyncpg

from dbctl.db.catalog import fetch
from dbctl.inspect.database.results.locks import Lock, LocksResult
from dbctl.inspect.reading import STATEMENT_TIMEOUT, reading
from dbctl.sqlliterals import without_literals


async def list_locks(
    connection: asyncpg.Connection[Any],
    *,
    reveal: bool = False,
    statement_timeout: float = STATEMENT_TIMEOUT,
) -> LocksResult:
    """List the locks that other sessions hold or wait for in this database.

    What is locked stays together: where somebody waits comes first, then the strongest locks.
    Statements have no constants in them unless `reveal` is set.
    """
    async with reading(connection, statement_timeout):
        rows = await fetch(connection, "inspect.database", "locks")
        (moment,) = await fetch(connection, "inspect.database", "moment")
    waited = {row["target"] for row in rows if not row["granted"]}
    strongest: dict[str, int] = {}
    for row in rows:
        target = row["target"]
        strongest[target] = max(strongest.get(target, 0), row["strength"] or 0)

    def place(row: Mapping[str, Any]) -> tuple[Any, ...]:
        target = row["target"]
        return (
            target not in waited,
            -strongest[target],
            target,
            not row["granted"],
            -(row["strength"] or 0),
            -(row["waiting_seconds"] or 0),
            row["pid"] or 0,
            row["mode"],
        )

    return LocksResult(
        database=moment["database"],
        read_at=moment["read_at"],
        locks=tuple(_lock(row, reveal=reveal) for row in sorted(rows, key=place)),
    )


def _lock(row: Mapping[str, Any], *, reveal: bool) -> Lock:
    known = {name: row[name] for name in Lock.model_fields}
    if known["query"] is not None and not reveal:
        known["query"] = without_literals(known["query"])
    return Lock(**known | {"blocked_by": tuple(dict.fromkeys(row["blocked_by"]))})
