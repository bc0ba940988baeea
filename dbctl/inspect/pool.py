"""The operation behind `inspect pool`."""

from dataclasses import asdict

from dbctl.db.connections import count_connections
from dbctl.db.engine import DatabaseSessionManager
from dbctl.inspect.reading import STATEMENT_TIMEOUT, reading
from dbctl.inspect.results import Connections, Pool, PoolResult, Server


async def show_pool(
    manager: DatabaseSessionManager, *, statement_timeout: float = STATEMENT_TIMEOUT
) -> PoolResult:
    """Open one connection and tell where it leads, and how full the pool and the server are.

    The connection of this very look counts as checked out and as used.
    """
    async with manager.connect() as connection, reading(connection, statement_timeout):
        counted = await count_connections(connection)
        status = manager.pool_status()
    server = manager.server
    assert server is not None  # noqa: S101 - the connection above has found it out
    return PoolResult(
        pool=Pool(**asdict(status)),
        server=Server(**asdict(server)),
        connections=Connections(**asdict(counted)),
    )
