"""One connection for one command, by the driver alone: to read, neither pool nor ORM is needed.

It is opened as those of the engine are. Without SQLAlchemy's import a command starts in half the
time.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Protocol

import asyncpg

from dbctl.db.connect import Connector, ServerInfo
from dbctl.db.decoding import receive_raw
from dbctl.db.endpoints import Endpoint
from dbctl.db.failures import DRIVER_ERRORS, statement_failed
from dbctl.errors import ConnectionFailed
from dbctl.settings import Settings

# Seconds in which the server may cancel the statement of work that is cancelled.
CANCEL_TIMEOUT = 1.0

logger = logging.getLogger("dbctl.db")


class Terminable(Protocol):
    """Whatever holds connections that can be cut off; `label` names their database for people."""

    @property
    def label(self) -> str:
        """The name of the database."""

    def terminate(self) -> None:
        """Cut off every connection."""


class Session:
    """Open the one connection of a command to `endpoint`, with the patience of the settings.

    Nothing connects before `connect`.
    """

    def __init__(
        self,
        settings: Settings,
        endpoint: Endpoint,
        *,
        on_wait: Callable[[str], None] | None = None,
    ) -> None:
        self._label = endpoint.label
        self._connector = Connector(
            endpoint.dsn,
            timeout=settings.connect_timeout,
            deadline=settings.deadline,
            on_wait=on_wait,
        )

    @property
    def label(self) -> str:
        """The name of the database for people, without a secret."""
        return self._label

    @property
    def server(self) -> ServerInfo | None:
        """What the connection found out about the server; None before it."""
        return self._connector.server

    @property
    def connect_deadline(self) -> float:
        """The seconds that connecting may take over all tries."""
        return self._connector.deadline

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[asyncpg.Connection[Any]]:
        """Yield a connection that is in no transaction and only reads, and close it.

        Raises ConnectionFailed where none comes about or it is lost, and a DbctlError in words for
        what else the driver raises meanwhile.
        """
        try:
            connection = await self._connector()
            connection.own = True
            connection.add_query_logger(log_query)
            try:
                await receive_raw(connection)
                yield connection
            finally:
                await connection.close()
        except BrokenPipeError:  # not the server's: who reads our output has seen enough
            raise
        except (*DRIVER_ERRORS, TimeoutError) as error:
            raise statement_failed(error, only_read=True) from error
        finally:
            self.terminate()

    def terminate(self) -> None:
        """Cut off the connection: what waits for the server fails at once."""
        self._connector.terminate()


def log_query(record: Any) -> None:
    """Log a statement that the driver ran, for `-v`."""
    logger.info("%s %r", record.query, record.args)


class Pulse:
    """When work was last known to go on; it does not wait for the server while it `rests`."""

    def __init__(self) -> None:
        self._resting = False
        self._since = time.monotonic()

    @contextmanager
    def rests(self) -> Iterator[None]:
        """Say that it is not the server that is waited for while the body runs."""
        self._resting = True
        try:
            yield
        finally:
            self._resting = False
            self._since = time.monotonic()

    def beat(self, _record: object = None) -> None:
        """Note that the server has answered: one that is far away is not silent."""
        self._since = time.monotonic()

    def left(self, seconds: float) -> float:
        """Return what is left of so many seconds without a sign of the server."""
        return seconds if self._resting else self._since + seconds - time.monotonic()


async def bounded[T](
    owner: Terminable, work: Coroutine[Any, Any, T], seconds: float, pulse: Pulse | None = None
) -> T:
    """Run `work` on connections of `owner` and return what it returns.

    Raises ConnectionFailed when it is not done after `seconds`, or so long after the last `pulse`,
    whatever the server does. When this task is cancelled, so is the work: its statement on the
    server too, where that takes no longer than a moment. Either way every connection of the owner
    is cut off, so that nothing waits any more.
    """
    pulse = pulse or Pulse()
    task = asyncio.create_task(work)
    try:
        while not task.done() and (left := pulse.left(seconds)) > 0:
            await asyncio.wait({task}, timeout=left)
        if task.done():
            return task.result()
        owner.terminate()
        raise ConnectionFailed(
            f"{owner.label}: it accepts connections but does not answer (waited {seconds:.0f} s)",
            hint="Look at the server's load and log, and at what stands between it and here.",
        )
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=CANCEL_TIMEOUT)
            owner.terminate()
            # What it ends with is of no interest, but must be fetched.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
