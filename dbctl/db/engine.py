"""The async engine: one pool for an application, one plain connection for migrations."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import asyncpg
from sqlalchemy import AsyncAdaptedQueuePool, NullPool, PoolProxiedConnection, QueuePool, event
from sqlalchemy.engine import AdaptedConnection
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.pool import ConnectionPoolEntry

from dbctl.db.connect import CLOSE_TIMEOUT, Connector, OwnConnection, ServerInfo
from dbctl.db.dialect import create_engine
from dbctl.db.dsn import Dsn
from dbctl.db.endpoints import Endpoint, resolve
from dbctl.db.failures import DRIVER_ERRORS, connection_loss, statement_failed
from dbctl.errors import ConnectionFailed, DbctlError
from dbctl.settings import Settings, load_settings

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

# Seconds to wait for a connection of a pool that is used up.
POOL_TIMEOUT = 30.0
# Seconds in which a pooled connection must show that it is alive before it is handed out.
PING_TIMEOUT = 3.0

# In the pool's record of a connection: how often the pool was closed before it was handed out.
_CLOSES = "dbctl.closes"

logger = logging.getLogger("dbctl.db")

_CONNECTION_ERRORS = (
    DBAPIError,
    asyncpg.PostgresError,
    asyncpg.InternalClientError,
    asyncpg.InterfaceError,
    ConnectionError,
    TimeoutError,
    UnicodeDecodeError,
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
    its own and closes it, as migrations need it. `label` names the database for people, `origin`
    the setting that led there. `on_wait` is called with what people should know meanwhile, and so
    is `notify`.
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
        origin: str = "DATABASE_URL",
    ) -> None:
        self.dsn = dsn
        self.label = label or dsn.label
        self.origin = origin
        self.notify = on_wait or (lambda _notice: None)
        self._connector = Connector(
            dsn, timeout=connect_timeout, deadline=connect_deadline, on_wait=on_wait
        )
        self._pool_size = pool_size
        self._max_overflow = max_overflow
        self._recycle = pool_recycle
        self._pool_timeout = pool_timeout
        self._closes = 0
        self._idle: WeakSet[asyncpg.Connection[Any]] = WeakSet()
        if pooling:
            self.engine = create_engine(
                self._connector,
                poolclass=_pool_class(self._no_connection),
                pool_size=pool_size,
                max_overflow=max_overflow,
                pool_recycle=pool_recycle,
                pool_timeout=pool_timeout,
            )
            event.listen(self.engine.sync_engine, "checkin", self._on_checkin)
            event.listen(self.engine.sync_engine, "checkout", self._on_checkout)
        else:
            self.engine = create_engine(self._connector, poolclass=NullPool)

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
            origin=endpoint.origin,
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

    @property
    def trouble(self) -> str | None:
        """Why a connection that is being opened has not come about yet; None where nothing is."""
        trouble = self._connector.trouble
        return trouble.reason if trouble else None

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection for SQL of dbctl's own, whose transactions have an empty search_path.

        It is in no transaction; what is not committed is rolled back. Raises ConnectionFailed where
        none comes about.
        """
        stack = AsyncExitStack()
        try:
            connection = await stack.enter_async_context(self.engine.connect())
        except DBAPIError as error:  # of what SQLAlchemy asks of a new connection
            if (loss := connection_loss(error)) is None:
                raise
            raise ConnectionFailed(
                f"the connection to {self.label} was lost as soon as it was opened{loss.reason}",
                hint="Run it again; nothing was changed on it.",
            ) from error
        async with stack:
            driver = (await connection.get_raw_connection()).driver_connection
            assert isinstance(driver, OwnConnection)  # noqa: S101 - the engine has no other
            driver.own = True
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

    def _on_checkin(
        self, connection: AdaptedConnection | None, record: ConnectionPoolEntry
    ) -> None:
        if connection is None:  # it was lost meanwhile
            return
        if record.info[_CLOSES] == self._closes:
            self._idle.add(connection.driver_connection)
        else:  # its pool is closed, and would let go of it without closing it
            record.invalidate()

    def _on_checkout(
        self, connection: AdaptedConnection, record: ConnectionPoolEntry, _proxy: object
    ) -> None:
        """Let the pool replace what it holds where the connection it would hand out is dead."""
        record.info[_CLOSES] = self._closes
        driver = connection.driver_connection
        driver.own = False
        if driver not in self._idle:  # it has just been opened
            return
        self._idle.discard(driver)
        try:
            connection.run_async(self._ping)
        except DRIVER_ERRORS as error:
            raise InvalidatePoolError from error

    async def _ping(self, connection: asyncpg.Connection[Any]) -> None:
        """Have the server answer; SQLAlchemy's own ping would wait for a silent one for ever.

        Cut off, a connection fails at once; a ping that is cancelled would ask the server to cancel
        it too.
        """
        seconds = min(PING_TIMEOUT, self.connect_deadline / 2)
        cut_off = asyncio.get_running_loop().call_later(seconds, connection.terminate)
        try:
            await connection.execute("select")
        finally:
            cut_off.cancel()

    def _no_connection(self) -> ConnectionFailed:
        """Describe why the pool had nothing to hand out in time."""
        if trouble := self._connector.trouble:
            return ConnectionFailed(
                f"cannot connect to {self.label}: {trouble.reason} "
                f"(still trying after {self._pool_timeout:g} s)",
                hint=trouble.hint,
            )
        limit = self._pool_size + self._max_overflow
        return ConnectionFailed(
            f"all {limit} connections of the pool to {self.label} are in use, and none was "
            f"given back within {self._pool_timeout:g} s",
            hint="Raise DB_POOL_SIZE or DB_MAX_OVERFLOW, or hold connections for less time.",
        )

    async def close(self) -> None:
        """Close every connection of the pool that is not in use.

        Where the server does not take its leave in time, they are cut off. A connection in use is
        closed when it is given back.
        """

        def cut_off() -> None:
            for connection in list(self._idle):
                connection.terminate()

        self._closes += 1
        late = asyncio.get_running_loop().call_later(CLOSE_TIMEOUT, cut_off)
        try:
            await self.engine.dispose()
        finally:
            late.cancel()

    def terminate(self) -> None:
        """Cut off every connection, in use or not: what waits for the server fails at once."""
        self._connector.terminate()


def _pool_class(explain: Callable[[], ConnectionFailed]) -> type[AsyncAdaptedQueuePool]:
    """Return a pool that raises what `explain` returns when it has no connection in time."""

    class Pool(AsyncAdaptedQueuePool):
        def connect(self) -> PoolProxiedConnection:
            try:
                return super().connect()
            except PoolTimeout as error:
                raise explain() from error

    return Pool


@asynccontextmanager
async def closing(
    manager: DatabaseSessionManager, *, only_read: bool = False
) -> AsyncIterator[DatabaseSessionManager]:
    """Yield `manager` for one command, close it and cut off what is left.

    What the driver raises meanwhile leaves as a DbctlError in words, which say more of a command
    that can `only_read`.
    """
    try:
        yield manager
    except (BrokenPipeError, DbctlError):  # the first: who reads our output has seen enough
        raise
    except _CONNECTION_ERRORS as error:
        raise statement_failed(error, only_read=only_read) from error
    except Exception as error:
        if connection_loss(error) is None:
            raise
        raise statement_failed(error, only_read=only_read) from error
    finally:
        try:
            await manager.close()
        finally:
            manager.terminate()


@dataclass(slots=True)
class _Shared:
    """The manager of one event loop, once it is made, and what closes it with the loop."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    manager: DatabaseSessionManager | None = None
    life: AsyncGenerator[None] | None = None


_shared: dict[asyncio.AbstractEventLoop, _Shared] = {}
_resolving = threading.Lock()


async def session_manager() -> DatabaseSessionManager:
    """Return the manager of the reading endpoint that the running event loop shares.

    It is made at the first call, which may start the embedded server, and closed by `close_db` or
    with the loop: a connection is of no use to another one.
    """
    for loop in [loop for loop in _shared if loop.is_closed()]:  # not by asyncio.run
        _shared.pop(loop, None)
    shared = _shared.setdefault(asyncio.get_running_loop(), _Shared())
    async with shared.lock:
        if shared.manager is None:
            settings, endpoint = await asyncio.to_thread(_resolve)
            shared.manager = DatabaseSessionManager.from_settings(settings, endpoint)
            shared.life = _close_at_the_end(shared.manager)
            await anext(shared.life)
    return shared.manager


def _resolve() -> tuple[Settings, Endpoint]:
    with _resolving:
        settings = load_settings()
        return settings, resolve(settings, on_notice=logger.warning).reads


async def _close_at_the_end(manager: DatabaseSessionManager) -> AsyncGenerator[None]:
    """Close `manager` when this is closed, as asyncio does with every generator of a loop."""
    try:
        yield
    finally:
        _shared.pop(asyncio.get_running_loop(), None)
        await manager.close()


async def close_db() -> None:
    """Close the connections behind `get_db` that are not in use: for the end of an application.

    The next use in this event loop begins anew.
    """
    shared = _shared.get(asyncio.get_running_loop())
    if shared is not None and shared.life is not None:
        await shared.life.aclose()


async def get_db() -> AsyncGenerator[AsyncSession]:
    """Yield a session: the dependency of a FastAPI endpoint, `Depends(get_db)`.

    The endpoint commits; what it does not commit is rolled back. Each event loop has a pool of its
    own; `close_db` closes it.
    """
    manager = await session_manager()
    async with manager.session() as session:
        yield session
