"""The async engine: one pool for an application, one plain connection for migrations."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import NullPool, QueuePool
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from dbctl.db.connect import Connector, ServerInfo
from dbctl.db.dsn import Dsn
from dbctl.db.endpoints import Endpoint, resolve
from dbctl.db.failures import statement_failed
from dbctl.settings import Settings, load_settings

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

# Seconds to wait for a connection of a pool that is used up.
POOL_TIMEOUT = 30.0


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
        self._recycle = pool_recycle
        self._max_overflow = max_overflow
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
        """Return a manager for `endpoint` with the pool and the patience that the settings ask for."""
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

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection that is in no transaction; what is not committed is rolled back.

        Raises ConnectionFailed where none comes about.
        """
        async with self.engine.connect() as connection:
            yield connection

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """Yield an SQLModel session; what the caller does not commit is rolled back.

        Raises ConnectionFailed where no connection comes about.
        """
        from sqlmodel.ext.asyncio.session import AsyncSession

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

    async def close(self) -> None:
        """Close every connection of the pool that is not in use."""
        await self.engine.dispose()


@asynccontextmanager
async def closing(manager: DatabaseSessionManager) -> AsyncIterator[DatabaseSessionManager]:
    """Yield `manager` for one command and close it.

    What the driver raises meanwhile leaves as a DbctlError in words.
    """
    try:
        yield manager
    except (DBAPIError, OSError) as error:
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
