"""The one path of every read: a transaction that cannot write, cannot last and never commits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from dbctl.db.connect import as_own
from dbctl.db.decoding import receive_unconverted

# Seconds that one statement may take, that it may wait for a lock, and that the transaction may
# lie idle between two of them.
STATEMENT_TIMEOUT = 30.0
LOCK_TIMEOUT = 3.0
IDLE_TIMEOUT = 60.0

# What the values look like, and how their text is read, whatever the server, the role or the
# database prefer.
_FORMAT = {
    "timezone": "UTC",
    "datestyle": "ISO, YMD",
    "intervalstyle": "iso_8601",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "standard_conforming_strings": "on",
}


@asynccontextmanager
async def reading(
    connection: asyncpg.Connection[Any],
    statement_timeout: float = STATEMENT_TIMEOUT,
    *,
    idle_timeout: float = IDLE_TIMEOUT,
) -> AsyncIterator[asyncpg.Connection[Any]]:
    """Yield `connection` in a read-only transaction that is rolled back at the end.

    `statement_timeout` bounds each statement, `idle_timeout` the time between two, in seconds; 0 is
    no bound. The connection must be in no transaction. Every setting is local to the transaction,
    so that nothing of it outlives its place behind a transaction pooler. PostgreSQL lets nobody
    make it a writing one once a statement has run.
    """
    transaction = connection.transaction(isolation="repeatable_read", readonly=True)
    with as_own(connection):
        await transaction.start()
    try:
        await _restrict(connection, statement_timeout, idle_timeout)
        yield connection
    finally:
        # Cut off, there is nothing left to roll back.
        if not connection.is_closed():
            await transaction.rollback()


async def with_foreign_text[T](
    connection: asyncpg.Connection[Any],
    read: Callable[[asyncpg.Connection[Any]], Awaitable[T]],
) -> T:
    """Return what `read` reads, which may be text of other databases that this one cannot hold.

    Its statements must be in ASCII; they run a second time where the server cannot convert it.
    """
    try:
        return await read(connection)
    except (asyncpg.UntranslatableCharacterError, asyncpg.CharacterNotInRepertoireError):
        await receive_unconverted(connection)
        return await read(connection)


async def unbounded(connection: asyncpg.Connection[Any]) -> None:
    """Let what follows in the transaction run for as long as its caller waits for it."""
    await connection.execute("SELECT pg_catalog.set_config('statement_timeout', '0', true)")


async def _restrict(
    connection: asyncpg.Connection[Any], statement_timeout: float, idle_timeout: float
) -> None:
    """Set the limits of this transaction, in one round trip."""
    lock_timeout = min(LOCK_TIMEOUT, statement_timeout or LOCK_TIMEOUT)
    settings = {
        "statement_timeout": _milliseconds(statement_timeout),
        "lock_timeout": _milliseconds(lock_timeout),
        "idle_in_transaction_session_timeout": _milliseconds(idle_timeout),
        **_FORMAT,
    }
    calls = ", ".join(
        f"pg_catalog.set_config('{name}', '{value}', true)" for name, value in settings.items()
    )
    # By the simple protocol: to prepare it would take another one.
    await connection.execute(f"SELECT {calls}")


def _milliseconds(seconds: float) -> str:
    # What is rounded to zero would mean no limit.
    return f"{max(1, round(seconds * 1000))}ms" if seconds else "0"
