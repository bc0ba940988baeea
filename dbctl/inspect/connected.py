"""Run what an inspect command reads: on one connection, and not for ever."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg

from dbctl.db.session import Pulse, Session, bounded
from dbctl.inspect.completion.remembering import remember
from dbctl.inspect.data.row_text import choose_encoding
from dbctl.inspect.reading import STATEMENT_TIMEOUT
from dbctl.runtime import Target
from dbctl.settings import Settings

# Seconds beside those of a statement, after which the server ends it.
_GRACE = 5.0


def read[T](
    settings: Settings,
    work: Callable[[asyncpg.Connection[Any]], Awaitable[T]],
    *,
    statement_timeout: float = STATEMENT_TIMEOUT,
    pulse: Pulse | None = None,
    encoding: str | None = None,
) -> T:
    """Run `work` on a connection to the database that the settings name.

    Raises ConnectionFailed where the server is silent for longer than one statement may take, in
    seconds, and a little more: it ends such a statement itself. 0 is no limit. What reads for
    longer shows by a `pulse` that it goes on. `encoding` is that of the text of an SQL_ASCII
    database; raises UsageError for an unknown one, and where the database is not in SQL_ASCII.
    """

    pulse = pulse or Pulse()

    async def connected(session: Session) -> T:
        async with session.connect() as connection:
            connection.add_query_logger(pulse.beat)
            if encoding is not None:
                choose_encoding(connection, encoding)
            result = await work(connection)
            user = session.server.user if session.server else ""
            await remember(connection, settings.project, f"{user}@{session.label}")
            return result

    async def limited(session: Session) -> T:
        if not statement_timeout:
            return await connected(session)
        seconds = patience(session.connect_deadline, statement_timeout)
        return await bounded(session, connected(session), seconds, pulse)

    return Target(settings).read(limited)


def patience(connect_deadline: float, statement_timeout: float = STATEMENT_TIMEOUT) -> float:
    """Return the seconds after which a server that does not end a statement is taken for silent."""
    return connect_deadline + statement_timeout + _GRACE
