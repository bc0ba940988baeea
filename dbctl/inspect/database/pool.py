"""The operation behind `inspect pool`."""

from __future__ import annotations

from dataclasses import asdict

import asyncpg

from dbctl.db.catalog import fetch
from dbctl.db.connections import count_connections
from dbctl.db.engine import DatabaseSessionManager
from dbctl.inspect.database.results.pool import Connections, Pool, PoolResult, Server
from dbctl.inspect.reading import STATEMENT_TIMEOUT, reading


async def show_pool(
    manager: DatabaseSessionManager, *, statement_timeout: float = STATEMENT_TIMEOUT
) -> PoolResult:
    """Open one connection and tell where it leads, and how full the pool and the server are.

    The connection of this very look counts as checked out and as used.
    """
    async with manager.connect() as connection:
        pooled = await connection.get_raw_connection()
        driver = pooled.driver_connection
        assert isinstance(driver, asyncpg.Connection)  # noqa: S101 - the engine has no other
        async with reading(driver, statement_timeout):
            counted = await count_connections(driver)
            (moment,) = await fetch(driver, "inspect.database", "moment")
        status = manager.pool_status()
    server = manager.server
    assert server is not None  # noqa: S101 - the connection above has found it out
    return PoolResult(
        read_at=moment["read_at"],
        pool=Pool(**asdict(status)),
        server=Server(**asdict(server)),
        connections=Connections(**asdict(counted)),
    )
