"""The lock that lets one deployer at a time change a database, sound behind poolers too.

Its holder is a transaction on a connection of its own, so that a pooler cannot hand it to somebody
else, and who waits asks again and again instead of standing in the queue: a statement that waits
would hold a snapshot, which CREATE INDEX CONCURRENTLY of the holder would wait for in turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from tenacity import AsyncRetrying, retry_if_result, stop_after_delay, wait_random

from dbctl.db.engine import DatabaseSessionManager
from dbctl.db.failures import DRIVER_ERRORS, first_line
from dbctl.db.queries import query
from dbctl.errors import ErrorCode, OperationFailed
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
# Seconds between two looks at the connection that holds the lock, and for an answer to one.
_BEAT = 1.0
_BEAT_TIMEOUT = 5.0

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
            cut_off = asyncio.get_running_loop().call_later(_BEAT_TIMEOUT, self._driver.terminate)
            try:
                await self._driver.execute(_WITHOUT_SNAPSHOT)
            except DRIVER_ERRORS as error:
                self._loss = first_line(error)
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

        async def ask() -> LockHolder | bool | None:
            found = await connection.execute(_TRY, {"key": LOCK_KEY, "name": name})
            if found.scalar_one():
                return True
            holder = await _holder(connection, LOCK_KEY)
            await connection.rollback()
            return holder

        await _poll(ask, wait, on_wait, busy=f"{manager.label} is being migrated")
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


async def take_work(
    driver: asyncpg.Connection[Any],
    manager: DatabaseSessionManager,
    *,
    wait: float,
    on_wait: Callable[[LockHolder | None, float], None],
) -> None:
    """Keep every other session from running revisions for as long as that of `driver` lives.

    An earlier run that was killed may have left a statement running, which the server has not
    noticed yet: the deployer lock is free then, but this one is not. Only for a direct connection;
    raises OperationFailed, code `lock_busy`, after `wait` seconds.
    """

    async def ask() -> LockHolder | bool | None:
        if await driver.fetchval("select pg_catalog.pg_try_advisory_lock($1)", WORK_KEY):
            return True
        async with manager.connect() as side:
            return await _holder(side, WORK_KEY)

    await _poll(ask, wait, on_wait, busy="the session of an earlier run has not ended")


async def _poll(
    ask: Callable[[], Awaitable[LockHolder | bool | None]],
    wait: float,
    on_wait: Callable[[LockHolder | None, float], None],
    *,
    busy: str,
) -> None:
    """Ask until the answer is True; who holds it is told once."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + wait
    told: set[int] = set()
    last: LockHolder | None = None

    async def once() -> bool:
        nonlocal last
        answer = await ask()
        if answer is True:
            return True
        last = answer if isinstance(answer, LockHolder) else None
        left = deadline - clock()
        if left > 0 and (pid := last.pid if last else 0) not in told:
            told.add(pid)
            on_wait(last, left)
        return False

    got: bool = await AsyncRetrying(
        retry=retry_if_result(lambda done: not done),
        stop=stop_after_delay(wait),
        wait=wait_random(*_PAUSES),
        retry_error_callback=lambda _state: False,
    )(once)
    if not got:
        by = f" by {last.sentence}" if last else ""
        raise OperationFailed(
            f"{busy}{by}; gave up after {wait:g} s",
            hint="Let it finish, or give --lock-wait more seconds.",
            code=ErrorCode.LOCK_BUSY,
        )


async def _holder(connection: AsyncConnection, key: int) -> LockHolder | None:
    """Return who holds an advisory lock of this database; None when it is free by now."""
    found = await connection.execute(text(query("migrate", "lock_holder")), {"key": key})
    row = found.mappings().one_or_none()
    return LockHolder.model_validate(dict(row)) if row is not None else None
