"""Keep an env.py from changing a database: a guard on whatever connects in its thread."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.engine import ExecutionContext
from sqlalchemy.pool import ConnectionPoolEntry

from dbctl.db import drivers
from dbctl.db.failures import sqlstate
from dbctl.errors import ConfigurationError, ErrorCode
from dbctl.sqltokens import Kind, Token, TokenReader, pieces, statements, words

# Statements that a function, a CTE or EXPLAIN ANALYZE may make write.
_QUERIES = words("select table with values explain")
_OTHERS = words(
    """
    show set reset begin start commit end rollback abort savepoint release prepare declare fetch
    close discard
    """
)
_BEGIN = words("begin start")
# With these words the guard itself would be undone.
_UNDOES = words("write transaction_read_only default_transaction_read_only")
_SHOWN = 60
# SQLSTATE read_only_sql_transaction.
READ_ONLY = "25006"
# How a statement is begun that may write after all, kept, and undone.
_BY_HAND = ("begin read only", "commit", "rollback")
_WITHIN = tuple(
    f"{command} savepoint dbctl_read_only".lstrip() for command in ("", "release", "rollback to")
)
# Who keeps others out by such a lock is not waited for: nothing is done under it.
_WAITS = re.compile(r"\bpg_advisory_((?:xact_)?lock(?:_shared)?)\b", re.IGNORECASE)


class Stopped(BaseException):
    """The run is over; its thread is to end at its next statement."""


class ReadOnlyGuard:
    """What keeps a thread from writing to any database, as listeners of SQLAlchemy's engines.

    What env.py would write is left out, whether the words of the statement say that it writes or
    the server does. What it sends past SQLAlchemy is refused by the server. `attempts` are the
    drivers and parameters with which it has tried to connect, in order; it `is_connecting` until a
    connection stands. `left_out` is the beginning of the last text of which something was left out.
    `schemas` are those that env.py would have made. Once `stopped` is set, from any thread, nothing
    more is sent.
    """

    def __init__(self, *, pooled: bool) -> None:
        self._pooled = pooled
        self.attempts: list[tuple[str, dict[str, Any]]] = []
        self.is_connecting = False
        self.stopped = False
        self.left_out: str | None = None
        self.schemas: set[str] = set()
        self._guarded: dict[int, Any] = {}

    def listeners(self) -> dict[str, Callable[..., Any]]:
        """Return the listeners by the name of their event."""
        return {
            "do_connect": self._do_connect,
            "connect": self._connected,
            "checkout": self._connected,
            "checkin": self._checkin,
            "begin": self._begin,
            "begin_twophase": self._begin,
            "do_execute": self._do_execute,
            "do_execute_no_params": self._do_execute_no_params,
            "do_executemany": self._do_executemany,
        }

    def release(self) -> None:
        """Let the connections that env.py has left open write again; for its thread, at its end."""
        for raw in self._guarded.values():
            drivers.allow_writing(raw)
        self._guarded.clear()

    def _do_connect(
        self, dialect: Any, _record: object, _arguments: object, parameters: dict[str, Any]
    ) -> None:
        self._check()
        if dialect.name != "postgresql":
            raise ConfigurationError(
                f"env.py connects to a database of {dialect.name}, and dbctl works on PostgreSQL",
                hint="Set DATABASE_URL, or whatever the project takes its database from.",
                code=ErrorCode.MIGRATION_SCRIPTS,
            )
        self.attempts.append((dialect.driver, dict(parameters)))
        self.is_connecting = True
        if self._pooled:
            drivers.without_prepared_statements(dialect, _record, _arguments, parameters)

    def _connected(self, raw: Any, _record: object, *_proxy: object) -> None:
        """Guard a connection before anything is sent on it, be it by a listener of env.py's own."""
        self._check()
        self.is_connecting = False
        if id(raw) not in self._guarded:
            self._guarded[id(raw)] = raw
            drivers.keep_read_only(raw)

    def _checkin(self, raw: Any, record: ConnectionPoolEntry) -> None:
        """Let no pool keep a connection that cannot write: the next run of env.py would get it."""
        if raw is not None and self._guarded.pop(id(raw), None) is not None:
            record.invalidate()

    def _begin(self, connection: Connection, *_transaction: object) -> None:
        if not drivers.in_autocommit(connection):
            drivers.execute(connection, "set transaction read only")

    def _do_execute(
        self, cursor: Any, statement: str, parameters: Any, context: ExecutionContext
    ) -> bool:
        def send(sql: str) -> None:
            context.dialect.do_execute(cursor, sql, parameters, context)

        return self._send(statement, context, send, several=not parameters)

    def _do_execute_no_params(self, cursor: Any, statement: str, context: ExecutionContext) -> bool:
        def send(sql: str) -> None:
            context.dialect.do_execute_no_params(cursor, sql, context)

        return self._send(statement, context, send, several=True)

    def _do_executemany(
        self, cursor: Any, statement: str, parameters: Any, context: ExecutionContext
    ) -> bool:
        def send(sql: str) -> None:
            context.dialect.do_executemany(cursor, sql, parameters, context)

        return self._send(statement, context, send, several=False)

    def _send(
        self,
        statement: str,
        context: ExecutionContext,
        send: Callable[[str], None],
        *,
        several: bool,
    ) -> bool:
        """Send what of `statement` reads; return True, for that is all that is done about it."""
        self._check()
        read = reading_part(statement) if several else statement if reads(statement) else ""
        if read != statement:
            self._leave_out(statement)
        connection = context.root_connection
        if not read:
            drivers.execute(connection, "select")  # SQLAlchemy's asyncio wants something awaited
            return True
        sql = _WAITS.sub(r"pg_try_advisory_\1", read)
        by_hand = drivers.begins_nothing(connection)
        done = True
        if _first_word(sql) in _OTHERS:
            send(sql)
            if by_hand and _first_word(sql) in _BEGIN:
                drivers.execute(connection, "set transaction read only")
        else:
            done = self._try(connection, sql, send, by_hand=by_hand)
        if not done:
            self._leave_out(statement)
        return True

    def _try(
        self, connection: Connection, sql: str, send: Callable[[str], None], *, by_hand: bool
    ) -> bool:
        """Send one statement; return whether the server has run it, for it may write after all."""
        begin, keep, undo = _BY_HAND if by_hand else _WITHIN
        drivers.execute(connection, begin)
        try:
            send(sql)
        except Exception as error:
            writes = sqlstate(error) == READ_ONLY
            if writes or by_hand:
                drivers.execute(connection, undo)
            if not writes:
                raise
            return False
        drivers.execute(connection, keep)
        return True

    def _leave_out(self, statement: str) -> None:
        self.schemas.update(created_schemas(statement))
        shown = " ".join(statement.split())
        self.left_out = shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 1]}…"

    def _check(self) -> None:
        if self.stopped:
            raise Stopped


def reads(statement: str) -> bool:
    """Return whether the words of a statement do not say that it writes."""
    return _is_reading([piece.token for piece in pieces(statement)])


def reading_part(text: str) -> str:
    """Return those of the statements in a text whose words do not say that they write.

    The text as it is where none of them does.
    """
    kept: list[str] = []
    left_out = False
    for statement in statements(text):
        if reads(statement):
            kept.append(statement)
        else:
            left_out = True
    return "; ".join(kept) if left_out else text


def created_schemas(text: str) -> Iterator[str]:
    """Yield the names that CREATE SCHEMA has in a text."""
    for statement in statements(text):
        reader = TokenReader([piece.token for piece in pieces(statement)])
        if reader.accept("create", "schema"):
            reader.accept("if", "not", "exists")
            if not reader.at("authorization") and (name := reader.name_parts()):
                yield name[0]


def _is_reading(tokens: Sequence[Token]) -> bool:
    first = tokens[0] if tokens else None
    if first is None or (first.kind is Kind.SYMBOL and first.text in {"(", ";"}):
        return True
    if first.kind is not Kind.WORD or first.text not in _QUERIES | _OTHERS:
        return False
    return first.text in _QUERIES or not any(
        token.kind is Kind.WORD and token.text in _UNDOES for token in tokens
    )


def _first_word(sql: str) -> str:
    return next((piece.token.text for piece in pieces(sql)), "")
