"""The one transaction that rows are written in, and each way in which it can end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.db.commits import commit
from dbctl.db.engine import DatabaseSessionManager
from dbctl.db.failures import (
    DRIVER_ERRORS,
    Loss,
    connection_loss,
    driver_error,
    first_line,
    sqlstate,
)
from dbctl.db.search_path import restore_path
from dbctl.errors import ConnectionFailed, DbctlError, ErrorCode, OperationFailed
from dbctl.seed import guard
from dbctl.seed.bulk.refusals import NOTHING_WRITTEN
from dbctl.settings import Settings

# Seconds that a statement waits for a lock of another session's.
LOCK_TIMEOUT = 10.0

# A role may have other defaults, for the queries of an application.
_BEGIN = "set transaction isolation level read committed, read write, not deferrable"
# For this transaction only: behind a pooler the session is somebody else's next. The names are
# looked up, as not every version has each of them.
_LIMITS = """
    select /* dbctl */ pg_catalog.set_config('application_name', $1, true),
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
        driver: asyncpg.Connection[Any] | None = None
        try:
            driver = await _begin(connection, manager, purpose)
            await guard.refuse_unmarked(connection, manager, settings)
            yield connection, driver
            # What is deferred to the COMMIT: triggers, which are the application's.
            with suppress(asyncpg.InFailedSQLTransactionError):  # the COMMIT will be refused
                await restore_path(driver)
        except BaseException as error:
            loss = _loss(driver, error)
            if loss is None:
                raise
            await connection.invalidate()  # else its ROLLBACK would fail in place of what did
            if not isinstance(error, _FAILURES) and connection_loss(error) is None:
                raise
            if isinstance(error, DbctlError) and not isinstance(error, ConnectionFailed):
                raise
            raise ConnectionFailed(
                f"the connection to {manager.label} was lost{loss.reason}",
                hint=f"{NOTHING_WRITTEN} Run it again.",
            ) from error
        try:
            await commit(
                connection,
                manager.label,
                manager.notify,
                what="what was written",
                look="`dbctl inspect tables`",
            )
        except _FAILURES as error:
            raise _refused_commit(error, manager) from error


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


def _loss(driver: asyncpg.Connection[Any] | None, error: BaseException) -> Loss | None:
    is_closed = driver is not None and driver.is_closed()
    return connection_loss(error) or (Loss(None) if is_closed else None)


def _refused_commit(error: BaseException, manager: DatabaseSessionManager) -> DbctlError:
    state = sqlstate(error)
    code = f" (SQLSTATE {state})" if state else ""
    return OperationFailed(
        f"{manager.label} refused the COMMIT: {first_line(driver_error(error))}{code}",
        hint=NOTHING_WRITTEN,
        code=ErrorCode.QUERY_FAILED,
    )
