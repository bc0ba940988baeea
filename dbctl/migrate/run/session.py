"""The connection that env.py runs revisions on: its limits, and what the server is asked for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.pool import ConnectionPoolEntry

from dbctl.db import drivers
from dbctl.db.names import literal
from dbctl.migrate.lock import WORK_KEY
from dbctl.migrate.run.session_settings import USUAL, SessionSettings

_PREPARE = (
    "select pg_catalog.pg_backend_pid(), pg_catalog.current_setting('synchronous_commit'),"
    " pg_catalog.set_config('application_name', {name}, false),"
    " pg_catalog.set_config('lock_timeout', {limit}, false),"
    " pg_catalog.set_config('statement_timeout', '0', false),"
    " pg_catalog.set_config('idle_in_transaction_session_timeout', '0', false)"
)
_UNHURRIED = "set synchronous_commit = off"
# PostgreSQL docs, "Client Connection Defaults": new in 14, and only where the platform can tell.
_NOTICE_THE_END = "set client_connection_check_interval = '1s'"
_TRY_WORK = f"select pg_catalog.pg_try_advisory_lock({WORK_KEY})"
_LEAVE_WORK = f"select pg_catalog.pg_advisory_unlock({WORK_KEY})"
# Shared by the sessions of one run, for as long as the transaction or the session lives.
_SHARE_WORK = {
    True: f"select pg_catalog.pg_try_advisory_xact_lock_shared({WORK_KEY})",
    False: f"select pg_catalog.pg_try_advisory_lock_shared({WORK_KEY})",
}
_LIMIT = (
    "select pg_catalog.pg_backend_pid(),"
    " pg_catalog.set_config('lock_timeout', {limit}, true),"
    " pg_catalog.set_config('statement_timeout', '0', true),"
    " pg_catalog.set_config('idle_in_transaction_session_timeout', '0', true)"
)
_NO_LIMIT = "set lock_timeout = 0"
_USUAL = f"select {USUAL}"
# What may change any setting; UPDATE is among it, and costs a read of all of them.
_SETS = re.compile(r"\b(?:set|reset|set_config|discard|do|call)\b", re.IGNORECASE)
# One statement that calls no function of the project's, as a rule.
_DEFINES = re.compile(
    r"\s*(?:create|alter|drop|comment|grant|revoke)\b(?!.*(?:;|\b(?:select|execute|using)\b))",
    re.IGNORECASE | re.DOTALL,
)


class RunStopped(BaseException):
    """The run was cancelled; no further statement of env.py or of a revision is sent."""


class RevisionFailed(Exception):
    """A revision has failed, and env.py would commit what it had done by then."""


class RevisionSession:
    """Give each transaction of a connection a `lock_timeout` of so many seconds.

    The other timeouts, which a role may have for the queries of an application, are lifted.
    Statements outside of one have none: a CREATE INDEX CONCURRENTLY that is cut short leaves an
    invalid index behind, and blocks nobody while it waits. `on_statement` is called with each
    statement before it is sent. `pid` is the server process that the last transaction ran in. Once
    `stopped` is set, from any thread, nothing more is sent. After the `failure` of a revision the
    transaction that it was in cannot be committed.
    """

    def __init__(
        self, lock_timeout: float, on_statement: Callable[[Connection, str], None]
    ) -> None:
        self.pid: int | None = None
        self._own_commits = 0
        self._counted_on: RevisionSession | None = None
        self._counted_before = 0
        self.stopped = False
        self.failure: BaseException | None = None
        self.connection: Connection | None = None
        self._raw: object = None
        self._limit = f"'{max(round(lock_timeout * 1000), 1)}ms'"
        self._on_statement = on_statement
        self._by_default = False
        self._durability: str | None = None
        self._limited = False
        self._busy = False
        self._settings: SessionSettings | None = None
        self._kept_by_default = False
        self._has_set = self._has_defined = self._has_queried = False

    @property
    def commits(self) -> int:
        """How many times the connection was committed, whoever asked for it."""
        if self._counted_on is None:
            return self._own_commits
        return self._own_commits + self._counted_on.commits - self._counted_before

    def attach(self, connection: Connection) -> None:
        """Look after `connection` until it is closed; it is not given back to a pool then."""
        self._by_default = self._limited = self._busy = False
        self._durability = None
        self._settings = None
        self._own_commits, self._counted_on = self.commits, None
        self.connection = connection
        self.failure = None
        # What is set for the session, and the lock that it holds, end with it. (Detached from its
        # pool, a connection cannot change its isolation level.)
        self._raw = connection.connection.dbapi_connection
        event.listen(connection.engine, "checkin", self._checkin)
        for name, listener in self._listeners:
            event.listen(connection, name, listener)

    def let_go(self, connection: Connection, successor: RevisionSession) -> None:
        """Leave `connection`, should it be this one's, to another session, which counts on."""
        if self.connection is connection:
            self._counted_on, self._counted_before = successor, successor.commits
            event.remove(connection.engine, "checkin", self._checkin)
            for name, listener in self._listeners:
                event.remove(connection, name, listener)
            self.connection = None

    @property
    def _listeners(self) -> Sequence[tuple[str, Callable[..., None]]]:
        return (
            ("begin", self._begin),
            ("begin_twophase", self._begin),
            ("commit", self._commit),
            ("rollback", self._rollback),
            ("rollback_savepoint", self._rollback),
            ("rollback_twophase", self._rollback),
            ("commit_twophase", self._commit),
            ("before_cursor_execute", self._before),
        )

    def prepare(self, name: str) -> None:
        """Set up a direct session under `name`, for as long as it lives.

        The limit is its default: that spares each of hundreds of revisions a statement. Nor does
        each wait for the disk: the log is written in order, so that the last COMMIT, after
        `make_durable`, makes all of them durable, and a crash before it leaves the first so many. A
        statement whose client was killed ends within a second. Only for a connection that is in no
        transaction.
        """
        connection = self._attached
        question = _PREPARE.format(name=literal(name), limit=self._limit)
        self.pid, self._durability = drivers.query(connection, question)[:2]
        drivers.execute(connection, _UNHURRIED)
        drivers.settle(connection, commit=True)
        with suppress(Exception):
            drivers.execute(connection, _NOTICE_THE_END)
            drivers.settle(connection, commit=True)
        drivers.settle(connection)
        self._by_default = True

    def take_work(self, *, transaction: bool, alone: bool) -> bool:
        """Keep the sessions of other runs from running revisions for as long as this one lives.

        With `transaction` for as long as that lasts. Returns False where another one does, which
        may be one of the same run unless this is to be `alone`.
        """
        with drivers.aside(self._attached):  # the lock is the session's, and stays
            if alone and not drivers.query(self._attached, _TRY_WORK)[0]:
                return False
            taken = bool(drivers.query(self._attached, _SHARE_WORK[transaction])[0])
            if alone:
                drivers.query(self._attached, _LEAVE_WORK)
            return taken

    @property
    def is_open(self) -> bool:
        """Whether the connection is still open."""
        return self.connection is not None and not self.connection.closed

    def make_durable(self) -> None:
        """Let every COMMIT from now on wait for the disk, as it would have without `prepare`."""
        if self._durability is not None:
            durability = literal(self._durability)
            drivers.execute(self._attached, f"set synchronous_commit = {durability}")
            drivers.settle(self._attached, commit=True)
            self._durability = self._settings = None

    def keep_settings(self, *, again: bool) -> None:
        """Remember the settings of the session, unless that was done before and not to be `again`.

        For `restore_settings`, before a revision changes them.
        """
        self._has_set = self._has_defined = self._has_queried = False
        if self._settings is None or again:
            self._settings = SessionSettings.read(self._attached)
            self._kept_by_default = self._by_default

    def restore_settings(self) -> str | None:
        """Set again what a revision has set and left so: its search_path, its role, its limits.

        Before Alembic writes the version, which it may not find otherwise. After a revision that
        has only defined something, `restore_from` does it, which costs no round trip: then the SQL
        expression is returned whose value that needs.
        """
        if self._settings is None:
            return None
        if self._has_defined_only:
            return USUAL
        found = None if self._has_set else drivers.query(self._attached, _USUAL)[0]
        self._restore(self._settings, found)
        return None

    def restore_from(self, found: Sequence[str]) -> None:
        """Set again what is otherwise than it was, from the value that it needs."""
        if self._settings is not None:
            self._restore(self._settings, found)

    def _restore(self, settings: SessionSettings, found: Sequence[str] | None) -> None:
        """Set again what is not in `found`, the usual settings; None: any may have been set."""
        if found is None or tuple(found) != settings.usual:
            settings.restore(self._attached)
        self._by_default = self._kept_by_default

    def prove_alive(self) -> None:
        """Have the server answer; raises what the driver does where the connection is lost."""
        with drivers.aside(self._attached):
            drivers.query(self._attached, "select 1")

    def finish(self) -> None:
        """Close the connection, should env.py have left it open."""
        if self.connection is not None:
            drivers.close(self.connection)
            event.remove(self.connection.engine, "checkin", self._checkin)
            self.connection = None

    def _checkin(self, raw: object, record: ConnectionPoolEntry) -> None:
        if raw is not None and raw is self._raw:
            record.invalidate()

    @property
    def _attached(self) -> Connection:
        assert self.connection is not None  # noqa: S101 - `attach` comes first
        return self.connection

    def _begin(self, _connection: Connection, *_transaction: object) -> None:
        self._limited = False

    def _commit(self, _connection: Connection, *_transaction: object) -> None:
        if self.stopped:
            raise RunStopped
        if self.failure is not None:
            raise RevisionFailed(str(self.failure)) from self.failure
        self._own_commits += 1

    def _rollback(self, _connection: Connection, *_transaction: object) -> None:
        self.failure = None

    def _before(
        self, connection: Connection, _cursor: object, statement: str, *_rest: object
    ) -> None:
        if self._busy:
            return
        if self.stopped:
            raise RunStopped
        self._busy = True
        try:
            self._set_limit(connection)
            self._note_kind(statement)
            self._on_statement(connection, statement)
            if drivers.ends_transaction(statement):  # past SQLAlchemy, which thinks it open
                self._own_commits += 1
                self._limited = False
            if "lock_timeout" in statement.lower():
                # A limit of the revision's own: it holds for its transaction, and no further.
                self._by_default, self._limited = False, True
        finally:
            self._busy = False

    @property
    def _has_defined_only(self) -> bool:
        """Whether all that the revision has sent is DDL; None of it: it may have used a cursor.

        Not where its limit was taken off for an autocommit block: that of the transaction which
        writes the version would hide it.
        """
        is_limit_kept = self._by_default == self._kept_by_default
        sent_ddl_only = self._has_defined and not self._has_queried and not self._has_set
        return sent_ddl_only and is_limit_kept

    def _note_kind(self, statement: str) -> None:
        self._has_set = self._has_set or _SETS.search(statement) is not None
        if _DEFINES.match(statement):
            self._has_defined = True
        else:
            self._has_queried = True

    def _set_limit(self, connection: Connection) -> None:
        if drivers.in_autocommit(connection):
            if self._by_default:
                drivers.execute(connection, _NO_LIMIT)
                self._by_default = False
        elif not self._by_default and not self._limited:
            # For this transaction only: behind a pooler the session is somebody else's next.
            self.pid = drivers.query(connection, _LIMIT.format(limit=self._limit))[0]
            self._limited = True


def several_statements(
    cursor: Any, statement: str, parameters: object, _context: object
) -> bool | None:
    """Run several statements in one text on any driver: a listener for `do_execute`.

    Returns True where it has run them.
    """
    if not parameters and drivers.is_several(statement):
        return drivers.execute_several(cursor, statement) or None
    return None
