"""The operation behind `inspect activity`: who does what, and who waits for whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import asyncpg

from dbctl.db.catalog import fetch
from dbctl.db.grants import all_stats
from dbctl.inspect.database.blocking import tree
from dbctl.inspect.database.results.activity import ActivityResult, Backend
from dbctl.inspect.reading import STATEMENT_TIMEOUT, reading
from dbctl.sqlliterals import without_literals

_CLIENT = "client backend"


async def list_activity(
    connection: asyncpg.Connection[Any],
    *,
    every: bool = False,
    reveal: bool = False,
    statement_timeout: float = STATEMENT_TIMEOUT,
) -> ActivityResult:
    """List the sessions of the server but this one, each below the one it waits for.

    Idle ones, those that this role may not look into and the server's own processes are left out
    unless `every` is set, or they keep somebody waiting. The constants in statements are left out
    unless `reveal` is set.
    """
    async with reading(connection, statement_timeout):
        rows = await fetch(connection, "inspect.database", "activity")
        (moment,) = await fetch(connection, "inspect.database", "moment")
    blocking = {pid for row in rows for pid in row["blocked_by"]}
    listed = {row["pid"]: row for row in rows if every or row["pid"] in blocking or _is_active(row)}
    left_out = [row for row in rows if row["pid"] not in listed and row["kind"] == _CLIENT]
    blockers = {pid: tuple(dict.fromkeys(row["blocked_by"])) for pid, row in listed.items()}
    hidden = sum(row["hidden"] for row in rows)
    return ActivityResult(
        database=moment["database"],
        read_at=moment["read_at"],
        every=every,
        idle=sum(not row["hidden"] for row in left_out),
        hidden=hidden,
        grant=all_stats(moment["role"]) if hidden else None,
        backends=tuple(
            _backend(listed[pid], depth, blockers[pid], reveal=reveal)
            for pid, depth in tree(blockers)
        ),
    )


def _is_active(row: Mapping[str, Any]) -> bool:
    return row["kind"] == _CLIENT and not row["hidden"] and row["state"] not in (None, "idle")


def _backend(
    row: Mapping[str, Any], depth: int, blocked_by: tuple[int, ...], *, reveal: bool
) -> Backend:
    known = {name: row[name] for name in Backend.model_fields if name in row}
    query = None if row["hidden"] else row["query"]
    if query is not None and not reveal:
        query = without_literals(query)
    return Backend(**known | {"depth": depth, "blocked_by": blocked_by, "query": query})
