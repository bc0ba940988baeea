"""The lock that lets one deployer at a time change a database, sound behind poolers too.

Its holder is a transaction on a connection of its own, so that a pooler cannot hand it to somebody
else, and who waits asks again and again instead of standing in the queue: a statement that waits
would hold a snapshot, which CREATE INDEX CONCURRENTLY of the holder would wait for in turn.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from tenacity import AsyncRetrying, Retrying, retry_if_result, stop_after_delay, wait_random

from dbctl.db.engine import DatabaseSessionManager
from dbctl.db.failures import DRIVER_ERRORS, first_line
from dbctl.db.queries import query
from dbctl.errors import ErrorCode, OperationFailed
from dbctl.migrate.events import Event, LockAwaited
from dbctl.migrate.guards import Terms
from dbctl.migrate.results import LockHolder

# Advisory locks are numbers, and each database has its own: "dbctl" and which of the two it is.
LOCK_KEY = 0x6462_6374_6C01
WORK_KEY = 0x6462_6374_6C02
# Seconds between two tries; what they differ by keeps many deployers from asking in step.
_PAUSES = (0.1, 0.4)
# Answered without a snapshot. The one of a SELECT in the holder's transaction, be it for a moment,
# can be seen by a CREATE INDEX CONCURRENTLY, which then waits for the end of that transaction; and
# the unnamed portal of the extended protocol keeps it until the next statement.
_WITHOUT_SNAPSHOT = "show lock_timeout"
# By the simple protocol, as above: whether it was taken is the number of rows.
_TAKE = "select where pg_catalog.pg_try_advisory_xact_lock({key})"
# Seconds between two looks at the connection that holds the lock, and for an answer to one.
_BEAT = 1.0
_BEAT_TIMEOUT = 5.0
# Seconds for a side connection to say who holds a lock.
_HOLDER_TIMEOUT = 30.0

# The timeouts would end the transaction that holds the lock; the second is new in PostgreSQL 17.
_TRY = text("""
    select pg_catalog.pg_try_advisory_xact_lock(:key),
           pg_catalog.set_config('application_name', :name, true),
           pg_catalog.set_config('idle_in_transaction_session_timeout', '0', true),
           case when pg_catalog.current_setting('transaction_timeout', true) is not null
                then pg_catalog.set_config('transaction_timeout', '0', true) end
""")


class DeployerLock:
    """The lock while it is held; `waited` is how many seconds it took to get it."""

    def __init__(self, driver: asyncpg.Connection[Any], waited: float) -> None:
        self.waited = waited
        self._driver = driver
        self._done = asyncio.Event()
        self._loss: str | None = None
        self._in_use = asyncio.Lock()

    def check(self) -> None:
        """Raise OperationFailed, code `lock_lost`, where the lock is not held any more."""
        if self._loss is None and self._driver.is_closed():
            self._loss = "its connection was closed"
        if self._loss is not None:
            raise OperationFailed(
                f"the deployer lock was lost: {self._loss}",
                hint="Nothing is left half-done; run the command again.",
                code=ErrorCode.LOCK_LOST,
            )

    async def keep(self) -> None:
        """Look after the connection until `release`: a server that is gone says nothing."""
        while self._loss is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(_BEAT):
                    await self._done.wait()
                return
            await self._answer(_WITHOUT_SNAPSHOT)

    async def can_take(self, key: int) -> bool:
        """Return whether an advisory lock is free; it is then taken for as long as this one is.

        Raises OperationFailed, code `lock_lost`, where this one is not held any more.
        """
        self.check()
        status = await self._answer(_TAKE.format(key=key))
        await self._answer(_WITHOUT_SNAPSHOT)
        self.check()
        return status == "SELECT 1"

    async def _answer(self, sql: str) -> str | None:
        """Return the server's status of a statement; note the loss where it does not answer."""
        async with self._in_use:
            cut_off = asyncio.get_running_loop().call_later(_BEAT_TIMEOUT, self._driver.terminate)
            try:
                return str(await self._driver.execute(sql))
            except DRIVER_ERRORS as error:
                self._loss = first_line(error)
                return None
            finally:
                cut_off.cancel()

    def release(self) -> None:
        """Stop looking after it; the lock goes with its transaction."""
        self._done.set()


@asynccontextmanager
async def deployer_lock(
    manager: DatabaseSessionManager,
    name: str,
    *,
    wait: float,
    on_wait: Callable[[LockHolder | None, float], None],
) -> AsyncIterator[DeployerLock]:
    """Hold the deployer lock of the database under `name`, which others are shown.

    It is waited for up to `wait` seconds; `on_wait` is told who holds it and the seconds left, once
    per holder. Raises OperationFailed, code `lock_busy`, when that is over.
    """
    clock = asyncio.get_running_loop().time
    started = clock()
    async with manager.connect() as connection:
        # A stricter one, which a role may have by default, would keep its snapshot to the end.
        await connection.execution_options(isolation_level="READ COMMITTED")

        waiting = _Waiting(wait, on_wait)

        async def once() -> bool:
            found = await connection.execute(_TRY, {"key": LOCK_KEY, "name": name})
            if found.scalar_one():
                return True
            holder = await _holder(connection, LOCK_KEY)
            await connection.rollback()
            return waiting.missed(holder)

        if not await AsyncRetrying(**waiting.policy)(once):
            raise waiting.failure(f"{manager.label} is being migrated")
        raw = await connection.get_raw_connection()
        driver = raw.driver_connection
        assert driver is not None  # noqa: S101 - it has just answered
        await driver.execute(_WITHOUT_SNAPSHOT)
        lock = DeployerLock(driver, clock() - started)
        keeper = asyncio.create_task(lock.keep())
        try:
            yield lock
        finally:
            lock.release()
            await asyncio.wait({keeper})
            try:
                await connection.rollback()
            except (DBAPIError, *DRIVER_ERRORS):  # it is gone, and the lock too
                await connection.invalidate()


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


class WorkLock:
    """The lock of the session that runs revisions, taken in env.py's thread.

    An earlier run that was killed may have left a statement running, which the server has not
    noticed yet: the deployer lock is free then, but this one is not. Only for a direct connection.
    Made in the event loop.
    """

    def __init__(
        self, manager: DatabaseSessionManager, terms: Terms, report: Callable[[Event], None]
    ) -> None:
        self._manager = manager
        self._terms = terms
        self._report = report
        self._loop = asyncio.get_running_loop()

    def take(self, attempt: Callable[[], bool]) -> None:
        """Try until `attempt` returns True.

        Raises OperationFailed, code `lock_busy`, after the seconds that the terms give it.
        """
        waiting = _Waiting(
            self._terms.lock_wait,
            lambda holder, left: self._report(LockAwaited(holder, left)),
        )

        def once() -> bool:
            if attempt():
                return True
            asked = asyncio.run_coroutine_threadsafe(self._ask_holder(), self._loop)
            return waiting.missed(asked.result(_HOLDER_TIMEOUT))

        if not Retrying(**waiting.policy)(once):
            raise waiting.failure("the session of an earlier run has not ended")

    async def _ask_holder(self) -> LockHolder | None:
        async with self._manager.connect() as side:
            return await _holder(side, WORK_KEY)


class _Waiting:
    """Who is waited for, and how long; each holder is reported once."""

    def __init__(self, wait: float, on_wait: Callable[[LockHolder | None, float], None]) -> None:
        self._wait = wait
        self._on_wait = on_wait
        self._deadline = time.monotonic() + wait
        self._reported: set[int] = set()
        self._last: LockHolder | None = None

    @property
    def policy(self) -> dict[str, Any]:
        """What tenacity is to do: try again while the answer is False."""
        return {
            "retry": retry_if_result(lambda done: not done),
            "stop": stop_after_delay(self._wait),
            "wait": wait_random(*_PAUSES),
            "retry_error_callback": lambda _state: False,
        }

    def missed(self, holder: LockHolder | None) -> bool:
        """Note an attempt in vain, and return False."""
        self._last = holder
        left = self._deadline - time.monotonic()
        if left > 0 and (pid := holder.pid if holder else 0) not in self._reported:
            self._reported.add(pid)
            self._on_wait(holder, left)
        return False

    def failure(self, busy: str) -> OperationFailed:
        """Describe who holds the lock when the time is over."""
        by = f" by {self._last.sentence}" if self._last else ""
        return OperationFailed(
            f"{busy}{by}; gave up after {self._wait:g} s",
            hint="Let it finish, or give --lock-wait more seconds.",
            code=ErrorCode.LOCK_BUSY,
        )


async def _holder(connection: AsyncConnection, key: int) -> LockHolder | None:
    """Return who holds an advisory lock of this database; None when it is free by now."""
    found = await connection.execute(text(query("migrate", "lock_holder")), {"key": key})
    row = found.mappings().one_or_none()
    return LockHolder.model_validate(dict(row)) if row is not None else None
