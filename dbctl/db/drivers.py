"""What the drivers differ in that an env.py may open: asyncpg, psycopg, psycopg2 and pg8000.

The only place that uses what SQLAlchemy's adapters keep private. Checked on SQLAlchemy 2.0.41 to
2.1.9, asyncpg 0.30 to 0.32, psycopg 3.2 to 3.3, psycopg2 2.9 and pg8000 1.31.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import URL, Connection, Dialect
from sqlalchemy.engine import AdaptedConnection
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError

from dbctl.db import dsn
from dbctl.db.dsn import Dsn
from dbctl.db.qualified import qualified
from dbctl.errors import DbctlError
from dbctl.sqltokens import Kind, statements, tokenize

# Sent by itself it makes asyncpg's adapter begin the transaction that it otherwise begins with the
# first prepared statement.
_NOTHING = "select"
_PACKAGES = frozenset({"asyncpg", "psycopg", "psycopg2", "pg8000"})
# What libpq's drivers call a connection in no transaction.
_IDLE = 0
# What libpq's drivers take as keywords and a connection string as parameters.
_KEPT = ("sslmode", "sslrootcert", "sslcert", "sslkey", "options")


def driver_name(connection: Connection) -> str:
    """Return the name that SQLAlchemy has for the driver, such as `psycopg2`."""
    return connection.dialect.driver


def login_pid(connection: Connection) -> int | None:
    """Return the process id that was given at login for a later cancel request.

    That of the server process, but a pooler makes one up for each of its clients. None where the
    driver does not keep it.
    """
    return _login_pid(raw_connection(connection))


def address(connection: Connection) -> str | None:
    """Return the host, or the folder of the socket, and the port that the driver has reached."""
    driver = _driver(raw_connection(connection))
    match connection.dialect.driver:
        case "asyncpg":
            where = driver._addr
            host, port = where.split("/.s.PGSQL.", 1) if isinstance(where, str) else where[:2]
            return f"{host}:{port}"
        case "psycopg" | "psycopg_async" | "psycopg2":
            return f"{driver.info.host}:{driver.info.port}"
    return None


def query(connection: Connection, sql: str) -> Sequence[Any]:
    """Return the first row of `sql`, which has no parameter, past SQLAlchemy.

    On a connection that SQLAlchemy has in no transaction, the driver may have begun one: the
    caller ends it with `settle`, or asks within `aside`.
    """
    return _query(raw_connection(connection), sql)


def execute(connection: Connection, sql: str) -> None:
    """Run one statement without a result or a parameter, past SQLAlchemy."""
    _execute(raw_connection(connection), sql)


def settle(connection: Connection, *, commit: bool = False) -> None:
    """End the transaction that the driver has begun, unless it is one of SQLAlchemy's."""
    if not connection.in_transaction():
        raw = raw_connection(connection)
        raw.commit() if commit else raw.rollback()


@contextmanager
def aside(connection: Connection) -> Iterator[None]:
    """Ask something in the body, and leave the transaction as it was.

    env.py may have begun one past SQLAlchemy, with a cursor of the driver's: a search_path that it
    has set there would be lost with a ROLLBACK.
    """
    begun = connection.in_transaction() or is_in_transaction(raw_connection(connection))
    try:
        yield
    finally:
        if not begun:
            settle(connection)


def begins_nothing(connection: Connection) -> bool:
    """Return whether no transaction is open, and none is begun with the next statement.

    So it is in autocommit mode, and with psycopg2 or asyncpg where COMMIT was sent as a statement.
    """
    raw = raw_connection(connection)
    if is_in_transaction(raw):
        return False
    if _kind(_driver(raw)) in {"psycopg", "pg8000"}:  # they go by what the server says
        return in_autocommit(connection)
    if not in_autocommit(connection):
        _execute(raw, "select")
    return not is_in_transaction(raw)


def is_in_transaction(raw: Any) -> bool:
    """Return whether the server has a transaction open on a driver's connection."""
    driver = _driver(raw)
    match _kind(driver):
        case "asyncpg":
            return bool(driver.is_in_transaction())
        case "pg8000":
            return bool(driver._in_transaction)
        case _:
            return bool(driver.info.transaction_status != _IDLE)


def keep_read_only(raw: Any) -> None:
    """Let a driver's connection, which is in no transaction, write nothing from now on.

    Also past SQLAlchemy. Where its session is its own, that is a setting of the session, which
    holds for statements outside of a transaction as well. Behind a pooler the setting would reach
    other clients: there each transaction is begun READ ONLY, which pg8000 alone cannot do.
    """
    pid = _login_pid(raw)
    if pid is not None:
        _execute(
            raw,
            f"select case when pg_catalog.pg_backend_pid() operator(pg_catalog.=) {pid} then"
            " pg_catalog.set_config('default_transaction_read_only', 'on', false) end",
        )
        raw.commit()
    match _kind(_driver(raw)):
        case "psycopg":
            raw.set_read_only(True)
        case "psycopg2" if not raw.autocommit:  # where it is, this is a setting of the session
            raw.readonly = True
        case "asyncpg":
            raw.readonly = True


def allow_writing(raw: Any) -> None:
    """Undo `keep_read_only` on a connection that is still open, and end its transaction.

    One of an event loop that has ended is of no use any more.
    """
    if isinstance(raw, AdaptedConnection):
        return
    with suppress(Exception):
        raw.rollback()
        _execute(raw, "reset default_transaction_read_only")
        raw.commit()
        match _kind(raw):
            case "psycopg":
                raw.set_read_only(None)
            case "psycopg2" if not raw.autocommit:
                raw.readonly = None


def in_autocommit(connection: Connection) -> bool:
    """Return whether each statement of `connection` is a transaction of its own.

    Known from the driver, so that an engine made with isolation_level="AUTOCOMMIT" counts as well.
    """
    return bool(getattr(raw_connection(connection), "autocommit", False))


def is_several(sql: str) -> bool:
    """Return whether a semicolon stands between two statements of `sql`."""
    if ";" not in sql:
        return False
    found = statements(sql)
    return next(found, None) is not None and next(found, None) is not None


def ends_transaction(sql: str) -> bool:
    """Return whether a text has a statement that commits the transaction it is run in."""
    lower = sql.lower()
    if "commit" not in lower and "end" not in lower:
        return False
    for statement in statements(sql):
        first = next(tokenize(statement), None)
        if first is not None and first.kind is Kind.WORD and first.text in {"commit", "end"}:
            return True
    return False


def execute_several(cursor: Any, sql: str) -> bool:
    """Run several statements in one text, where the driver of `cursor` would refuse them.

    Returns False where it would not: asyncpg alone prepares every statement, and a prepared
    statement is one. The simple protocol takes any number, in the same transaction.
    """
    adapter: Any = getattr(cursor, "_adapt_connection", None)
    if adapter is None or _kind(_driver(adapter)) != "asyncpg":
        return False
    cursor.execute(_NOTHING)
    try:
        adapter.run_async(lambda driver: driver.execute(sql))
    except Exception as error:
        adapter._handle_exception(error)
    return True


def without_prepared_statements(
    dialect: Dialect, _record: object, _arguments: object, parameters: dict[str, Any]
) -> None:
    """Let a driver keep no prepared statement: a listener for `do_connect` behind a pooler.

    The next transaction may get another server session there, which does not have it.
    """
    if dialect.driver in {"psycopg", "psycopg_async"}:
        parameters.setdefault("prepare_threshold", None)
    elif dialect.driver == "asyncpg":
        parameters.setdefault("statement_cache_size", 0)
        parameters.setdefault("prepared_statement_cache_size", 0)


def qualify_psycopg(
    dialect: Dialect, _record: object, _arguments: object, _parameters: object
) -> None:
    """Let psycopg look types up alike on any search_path: a listener for `do_connect`.

    SQLAlchemy has it look for hstore as it connects, by comparing an oid with a regtype.
    """
    if dialect.driver in {"psycopg", "psycopg_async"}:
        from psycopg import sql  # what only this driver's projects have
        from psycopg.types import TypeInfo

        found = sql.SQL("pg_catalog.to_regtype(%(name)s)::pg_catalog.oid")
        TypeInfo._to_regtype = classmethod(lambda _cls, _connection: found)  # type: ignore[assignment,method-assign]


def qualify_asyncpg(raw: Any, _record: object) -> None:
    """Let asyncpg look types up alike on any search_path: a listener for `connect`."""
    driver = _driver(raw)
    if _kind(driver) == "asyncpg":
        driver._intro_query = qualified(driver._intro_query)


def cancel(connection: Connection) -> None:
    """Ask the server to cancel what runs on `connection`, from another thread.

    By the driver's own means: where the role may not, pg_cancel_backend does nothing. asyncpg and
    pg8000 have none that another thread can call; there the connection is cut off.
    """
    with suppress(Exception):  # it may have been closed meanwhile, or never opened
        driver = _driver(raw_connection(connection))
        if _kind(driver) in {"asyncpg", "pg8000"}:
            cut_off(connection)
        else:
            driver.cancel()


def cut_off(connection: Connection) -> None:
    """End a connection from another thread, whatever its own one does: the server rolls back.

    Closing it there would neither wake a thread that waits for the server nor tell the server.
    """
    with suppress(Exception):  # it may have been closed meanwhile, or never opened
        driver = _driver(raw_connection(connection))
        match _kind(driver):
            case "asyncpg":
                number = driver._transport.get_extra_info("socket").fileno()
            case "pg8000":
                number = driver._usock.fileno()
            case _:
                number = driver.fileno()
        # Of a copy, for the number itself may be somebody else's as soon as the driver closes it.
        with socket.socket(fileno=os.dup(number)) as copy:
            copy.shutdown(socket.SHUT_RDWR)


def close(connection: Connection) -> None:
    """Close a connection that env.py has left open, whatever state it is in."""
    if connection.closed:
        return
    try:
        connection.close()
    except Exception:  # its event loop has ended
        cut_off(connection)


def explain_parameter(error: BaseException, driver: str) -> str | None:
    """Return what a driver says of a parameter that it does not take; None for any other error.

    asyncpg and psycopg check types before the server sees a value.
    """
    for cause in _causes(error):
        text = str(cause)
        if type(cause).__module__.startswith(("asyncpg", "psycopg", "pg8000")) and (
            text.startswith(("invalid input for query argument $", "cannot adapt type"))
            or "can't adapt type" in text
        ):
            return f"{driver} does not accept a parameter: {text.splitlines()[0]}"
    return None


def is_connect_failure(error: BaseException) -> bool:
    """Return whether an error came from opening a connection, not from a statement."""
    return any(
        isinstance(cause, OSError | TimeoutError)
        or (
            isinstance(cause, DBAPIError)
            and cause.statement is None
            and isinstance(cause, OperationalError | InterfaceError | InternalError)
        )
        or type(cause).__module__.startswith("asyncpg")
        for cause in _causes(error)
    )


def url_of(connection: Connection) -> str:
    """Return the URL of a connection's engine, password included, each part where it belongs.

    A user or password among the parameters of the URL is as good to SQLAlchemy as in its place.
    """
    url = connection.engine.url
    try:
        parameters = dict(connection.dialect.create_connect_args(url)[1])
    except Exception:  # of an engine made with `creator=`, the URL need not be complete
        parameters = {}
    found = dsn_of(parameters) if parameters.get("host") else None
    return found.url() if found else url.render_as_string(hide_password=False)


def dsn_of(parameters: Mapping[str, Any]) -> Dsn | None:
    """Return where the keywords of a driver's `connect` lead; None where they do not say."""
    host = parameters.get("host")
    if not isinstance(host, str | None) or "dsn" in parameters:
        return None
    query = {"host": host} if host and host.startswith("/") else {}
    tls = parameters.get("ssl")  # asyncpg's
    if isinstance(tls, str):
        query["sslmode"] = tls
    url = URL.create(
        "postgresql",
        username=parameters.get("user"),
        password=parameters.get("password"),
        host=None if query else host,
        port=parameters.get("port"),
        database=parameters.get("database") or parameters.get("dbname"),
        query={**query, **{k: str(parameters[k]) for k in _KEPT if k in parameters}},
    )
    try:
        return dsn.parse(url.render_as_string(hide_password=False), source="env.py")
    except DbctlError:
        return None


def _causes(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = getattr(error, "orig", None) or error.__cause__
    return found


def raw_connection(connection: Connection) -> Any:
    """Return the driver's connection, or what SQLAlchemy adapts an asynchronous one by."""
    return connection.connection.dbapi_connection


def _query(raw: Any, sql: str) -> Sequence[Any]:
    cursor = raw.cursor()
    try:
        cursor.execute(sql)
        row: Sequence[Any] = cursor.fetchone()
    finally:
        cursor.close()
    return row


def _execute(raw: Any, sql: str) -> None:
    cursor = raw.cursor()
    try:
        cursor.execute(sql)
    finally:
        cursor.close()


def _driver(raw: Any) -> Any:
    return raw.driver_connection if isinstance(raw, AdaptedConnection) else raw


def _kind(driver: Any) -> str:
    """Return the package that a connection's class, which may be a project's own, comes from."""
    packages = (base.__module__.partition(".")[0] for base in type(driver).__mro__)
    return next((name for name in packages if name in _PACKAGES), "")


def _login_pid(raw: Any) -> int | None:
    driver = _driver(raw)
    match _kind(driver):
        case "asyncpg":
            pid = driver.get_server_pid()
        case "psycopg" | "psycopg2":
            pid = driver.info.backend_pid
        case "pg8000":
            pid = int.from_bytes((driver._backend_key_data or b"")[:4])
        case _:
            pid = None
    return int(pid) if pid else None
