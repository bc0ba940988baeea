"""What the drivers differ in that an env.py may open: asyncpg, psycopg, psycopg2 and pg8000.

The only place that uses what SQLAlchemy's adapters keep private. Checked on SQLAlchemy 2.0.41 to
2.1.9, asyncpg 0.30 to 0.32, psycopg 3.2 to 3.3, psycopg2 2.9 and pg8000 1.31.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import URL, Connection, Dialect
from sqlalchemy.engine import AdaptedConnection
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError

from dbctl.db import dsn
from dbctl.db.dsn import Dsn
from dbctl.errors import DbctlError
from dbctl.sqltokens import Kind, tokenize

# Sent by itself it makes asyncpg's adapter begin the transaction that it otherwise begins with the
# first prepared statement.
_NOTHING = "select"
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
    raw = _raw(connection)
    driver: Any = raw.driver_connection if isinstance(raw, AdaptedConnection) else raw
    match connection.dialect.driver:
        case "asyncpg":
            pid = driver.get_server_pid()
        case "psycopg" | "psycopg_async" | "psycopg2":
            pid = driver.info.backend_pid
        case "pg8000":
            pid = int.from_bytes((driver._backend_key_data or b"")[:4])
        case _:
            pid = None
    return int(pid) if pid else None


def query(connection: Connection, sql: str) -> Sequence[Any]:
    """Return the first row of `sql`, which has no parameter, past SQLAlchemy.

    On a connection that SQLAlchemy has in no transaction, the driver may have begun one: the
    caller ends it with `settle`.
    """
    cursor = _raw(connection).cursor()
    try:
        cursor.execute(sql)
        row: Sequence[Any] = cursor.fetchone()
    finally:
        cursor.close()
    return row


def execute(connection: Connection, sql: str) -> None:
    """Run one statement without a result or a parameter, past SQLAlchemy."""
    cursor = _raw(connection).cursor()
    try:
        cursor.execute(sql)
    finally:
        cursor.close()


def settle(connection: Connection, *, commit: bool = False) -> None:
    """End the transaction that the driver has begun, unless it is one of SQLAlchemy's."""
    if not connection.in_transaction():
        raw = _raw(connection)
        raw.commit() if commit else raw.rollback()


def in_autocommit(connection: Connection) -> bool:
    """Return whether each statement of `connection` is a transaction of its own.

    Known from the driver, so that an engine made with isolation_level="AUTOCOMMIT" counts as well.
    """
    return bool(getattr(_raw(connection), "autocommit", False))


def is_several(sql: str) -> bool:
    """Return whether a semicolon stands between two statements of `sql`."""
    if ";" not in sql:
        return False
    ended = False
    for token in tokenize(sql):
        if ended and token != (Kind.SYMBOL, ";"):
            return True
        ended = ended or token == (Kind.SYMBOL, ";")
    return False


def execute_several(cursor: Any, sql: str) -> bool:
    """Run several statements in one text, where the driver of `cursor` would refuse them.

    Returns False where it would not: asyncpg alone prepares every statement, and a prepared
    statement is one. The simple protocol takes any number, in the same transaction.
    """
    adapter: Any = getattr(cursor, "_adapt_connection", None)
    if getattr(adapter, "driver_connection", None) is None or not _is_asyncpg(adapter):
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


def cancel(connection: Connection) -> None:
    """Ask the server to cancel what runs on `connection`, from another thread.

    By the driver's own means: where the role may not, pg_cancel_backend does nothing. asyncpg and
    pg8000 have none that another thread can call; there the connection is cut off.
    """
    with suppress(Exception):  # it may have been closed meanwhile, or never opened
        raw = connection.connection.dbapi_connection
        driver: Any = raw.driver_connection if isinstance(raw, AdaptedConnection) else raw
        match connection.dialect.driver:
            case "asyncpg":
                driver._loop.call_soon_threadsafe(driver.terminate)
            case "pg8000":
                driver._usock.close()
            case _:
                driver.cancel()


def close(connection: Connection) -> None:
    """Close a connection that env.py has left open, whatever state it is in."""
    if connection.closed:
        return
    try:
        connection.close()
    except Exception:  # its event loop has ended
        cancel(connection)


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


def dsn_of(parameters: Mapping[str, Any]) -> Dsn | None:
    """Return where the keywords of a driver's `connect` lead; None where they do not say."""
    host = parameters.get("host")
    if not isinstance(host, str | None) or "dsn" in parameters:
        return None
    query = {"host": host} if host and host.startswith("/") else {}
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


def _raw(connection: Connection) -> Any:
    return connection.connection.dbapi_connection


def _is_asyncpg(adapter: Any) -> bool:
    # The class may be a project's own, derived from asyncpg's.
    bases = type(adapter.driver_connection).__mro__
    return any(base.__module__.startswith("asyncpg") for base in bases)
