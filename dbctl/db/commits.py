"""COMMIT, and what became of it where its answer is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tenacity import AsyncRetrying, retry_if_result, stop_after_delay, wait_fixed

from dbctl.db.failures import DRIVER_ERRORS, connection_loss
from dbctl.errors import ConnectionFailed
from dbctl.interruption import awaiting

# Seconds in which the server may come to know that the connection is lost.
_SETTLING = 3.0
_IN_PROGRESS = "in progress"
_CURRENT = text(
    "select pg_catalog.pg_current_xact_id_if_assigned()::text,"
    " pg_catalog.pg_postmaster_start_time()"
)
_STATUS = text("select pg_catalog.pg_xact_status(cast(cast(:id as text) as pg_catalog.xid8))::text")


async def commit(
    connection: AsyncConnection,
    database: str,
    notify: Callable[[str], None],
    *,
    what: str,
    look: str,
) -> None:
    """Commit, also where the task is cancelled meanwhile: what has been asked for may be done.

    Where the answer is lost, the server is asked for it on a fresh connection. Raises
    ConnectionFailed unless it has committed, which `notify` is called with, and what SQLAlchemy
    raises where it refuses. For people, `what` is written to `database`, and `look` shows it.
    """
    written: _Transaction | None = None
    try:
        # The COMMIT of a transaction that has failed rolls it back, and says so to nobody. This
        # fails there.
        written = await _current(connection)
        with awaiting("the COMMIT"):
            await _undisturbed(asyncio.ensure_future(connection.commit()))
    except (DBAPIError, *DRIVER_ERRORS) as error:
        loss = connection_loss(error)
        if loss is None:
            raise
        await connection.invalidate()
        lost = f"the connection to {database} was lost during the COMMIT{loss.reason}"
        with awaiting("the server to say what became of the COMMIT"):
            committed = await _is_committed(connection.engine, written) if written else False
        if committed is None:
            raise ConnectionFailed(
                f"{lost}; whether {what} took effect is unknown",
                hint=f"Look ({look}) before you run it again.",
            ) from error
        if not committed:
            raise ConnectionFailed(
                f"{lost}, which did not take effect", hint="Nothing was written. Run it again."
            ) from error
        notify(f"{lost}; the server, asked again, has committed it")


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


@dataclass(frozen=True, slots=True)
class _Transaction:
    """A transaction as the server numbers it; `id` is None where it has written nothing.

    `server_started` is when the server did.
    """

    id: str | None
    server_started: datetime


async def _current(connection: AsyncConnection) -> _Transaction:
    """Return the transaction of a connection; fails where a statement in it has failed."""
    return _Transaction(*(await connection.execute(_CURRENT)).one())


async def _is_committed(engine: AsyncEngine, transaction: _Transaction) -> bool | None:
    """Ask on a fresh connection whether a transaction was committed; None where nobody knows.

    So it is where the server cannot be asked, has the transaction still open because it has not
    noticed that its client is gone, or is another process: it may be a standby that was promoted,
    where the number belongs to another transaction.
    """
    if transaction.id is None:
        return True
    try:
        async with engine.connect() as connection:
            here = await _current(connection)
            if here.server_started != transaction.server_started:
                return None

            async def status() -> str | None:
                now: str | None = await connection.scalar(_STATUS, {"id": transaction.id})
                await connection.rollback()
                return now

            found: str | None = await AsyncRetrying(
                retry=retry_if_result(lambda found: found == _IN_PROGRESS),
                stop=stop_after_delay(_SETTLING),
                wait=wait_fixed(0.05),
                retry_error_callback=lambda _state: None,
            )(status)
    except (ConnectionFailed, DBAPIError, *DRIVER_ERRORS):
        return None
    return None if found is None else found == "committed"
