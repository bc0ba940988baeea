"""The one transaction that rows are written in, and each way in which it can end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.db.engine import DatabaseSessionManager
from dbctl.db.failures import DRIVER_ERRORS, driver_error, first_line, sqlstate
from dbctl.db.search_path import RESTORE_PATH
from dbctl.errors import ConnectionFailed, DbctlError, ErrorCode, OperationFailed
from dbctl.interruption import awaiting
from dbctl.seed import guard
from dbctl.seed.bulk.refusals import NOTHING_WRITTEN, ends_session
from dbctl.settings import Settings

# Seconds that a statement waits for a lock of another session's.
LOCK_TIMEOUT = 10.0

# A role may have other defaults, for the queries of an application.
_BEGIN = "set transaction isolation level read committed, read write, not deferrable"
# For this transaction only: behind a pooler the session is somebody else's next. The names are
# looked up, as not every version has each of them.
_LIMITS = """
    select pg_catalog.set_config('application_name', $1, true),
           pg_catalog.set_config('lock_timeout', $2, true),
           (
               select count(pg_catalog.set_config(s.name, '0', true))
               from pg_catalog.pg_settings s
               where s.name in ('statement_timeout', 'transaction_timeout',
                                'idle_in_transaction_session_timeout')
           )
"""
_NAME_LENGTH = 63

_FAILURES = (DBAPIError, *DRIVER_ERRORS)


@asynccontextmanager
async def transaction(
    manager: DatabaseSessionManager, settings: Settings, *, purpose: str
) -> AsyncIterator[tuple[AsyncConnection, asyncpg.Connection[Any]]]:
    """Yield a connection in a transaction, and its driver; committed if the body ends well.

    `purpose` is what the server knows the session by. Raises RefusedError where rows must not be
    written, OperationFailed where the server takes none, ConnectionFailed where the connection is
    lost.
    """
    guard.refuse_production(settings)
    async with manager.connect() as connection:
        driver = await _begin(connection, manager, purpose)
        try:
            await guard.refuse_unmarked(connection, manager, settings)
            yield connection, driver
            await _commit(connection, driver, manager)
        except BaseException as error:
            if not _is_lost(driver, error):
                raise
            await connection.invalidate()  # else its ROLLBACK would fail in place of what did
            if not isinstance(error, _FAILURES):
                raise
            raise _lost(manager, error) from error


async def _begin(
    connection: AsyncConnection, manager: DatabaseSessionManager, purpose: str
) -> asyncpg.Connection[Any]:
    try:
        await connection.exec_driver_sql(_BEGIN)
    except DBAPIError as error:
        if sqlstate(error) not in {"0A000", "25006"}:
            raise
        raise OperationFailed(
            f"{manager.label} is a standby: it takes no rows",
            hint="Write to its primary.",
            code=ErrorCode.QUERY_FAILED,
        ) from error
    limits = (purpose[:_NAME_LENGTH], f"{LOCK_TIMEOUT * 1000:.0f}ms")
    await connection.exec_driver_sql(_LIMITS, limits)
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None  # noqa: S101 - it has just answered
    return driver


def _is_lost(driver: asyncpg.Connection[Any], error: BaseException) -> bool:
    return driver.is_closed() or ends_session(driver_error(error))


def _lost(manager: DatabaseSessionManager, error: BaseException) -> ConnectionFailed:
    said = driver_error(error).__cause__
    reason = f" ({first_line(said)})" if isinstance(said, asyncpg.PostgresError) else ""
    return ConnectionFailed(
        f"the connection to {manager.label} was lost{reason}",
        hint=f"{NOTHING_WRITTEN} Run it again.",
    )


async def _commit(
    connection: AsyncConnection, driver: asyncpg.Connection[Any], manager: DatabaseSessionManager
) -> None:
    """Commit, also where the task is cancelled meanwhile: what has been asked for may be done."""
    try:
        # The COMMIT of a transaction that has failed rolls it back, and says so to nobody.
        # What is deferred to it (triggers of the application) runs under the path of the session.
        await connection.exec_driver_sql(RESTORE_PATH)
        commit = asyncio.ensure_future(connection.commit())
        with awaiting("the COMMIT"):
            await _undisturbed(commit)
    except _FAILURES as error:
        if _is_lost(driver, error):
            raise ConnectionFailed(
                f"the connection to {manager.label} was lost during the COMMIT; "
                "whether the rows were written is unknown",
                hint="Count them (`dbctl inspect tables`) before you run it again.",
            ) from error
        raise _refused_commit(error, manager) from error


async def _undisturbed(work: asyncio.Future[None]) -> None:
    """Wait for `work` to its end and take back a cancellation that has come too late for it."""
    task = asyncio.current_task()
    while not work.done():
        try:
            await asyncio.wait({work})
        except asyncio.CancelledError:
            assert task is not None  # noqa: S101 - what is cancelled is a task
            task.uncancel()
    work.result()


def _refused_commit(error: BaseException, manager: DatabaseSessionManager) -> DbctlError:
    state = sqlstate(error)
    code = f" (SQLSTATE {state})" if state else ""
    return OperationFailed(
        f"{manager.label} refused the COMMIT: {first_line(driver_error(error))}{code}",
        hint=NOTHING_WRITTEN,
        code=ErrorCode.QUERY_FAILED,
    )
