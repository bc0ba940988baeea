"""The one path of every read: a transaction that cannot write, cannot last and never commits."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# Seconds that one statement may take, that it may wait for a lock, and that the transaction may
# lie idle between two of them.
STATEMENT_TIMEOUT = 30.0
LOCK_TIMEOUT = 3.0
IDLE_TIMEOUT = 60.0

# What the values look like, whatever the server, the role or the database prefer.
_FORMAT = {
    "timezone": "UTC",
    "datestyle": "ISO, YMD",
    "intervalstyle": "iso_8601",
    "extra_float_digits": "1",
    "bytea_output": "hex",
}


@asynccontextmanager
async def reading(
    connection: AsyncConnection, statement_timeout: float = STATEMENT_TIMEOUT
) -> AsyncIterator[AsyncConnection]:
    """Yield `connection` in a read-only transaction that is rolled back at the end.

    `statement_timeout` bounds each statement, in seconds. The connection must be in no
    transaction. Every setting is local to the transaction, so that nothing of it outlives its
    place behind a transaction pooler.
    """
    transaction = await connection.begin()
    try:
        await _restrict(connection, statement_timeout)
        yield connection
    finally:
        await transaction.rollback()


async def _restrict(connection: AsyncConnection, statement_timeout: float) -> None:
    """Set the limits of this transaction, in one round trip.

    PostgreSQL lets nobody turn `transaction_read_only` off again once a statement has run, so this
    is as good as BEGIN READ ONLY, and leaves no state behind on the pooled connection object.
    """
    settings = {
        "transaction_read_only": "on",
        "statement_timeout": _milliseconds(statement_timeout),
        "lock_timeout": _milliseconds(min(LOCK_TIMEOUT, statement_timeout)),
        "idle_in_transaction_session_timeout": _milliseconds(IDLE_TIMEOUT),
        **_FORMAT,
    }
    calls = ", ".join(f"pg_catalog.set_config('{name}', :{name}, true)" for name in settings)
    await connection.execute(text(f"SELECT {calls}"), settings)


def _milliseconds(seconds: float) -> str:
    # Zero would mean no limit.
    return f"{max(1, round(seconds * 1000))}ms"
