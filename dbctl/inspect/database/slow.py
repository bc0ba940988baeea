"""The operation behind `inspect slow`: what pg_stat_statements has summed up."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import asyncpg

from dbctl.db.catalog import fetch
from dbctl.db.grants import all_stats
from dbctl.db.names import quote
from dbctl.db.queries import MARK, positional
from dbctl.errors import ErrorCode, FindingError
from dbctl.inspect.database.results.slow import SlowResult, Statement
from dbctl.inspect.reading import STATEMENT_TIMEOUT, reading
from dbctl.sqlliterals import without_literals

LIMIT = 20
_HIDDEN = "<insufficient privilege>"
# 1.8 came with PostgreSQL 13; a database that was upgraded keeps the view that it had.
_MINIMUM = (1, 8)


async def list_statements(
    connection: asyncpg.Connection[Any],
    *,
    sort: str = "total",
    limit: int = LIMIT,
    reveal: bool = False,
    statement_timeout: float = STATEMENT_TIMEOUT,
) -> SlowResult:
    """List the `limit` statements of this database that take the most, by `sort`.

    That is total or mean time, calls, or io. Queries of dbctl's own are left out. Of utility
    statements pg_stat_statements keeps the constants, such as a new password: they are shown only
    if `reveal` is set. Raises FindingError where pg_stat_statements is not there, with what to do.
    """
    async with reading(connection, statement_timeout):
        (extension,) = await fetch(connection, "inspect.database", "statements_extension")
        _require(extension)
        schema = quote(extension["schema"])
        try:
            rows = await _statements(connection, schema, sort, limit)
            since = await _since(connection, schema, extension["version"])
        except asyncpg.ObjectNotInPrerequisiteStateError as error:
            raise FindingError(
                "pg_stat_statements is created here, but the server has not loaded it",
                hint=_load("Set"),
                code=ErrorCode.EXTENSION_MISSING,
            ) from error
        (moment,) = await fetch(connection, "inspect.database", "moment")
    return SlowResult(
        database=moment["database"],
        read_at=moment["read_at"],
        since=since,
        sort=sort,
        io_timing=extension["io_timing"],
        statement_count=rows[0]["statement_count"] if rows else 0,
        total_ms=rows[0]["all_ms"] if rows else 0.0,
        own_count=rows[0]["own_count"] if rows else 0,
        grant=all_stats(moment["role"]) if any(row["query"] == _HIDDEN for row in rows) else None,
        statements=tuple(_statement(row, reveal=reveal) for row in rows),
    )


def _require(extension: Mapping[str, Any]) -> None:
    """Raise FindingError where the extension is not in this database, or too old."""
    if extension["schema"] is None:
        if extension["neon"]:
            hint = "Run `CREATE EXTENSION pg_stat_statements` here: Neon has it loaded."
        elif extension["available"]:
            hint = (
                f"{_load('Where it is not loaded yet, set')}. "
                "Then run here, as the owner: CREATE EXTENSION pg_stat_statements"
            )
        else:
            hint = (
                "Install PostgreSQL's contrib package on the server. "
                f"{_load('Then set')}, and run here, as the owner: "
                "CREATE EXTENSION pg_stat_statements"
            )
        raise FindingError(
            "pg_stat_statements is not in this database, and nothing else sums statements up",
            hint=hint,
            code=ErrorCode.EXTENSION_MISSING,
        )
    if _version(extension["version"]) < _MINIMUM:
        raise FindingError(
            f"pg_stat_statements is of version {extension['version']} here, which is too old",
            hint="Run here, as its owner: ALTER EXTENSION pg_stat_statements UPDATE",
            code=ErrorCode.EXTENSION_MISSING,
        )


def _load(begin: str) -> str:
    return f"{begin} shared_preload_libraries = 'pg_stat_statements' and restart the server"


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


async def _statements(
    connection: asyncpg.Connection[Any], schema: str, sort: str, limit: int
) -> list[Mapping[str, Any]]:
    text, names = positional("inspect.database", "slow")
    values = {"sort": sort, "limit": limit, "mark": MARK}
    return list(
        await connection.fetch(
            text.replace("{statements}", f"{schema}.pg_stat_statements"),
            *(values[name] for name in names),
        )
    )


async def _since(connection: asyncpg.Connection[Any], schema: str, version: str) -> datetime | None:
    if _version(version) < (1, 9):  # where its reset is not told
        return None
    since: datetime | None = await connection.fetchval(
        f"SELECT stats_reset FROM {schema}.pg_stat_statements_info"  # noqa: S608 - a quoted name
    )
    return since


def _statement(row: Mapping[str, Any], *, reveal: bool) -> Statement:
    known = {name: row[name] for name in Statement.model_fields}
    if row["query"] == _HIDDEN:
        known["query"] = None
    elif not reveal:
        known["query"] = without_literals(row["query"])
    known["query_id"] = row["query_id"] or ""
    return Statement(**known)
