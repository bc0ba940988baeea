"""Prove that two connections reach one database, and find a pooler before it."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.db import drivers, dsn
from dbctl.db.connect import Connector
from dbctl.db.dsn import Dsn
from dbctl.db.engine import DatabaseSessionManager
from dbctl.db.round_trip import Reader, reader_on
from dbctl.errors import ConfigurationError, ConnectionFailed, DbctlError
from dbctl.migrate.run.record import EnvRecord

# Seconds that our connection has to answer.
_PATIENCE = 60.0
# Seconds of one turn behind a pooler, and of a pause between two at the most: the first and any.
_TURN = 2.0
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 8.0

# Whether an advisory lock is free, and then taken for a transaction.
type CanTake = Callable[[int], Awaitable[bool]]


class Proof:
    """Take a lock on env.py's connection and find it taken on one of dbctl's own.

    An advisory lock belongs to one database of one server. Its key is drawn at random, so that
    nobody else has it. `can_take` asks on a connection that is held anyway: a pool, or a pooler,
    may have no other one. Called in env.py's thread while `loop` runs in another one.
    """

    def __init__(
        self,
        manager: DatabaseSessionManager,
        loop: asyncio.AbstractEventLoop,
        *,
        can_take: CanTake | None,
    ) -> None:
        self._manager = manager
        self._loop = loop
        self._can_take = can_take

    def reaches_ours(self, connection: Connection) -> bool:
        """Return whether `connection` reaches the database of the manager.

        Leaves the connection as it was. Raises ConnectionFailed where ours does not answer.
        """
        deadline = time.monotonic() + _PATIENCE
        for seconds in self._turns(connection):
            left = deadline - time.monotonic()
            reached = self._ask(connection, min(seconds, left))
            if reached is not None:
                return reached
            if seconds >= left:
                break
        raise ConnectionFailed(
            f"{self._manager.label}: it accepts connections but does not answer "
            f"(waited {_PATIENCE:.0f} s)",
            hint="Look at the server's load and log; a pooler must have room for two server "
            "connections.",
        )

    def _turns(self, connection: Connection) -> Iterator[float]:
        """Yield the seconds after which the lock is let go, so that others get their turn.

        Behind a pooler each of those who look for proof at once may hold a server connection while
        it waits for a second one, of which none is left. Between two turns there is a pause, ever
        longer, in which this one is not in the queue either.
        """
        server = self._manager.server
        direct = server is not None and not server.pooled
        if direct or self._can_take is not None or connection.in_transaction():
            yield _PATIENCE
        pause = _FIRST_PAUSE
        while True:
            yield _TURN
            time.sleep(random.uniform(0, pause))  # noqa: S311 - it is no secret
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _ask(self, connection: Connection, seconds: float) -> bool | None:
        """Return whether the lock is found taken; None where that is not known in time."""
        key = secrets.randbits(62)
        # Begun by hand where SQLAlchemy begins none: the lock would be gone at once, and one of a
        # session would stay behind a pooler.
        with drivers.aside(connection):
            by_hand = drivers.begins_nothing(connection)
            if by_hand:
                drivers.execute(connection, "begin")
            try:
                drivers.query(connection, f"select pg_catalog.pg_advisory_xact_lock({key})")
                asked = asyncio.run_coroutine_threadsafe(self._is_taken(key), self._loop)
                try:
                    return asked.result(seconds)
                except TimeoutError:
                    asked.cancel()
                    return None
            finally:
                if by_hand:
                    drivers.execute(connection, "rollback")

    async def _is_taken(self, key: int) -> bool:
        if self._can_take is not None:
            return not await self._can_take(key)
        async with self._manager.connect() as connection:
            return not await can_take_on(connection, key)


async def can_take_on(connection: AsyncConnection | Reader, key: int) -> bool:
    """Return whether an advisory lock is free, on a connection that is in no transaction."""
    reader = await reader_on(connection)
    (row,) = await reader.rows(f"select pg_catalog.pg_try_advisory_xact_lock({key}) as free")
    return bool(row["free"])


class AnotherDatabase(ConfigurationError):
    """env.py connects to another database than the one that was named."""


def another_database(record: EnvRecord, ours: str, origin: str) -> AnotherDatabase:
    """Describe that env.py connects to another database than the one that was named."""
    return AnotherDatabase(
        f"env.py connects to {record.label}, but dbctl works on {ours} ({origin}): nothing was "
        "changed in either",
        hint="Name the same database in both, or let env.py read DATABASE_URL or the ini's "
        "sqlalchemy.url, which dbctl sets for it.",
    )


async def is_pooled(record: EnvRecord, manager: DatabaseSessionManager) -> bool | None:
    """Return whether a pooler stands before the server that env.py connects to.

    None where that cannot be found out: the address of its engine cannot be reached by dbctl.
    """
    if record.direct:
        return False
    try:
        theirs = dsn.parse(record.url, source="env.py's engine", environ={})
    except DbctlError:
        return None
    server = manager.server
    if server is not None and _same_place(theirs, manager.dsn):
        return server.pooled
    target = replace(theirs, database=record.database)
    connector = Connector(
        target, timeout=manager.connect_deadline, deadline=manager.connect_deadline
    )
    try:
        connection = await connector()
    except ConnectionFailed:
        return None
    try:
        return connector.server is None or connector.server.pooled
    finally:
        await connection.close()


def _same_place(theirs: Dsn, ours: Dsn) -> bool:
    return theirs.addresses == ours.addresses and bool(theirs.addresses)
