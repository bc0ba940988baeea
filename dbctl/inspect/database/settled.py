"""A look at one relation that somebody else may drop or alter meanwhile.

What the catalogue holds is seen as of one moment, but the server's functions that write it as SQL
look at what is there now: they fail for what is gone, or tell nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from dbctl.errors import OperationFailed

_GONE = (
    asyncpg.InternalServerError,  # cache lookup failed
    asyncpg.InvalidSchemaNameError,
    asyncpg.UndefinedColumnError,
    asyncpg.UndefinedObjectError,
    asyncpg.UndefinedTableError,
)


@asynccontextmanager
async def settled(connection: asyncpg.Connection[Any], oid: int, label: str) -> AsyncIterator[None]:
    """Let the block read about the relation `oid`; raise OperationFailed where it was dropped."""
    changed = OperationFailed(
        f"{label} was dropped or altered while it was read",
        hint="Try again; `dbctl inspect tables` lists what is there now.",
    )
    try:
        yield
        is_there = await connection.fetchval(
            "SELECT pg_catalog.has_table_privilege($1::pg_catalog.oid, 'SELECT') IS NOT NULL", oid
        )
    except _GONE as error:
        raise changed from error
    if not is_there:
        raise changed
