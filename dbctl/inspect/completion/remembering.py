"""See the catalogue while a command is connected anyway, so that TAB never has to connect."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg

from dbctl.db.queries import inlined
from dbctl.db.round_trip import read_together
from dbctl.inspect.completion.seen import Seen, is_fresh, keep

# Seconds: nobody waits for it.
_TIMEOUT = 2.0


async def remember(connection: asyncpg.Connection[Any], project: Path, database: str) -> None:
    """Keep the names of a database for TAB, unless they were kept a moment ago.

    The connection must be in no transaction. That the names cannot be read is no fault of the
    command.
    """
    if is_fresh(project, database):
        return
    with suppress(asyncpg.PostgresError):
        statements = [inlined("inspect.completion", "names"), _default_schema()]
        rows, (default,) = await read_together(connection, statements, _TIMEOUT)
        relations = {(row["schema"], row["name"]): tuple(row["columns"]) for row in rows}
        keep(project, database, Seen(default["schema"] or "", relations))


def _default_schema() -> str:
    return f"select (\n{inlined('db', 'current_schema')}) as schema"
