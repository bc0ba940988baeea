"""Errors of the driver, put into words: what is wrong, where, and what to do next."""

import errno
import os
import re
import socket
import ssl
from dataclasses import dataclass

import asyncpg

from dbctl.db.dsn import Dsn
from dbctl.db.retry import is_tls_refusal
from dbctl.errors import ConnectionFailed, DbctlError, ErrorCode, OperationFailed

# What a try to connect may end with; a host name that IDNA cannot encode is a UnicodeError.
CONNECT_ERRORS = (
    OSError,
    UnicodeError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.TargetServerAttributeNotMatched,
)


# What the driver raises on a connection; the second where the server's last word, that it ends the
# session, has come and the end of the connection has not.
DRIVER_ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InternalClientError,
    asyncpg.InterfaceError,
    OSError,
)


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a connection failed, and what would help."""

    reason: str
    hint: str


_REACH = (
    "Check that the host is reachable from here and is not behind a firewall; "
    "DB_CONNECT_TIMEOUT and DB_CONNECT_DEADLINE give it longer."
)
NO_ANSWER = Cause("no answer in time", _REACH)
NO_ANSWER_YET = Cause("no answer yet", _REACH)

_NOT_LISTENING = Cause(
    "nothing is listening there",
    "Check that the server runs, and the host and port of the connection string.",
)
_NO_WAY = "Check this machine's network and routes (VPN, IPv6), and the host's address."
_ERRNOS = {
    errno.ECONNREFUSED: _NOT_LISTENING,
    errno.ENOENT: _NOT_LISTENING,
    errno.ETIMEDOUT: NO_ANSWER,
    errno.ENETUNREACH: Cause("its network cannot be reached from here", _NO_WAY),
    errno.ENETDOWN: Cause("this machine's network is down", _NO_WAY),
    errno.EHOSTUNREACH: Cause(
        "there is no route to the host",
        "Check that the host is up, this machine's routes (VPN), and firewalls on the way.",
    ),
    errno.EADDRNOTAVAIL: Cause("this machine has no address to reach it from", _NO_WAY),
    errno.EACCES: Cause(
        "this machine does not let this user connect there",
        "Check the permissions of the socket, or this machine's firewall or sandbox.",
    ),
}
_ERRNOS[errno.EPERM] = _ERRNOS[errno.EACCES]
# asyncio makes one text of the failures of the addresses of one host.
_LISTED_ERRNO = re.compile(r"\[Errno (\d+)\]")

_NO_SUCH_DATABASE = re.compile(r"no such database: (\S+)")  # pgbouncer's words


def connection_failed(error: BaseException, dsn: Dsn, *, waited: float = 0.0) -> ConnectionFailed:
    """Describe why no connection to `dsn` came about; `waited` is in seconds."""
    cause = explain_connect(error, dsn)
    after = f" (tried for {waited:.0f} s)" if waited >= 1 else ""
    return ConnectionFailed(
        f"cannot connect to {dsn.label}: {cause.reason}{after}", hint=cause.hint
    )


def explain_connect(error: BaseException, dsn: Dsn) -> Cause:
    """Say in words why connecting to `dsn` failed."""
    match error:
        case asyncpg.PostgresError():
            return _explain_refusal(error, dsn)
        case TimeoutError():
            return NO_ANSWER
        case ssl.SSLCertVerificationError():
            return Cause(
                f"its TLS certificate is not trusted: {error.verify_message}",
                "Name the authority that signed it with sslrootcert=FILE, and check the host name.",
            )
        case ssl.SSLError():
            return Cause(
                f"the TLS handshake failed: {error.reason or error}",
                "Check sslmode, sslcert and sslkey in the connection string.",
            )
        case socket.gaierror(errno=socket.EAI_AGAIN):
            return Cause("no name server answers", "Check this machine's network and its DNS.")
        case socket.gaierror() | UnicodeError():
            return Cause("the host name is not known", "Check the host in the connection string.")
        case ConnectionError() if is_tls_refusal(error):
            return Cause(
                "the server does not speak TLS",
                "Turn TLS on at the server or, where the network is trusted, "
                "add sslmode=disable to the connection string.",
            )
        case ConnectionResetError():
            return Cause(
                "the connection was reset", "Check the server's log and what stands before it."
            )
        case OSError():
            return _explain_errno(error, dsn)
        case asyncpg.TargetServerAttributeNotMatched():
            return Cause(
                f"no server there is a {dsn.target_session_attrs} one",
                "Correct target_session_attrs or the hosts in the connection string.",
            )
        case _:
            reason = without_password(str(error) or type(error).__name__, dsn)
            return Cause(reason, "Check the connection string and the server's log.")


def _explain_errno(error: OSError, dsn: Dsn) -> Cause:
    """Say in words what the operating system says; of several addresses, what is most telling."""
    numbers = [error.errno] if error.errno else [int(n) for n in _LISTED_ERRNO.findall(str(error))]
    for number, cause in _ERRNOS.items():
        if number in numbers:
            return cause
    reason = os.strerror(numbers[0]) if numbers else str(error) or type(error).__name__
    return Cause(
        without_password(reason, dsn), "Check the connection string and this machine's network."
    )


def _explain_refusal(error: asyncpg.PostgresError, dsn: Dsn) -> Cause:
    """Say in words why the server, or a proxy before it, refused the login."""
    text = without_password(first_line(error), dsn)
    match error.sqlstate:
        case "28P01":
            hint = "Check the user and the password of the connection string."
        case "28000":
            hint = "Check the user, and the server's pg_hba.conf; it may require TLS."
        case "08P01" if found := _NO_SUCH_DATABASE.search(text):
            hint = (
                f"Create it (`createdb {found[1]}`), name it in the pooler's configuration, "
                "or correct the connection string."
            )
        case "3D000":
            hint = f"Create it (`createdb {dsn.database}`) or correct the connection string."
        case "53300":
            hint = "Close connections, lower DB_POOL_SIZE, or connect through the pooled endpoint."
        case "57P03":
            hint = "The server is starting or recovering; try again in a moment."
        case "XX000" if "password authentication failed" in text:
            hint = "Check the user and the password of the connection string."
        case "XX000" if "endpoint" in text:
            hint = "Check the endpoint in the provider's console: it may be disabled or gone."
        case _:
            hint = "Check the connection string and the server's log."
    return Cause(text, hint)


def statement_failed(error: Exception, *, only_read: bool = False) -> DbctlError:
    """Describe why a statement failed, from what SQLAlchemy or the driver raised.

    Where nothing but reads ran, a connection that is lost leaves no doubt about what took effect.
    """
    driver = driver_error(error)
    # What other drivers than asyncpg raise then, only SQLAlchemy knows.
    foreign = not type(driver).__module__.startswith(("asyncpg", "builtins"))
    if _lost_connection(driver) or (foreign and getattr(error, "connection_invalidated", False)):
        server = driver.__cause__  # what it said before it hung up
        said = f" ({first_line(server)})" if isinstance(server, asyncpg.PostgresError) else ""
        if only_read:
            return ConnectionFailed(
                f"the connection was lost while it was read from{said}",
                hint="Run it again; nothing was changed.",
            )
        return ConnectionFailed(
            f"the connection was lost while a statement ran{said}; "
            "whether it took effect is unknown",
            hint="Look at the state (`dbctl migrate status`) before you run it again.",
        )
    if (state := sqlstate(driver)) is not None:
        hint = _server_hint(driver) or _STATEMENT_HINTS.get(state, "`-v` shows the statement.")
        detail = "" if state.startswith(_OF_VALUES) else _server_detail(driver)
        return OperationFailed(
            f"{first_line(driver)}{detail} (SQLSTATE {state})",
            hint=hint,
            code=ErrorCode.QUERY_FAILED,
        )
    return OperationFailed(first_line(driver), hint="`-v` shows the statement.")


# The classes of errors whose DETAIL has values of rows, which may be masked elsewhere.
_OF_VALUES = ("22", "23", "44")


def _lost_connection(error: BaseException) -> bool:
    """Tell whether there is no connection any more after this error."""
    match error:
        case asyncpg.PostgresConnectionError():
            # The driver's own has no severity; a server that sends one is still there.
            return error.severity is None
        case asyncpg.InternalClientError():
            return True
        case asyncpg.InterfaceError():  # else a mistake in the call
            return "connection is closed" in str(error)
        case _:
            return isinstance(error, OSError)


_STATEMENT_HINTS = {
    "42501": "Grant the privilege to this role, or connect as the owner.",
    "42P01": "`dbctl migrate status` tells whether the schema is there.",
    "55P03": "Another session holds a lock on it; try again, or end that session.",
    "57014": "It ran into its time limit and was cancelled; ask for less, or by an indexed column.",
    "25006": "It would write in a read-only transaction, which inspect and a standby never do.",
    "53100": "The server's disk is full.",
}


def driver_error(error: BaseException) -> BaseException:
    """Return the driver's own exception behind what SQLAlchemy raised; any other error as it is.

    Checked on SQLAlchemy 2.0.41 to 2.1.9; `DBAPIError.driver_exception` is new in 2.1. Where a
    dialect defines the DBAPI's exceptions itself, as for asyncpg, `orig` is one of those, and its
    own `orig` (2.1) or cause (2.0) is the driver's.
    """
    while True:
        inner = getattr(error, "orig", None)
        if inner is None and type(error).__module__.startswith("sqlalchemy.dialects."):
            inner = error.__cause__
        if not isinstance(inner, BaseException):
            return error
        error = inner


def sqlstate(error: BaseException | None) -> str | None:
    """Return the SQLSTATE of an error or of the first of its causes that has one, else None.

    It may be an error of SQLAlchemy, asyncpg, psycopg, psycopg2 or pg8000.
    """
    while error is not None:
        error = driver_error(error)
        state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
        if state is None and error.args and isinstance(error.args[0], dict):  # pg8000
            state = error.args[0].get("C")
        if isinstance(state, str):
            return state
        error = error.__cause__
    return None


def _server_hint(error: BaseException) -> str | None:
    """Return the hint that the server sent with an error of any driver's."""
    return _field(error, "hint", "H")


def _server_detail(error: BaseException) -> str:
    """Return the DETAIL that the server sent, on one line after a colon; empty without one.

    What another server said to a foreign data wrapper is there, and what depends on an object.
    """
    lines = (_field(error, "detail", "D") or "").split("\n")
    text = "; ".join(filter(None, (line.strip().rstrip(".") for line in lines)))
    return f": {text}" if text else ""


def _field(error: BaseException, name: str, letter: str) -> str | None:
    """Return a field of a server's message; pg8000 knows it by the `letter` of the protocol."""
    found = getattr(error, name, None) or getattr(
        getattr(error, "diag", None), f"message_{name}", None
    )
    if found is None and error.args and isinstance(error.args[0], dict):
        found = error.args[0].get(letter)
    return found if isinstance(found, str) else None


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, or the name of its type where there is none."""
    text = str(error)
    if error.args and isinstance(error.args[0], dict):  # pg8000
        text = str(error.args[0].get("M", text))
    lines = text.strip().splitlines()
    return lines[0] if lines else type(error).__name__


def without_password(text: str, dsn: Dsn) -> str:
    """Remove the password of `dsn` from a text that a server wrote."""
    return text.replace(dsn.password, "***") if dsn.password else text
