"""What a command that changes a database works under: the deployer lock, and its own session."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.db.engine import DatabaseSessionManager
from dbctl.errors import OperationFailed
from dbctl.migrate.events import Event, LockAwaited
from dbctl.migrate.guards import Terms
from dbctl.migrate.lock import DeployerLock, deployer_lock, take_work
from dbctl.migrate.session import RevisionSession

# Seconds that a pooler has at least to find a connection to the server.
_PATIENCE = 10.0


def deployer(
    manager: DatabaseSessionManager, terms: Terms, report: Callable[[Event], None]
) -> AbstractAsyncContextManager[DeployerLock]:
    """Hold the deployer lock of the database on the terms of this run.

    Raises OperationFailed, code `lock_busy`, where another run goes on for longer than it is waited
    for.
    """
    return deployer_lock(
        manager,
        terms.application_name,
        wait=terms.lock_wait,
        on_wait=lambda holder, left: report(LockAwaited(holder, left)),
    )


@asynccontextmanager
async def revision_session(
    manager: DatabaseSessionManager,
    terms: Terms,
    report: Callable[[Event], None],
    session: RevisionSession | None = None,
) -> AsyncIterator[AsyncConnection]:
    """Yield the connection that changes the database; no other run's does so meanwhile.

    A direct one is prepared as a `session`. Raises OperationFailed, code `lock_busy`, where an
    earlier run's does not end in time.
    """
    session = session or RevisionSession(terms.ddl_lock_timeout)
    async with manager.connect() as connection:
        if manager.server is not None and not manager.server.pooled:
            raw = await connection.get_raw_connection()
            assert raw.driver_connection is not None  # noqa: S101 - it has just been opened
            await session.prepare(raw.driver_connection, terms.application_name)
            await take_work(
                raw.driver_connection,
                manager,
                wait=terms.lock_wait,
                on_wait=lambda holder, left: report(LockAwaited(holder, left)),
            )
        else:
            await _answer(connection, manager)
        yield connection


async def _answer(connection: AsyncConnection, manager: DatabaseSessionManager) -> None:
    """Have the server answer; a pooler with no connection to spare would let it wait for minutes.

    Raises OperationFailed then.
    """
    try:
        async with asyncio.timeout(max(manager.connect_deadline, _PATIENCE)):
            await connection.execute(text("select 1"))
    except TimeoutError:
        raise OperationFailed(
            f"the pooler of {manager.label} has no second connection to the server",
            hint="Give it room for two (default_pool_size): one holds the deployer lock.",
        ) from None
    await connection.rollback()
