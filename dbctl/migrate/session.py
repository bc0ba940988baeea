"""The connection that revisions run on, and what the server is told about it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import asyncpg
from sqlalchemy import Connection, event
from sqlalchemy.engine import AdaptedConnection

# PostgreSQL docs, "Client Connection Defaults": new in 14, and only where the platform can tell.
_NO_SUCH_SETTING = (
    asyncpg.UndefinedObjectError,
    asyncpg.CantChangeRuntimeParamError,
    asyncpg.InvalidParameterValueError,
)
_PREPARE = """
    with before as materialized (
        select pg_catalog.current_setting('synchronous_commit') as durability
    )
    select durability,
           pg_catalog.set_config('synchronous_commit', 'off', false),
           pg_catalog.set_config('application_name', $1, false),
           pg_catalog.set_config('lock_timeout', $2, false),
           pg_catalog.set_config('statement_timeout', '0', false),
           pg_catalog.set_config('idle_in_transaction_session_timeout', '0', false)
    from before
"""
_DURABLE = "select pg_catalog.set_config('synchronous_commit', $1, false)"
_NOTICE_THE_END = "select pg_catalog.set_config('client_connection_check_interval', '1s', false)"
_LIMIT = """
    select pg_catalog.pg_backend_pid(),
           pg_catalog.set_config('lock_timeout', $1, true),
           pg_catalog.set_config('statement_timeout', '0', true),
           pg_catalog.set_config('idle_in_transaction_session_timeout', '0', true)
"""
_NO_LIMIT = "select pg_catalog.set_config('lock_timeout', '0', false)"


class RevisionSession:
    """Give each transaction of a connection a `lock_timeout` of so many seconds.

    The other timeouts, which a role may have for the queries of an application, are lifted.
    Statements outside of one have none: a CREATE INDEX CONCURRENTLY that is cut short leaves an
    invalid index behind, and blocks nobody while it waits. `on_statement` is called with each
    statement before it is sent. `pid` is the server process that the last transaction ran in;
    `commits` counts what was committed, whoever asked for it.
    """

    def __init__(self, lock_timeout: float) -> None:
        self.pid: int | None = None
        self.commits = 0
        self._limit = f"{max(round(lock_timeout * 1000), 1)}ms"
        self._on_statement: Callable[[Connection, str], None] | None = None
        self._by_default = False
        self._durability: str | None = None
        self._limited = False
        self._busy = False

    async def prepare(self, driver: asyncpg.Connection[Any], name: str) -> None:
        """Set up a direct session under `name`, for as long as it lives.

        The limit is its default: that spares each of hundreds of revisions a statement. Nor does
        each wait for the disk: the log is written in order, so that the last COMMIT, after
        `make_durable`, makes all of them durable, and a crash before it leaves the first so many. A
        statement whose client was killed ends within a second.
        """
        self._durability = await driver.fetchval(_PREPARE, name, self._limit)
        with suppress(*_NO_SUCH_SETTING):
            await driver.execute(_NOTICE_THE_END)
        self.pid = driver.get_server_pid()
        self._by_default = True

    def make_durable(self, connection: Connection) -> None:
        """Let every COMMIT from now on wait for the disk, as it would have without `prepare`."""
        if self._durability is not None:
            ask(connection, _DURABLE, self._durability)
            self._durability = None

    def attach(
        self, connection: Connection, on_statement: Callable[[Connection, str], None]
    ) -> None:
        """Look after `connection` until it is closed."""
        self._on_statement = on_statement
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
            self._set_limit(connection)
            if self._on_statement is not None:
                self._on_statement(connection, statement)
            if "lock_timeout" in statement.lower():
                # A limit of the revision's own: it holds for its transaction, and no further.
                self._by_default, self._limited = False, True
        finally:
            self._busy = False

    def _set_limit(self, connection: Connection) -> None:
        if in_autocommit(connection):
            if self._by_default:
                connection.exec_driver_sql(_NO_LIMIT)
                self._by_default = False
        elif not self._by_default and not self._limited:
            # For this transaction only: behind a pooler the session is somebody else's next.
            self.pid = connection.exec_driver_sql(_LIMIT, (self._limit,)).one()[0]
            self._limited = True


def in_autocommit(connection: Connection) -> bool:
    """Tell whether each statement of `connection` is a transaction of its own."""
    return bool(connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT")


def ask(connection: Connection, question: str, *arguments: object) -> Any:
    """Return the one value that the driver gets for a query; begins no transaction."""
    return adapted(connection).run_async(lambda asked: asked.fetchval(question, *arguments))


def adapted(connection: Connection) -> AdaptedConnection:
    """Return what leads past SQLAlchemy to the driver of `connection`."""
    driver = connection.connection.dbapi_connection
    assert isinstance(driver, AdaptedConnection)  # noqa: S101 - asyncpg is the only one here
    return driver
