"""The connection that revisions run on, and what the server is told about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import asyncpg
from sqlalchemy import Connection, event

# PostgreSQL docs, "Client Connection Defaults": new in 14, and only where the platform can tell.
_NO_SUCH_SETTING = (
    asyncpg.UndefinedObjectError,
    asyncpg.CantChangeRuntimeParamError,
    asyncpg.InvalidParameterValueError,
)
_PREPARE = """
    select pg_catalog.set_config('application_name', $1, false),
           pg_catalog.set_config('lock_timeout', '0', false)
"""
_NOTICE_THE_END = "select pg_catalog.set_config('client_connection_check_interval', '1s', false)"
_LIMIT = "select pg_catalog.set_config('lock_timeout', $1, true), pg_catalog.pg_backend_pid()"


async def prepare(driver: asyncpg.Connection[Any], name: str) -> None:
    """Set up a direct session under `name`, for as long as it lives.

    A statement whose client was killed ends within a second. Outside of a transaction nothing
    limits how long a lock is waited for: a CREATE INDEX CONCURRENTLY that is cut short would leave
    an invalid index behind, and blocks nobody.
    """
    await driver.fetchrow(_PREPARE, name)
    try:
        await driver.execute(_NOTICE_THE_END)
    except _NO_SUCH_SETTING:
        return


class RevisionSession:
    """Give each transaction of a connection a `lock_timeout` of so many seconds, and no longer.

    `on_statement` is called with each statement before it is sent. `pid` is the server process that
    the last transaction ran in; `commits` counts what was committed, whoever asked for it.
    """

    def __init__(
        self, lock_timeout: float, on_statement: Callable[[Connection, str], None]
    ) -> None:
        self.pid: int | None = None
        self.commits = 0
        self._milliseconds = f"{max(round(lock_timeout * 1000), 1)}ms"
        self._on_statement = on_statement
        self._limited = False
        self._busy = False

    def attach(self, connection: Connection) -> None:
        """Look after `connection` until it is closed."""
        event.listen(connection, "begin", self._begin)
        event.listen(connection, "commit", self._commit)
        event.listen(connection, "before_cursor_execute", self._before)

    def _begin(self, _connection: Connection) -> None:
        self._limited = False

    def _commit(self, _connection: Connection) -> None:
        self.commits += 1

    def _before(
        self, connection: Connection, _cursor: object, statement: str, *_rest: object
    ) -> None:
        if self._busy:
            return
        self._busy = True
        try:
            # SET LOCAL ends with its transaction: an autocommit_block in a revision begins a new
            # one behind it, and in the block itself there is none.
            if not self._limited and not in_autocommit(connection):
                limited = connection.exec_driver_sql(_LIMIT, (self._milliseconds,))
                self.pid = limited.one()[1]
                self._limited = True
            self._on_statement(connection, statement)
        finally:
            self._busy = False


def in_autocommit(connection: Connection) -> bool:
    """Tell whether each statement of `connection` is a transaction of its own."""
    return bool(connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT")
