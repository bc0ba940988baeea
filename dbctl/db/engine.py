"""The async engine: one pool for an application, one plain connection for migrations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import asyncpg
from sqlalchemy import NullPool, QueuePool
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from dbctl.db.connect import Connector, ServerInfo
from dbctl.db.dsn import Dsn
from dbctl.db.endpoints import Endpoint, resolve
from dbctl.db.failures import statement_failed
from dbctl.errors import ConnectionFailed
from dbctl.settings import Settings, load_settings

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

# Seconds to wait for a connection of a pool that is used up.
POOL_TIMEOUT = 30.0
# Seconds to wait for the server to take its leave: it is told already, so nothing is lost.
CLOSE_TIMEOUT = 0.3

_DRIVER_ERRORS = (
    DBAPIError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    ConnectionError,
    TimeoutError,
)


@dataclass(frozen=True, slots=True)
class PoolStatus:
    """How much of a pool is in use; counts of connections, `recycle` in seconds."""

    size: int
    max_overflow: int
    checked_in: int
    checked_out: int
    overflow: int
    recycle: int


class DatabaseSessionManager:
    """Own the async engine of one endpoint and hand out its sessions and connections.

    Nothing connects before the first use. `connect_timeout` bounds one attempt to connect and
    `connect_deadline` all of them, in seconds. With `pooling` off each use opens a connection of
    its own and closes it, as migrations need it. `label` names the database for people.
    """

    def __init__(
        self,
        dsn: Dsn,
        *,
        pool_size: int = 5,
        max_overflow: int = 10,
        pool_recycle: int = 3600,
        pool_timeout: float = POOL_TIMEOUT,
        connect_timeout: float = 15.0,
        connect_deadline: float = 60.0,
        pooling: bool = True,
        on_wait: Callable[[str], None] | None = None,
        label: str | None = None,
    ) -> None:
        self.dsn = dsn
        self.label = label or dsn.label
        self._connector = Connector(
            dsn, timeout=connect_timeout, deadline=connect_deadline, on_wait=on_wait
        )
        self._pool_size = pool_size
        self._max_overflow = max_overflow
        self._recycle = pool_recycle
        self._pool_timeout = pool_timeout
        if pooling:
            self.engine = create_async_engine(
                "postgresql+asyncpg://",
                async_creator=self._connector,
                pool_size=pool_size,
                max_overflow=max_overflow,
                pool_recycle=pool_recycle,
                pool_timeout=pool_timeout,
                pool_pre_ping=True,
            )
        else:
            self.engine = create_async_engine(
                "postgresql+asyncpg://", async_creator=self._connector, poolclass=NullPool
            )

    @classmethod
    def from_settings(
        cls,
        settings: Settings,
        endpoint: Endpoint,
        *,
        pooling: bool = True,
        on_wait: Callable[[str], None] | None = None,
    ) -> DatabaseSessionManager:
        """Return a manager for `endpoint` with the pool and the patience of the settings."""
        return cls(
            endpoint.dsn,
            label=endpoint.label,
            pool_size=settings.pool_size,
            max_overflow=settings.max_overflow,
            pool_recycle=settings.pool_recycle,
            connect_timeout=settings.connect_timeout,
            connect_deadline=settings.deadline,
            pooling=pooling,
            on_wait=on_wait,
        )

    @property
    def server(self) -> ServerInfo | None:
        """What the first connection found out about the server; None before it."""
        return self._connector.server

    @property
    def connect_deadline(self) -> float:
        """The seconds that the next connection may take over all tries."""
        return self._connector.deadline

    @connect_deadline.setter
    def connect_deadline(self, seconds: float) -> None:
        self._connector.deadline = seconds

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection that is in no transaction; what is not committed is rolled back.

        Raises ConnectionFailed where none comes about.
        """
        with self._used_up_explained():
            async with self.engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """Yield an SQLModel session; what the caller does not commit is rolled back.

        Raises ConnectionFailed where no connection comes about.
        """
        from sqlmodel.ext.asyncio.session import AsyncSession

        with self._used_up_explained():
            async with AsyncSession(self.engine, expire_on_commit=False) as session:
                yield session

    def pool_status(self) -> PoolStatus:
        """Count the connections of the pool as they are now; all zero without pooling."""
        pool = self.engine.pool
        if not isinstance(pool, QueuePool):
            return PoolStatus(0, 0, 0, 0, 0, -1)
        return PoolStatus(
            size=pool.size(),
            max_overflow=self._max_overflow,
            checked_in=pool.checkedin(),
            checked_out=pool.checkedout(),
            overflow=max(pool.overflow(), 0),
            recycle=self._recycle,
        )

    @contextmanager
    def _used_up_explained(self) -> Iterator[None]:
        try:
            yield
        except PoolTimeout as error:
            limit = self._pool_size + self._max_overflow
            raise ConnectionFailed(
                f"all {limit} connections of the pool to {self.label} are in use, and none was "
                f"given back within {self._pool_timeout:g} s",
                hint="Raise DB_POOL_SIZE or DB_MAX_OVERFLOW, or hold connections for less time.",
            ) from error

    async def close(self) -> None:
        """Close every connection of the pool that is not in use.

        Where the server does not take its leave in time, everything is cut off.
        """
        cut_off = asyncio.get_running_loop().call_later(CLOSE_TIMEOUT, self.terminate)
        try:
            await self.engine.dispose()
        finally:
            cut_off.cancel()

    def terminate(self) -> None:
        """Cut off every connection, in use or not: what waits for the server fails at once."""
        self._connector.terminate()


@asynccontextmanager
async def closing(manager: DatabaseSessionManager) -> AsyncIterator[DatabaseSessionManager]:
    """Yield `manager` for one command and close it.

    What the driver raises meanwhile leaves as a DbctlError in words.
    """
    try:
        yield manager
    except BrokenPipeError:  # not the server's: who reads our output has seen enough
        raise
    except _DRIVER_ERRORS as error:
        raise statement_failed(error) from error
    finally:
        await manager.close()


@cache
def session_manager() -> DatabaseSessionManager:
    """Return the process-wide manager of the reading endpoint, made at the first call."""
    settings = load_settings()
    endpoints = resolve(settings, on_notice=lambda _: None)
    return DatabaseSessionManager.from_settings(settings, endpoints.reads)


async def get_db() -> AsyncGenerator[AsyncSession]:
    """Yield a session: the dependency of a FastAPI endpoint, `Depends(get_db)`.

    The endpoint commits; what it does not commit is rolled back.
    """
    async with session_manager().session() as session:
        yield session
