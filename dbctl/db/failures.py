"""Errors of the driver, put into words: what is wrong, where, and what to do next."""

import errno
import os
import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

import asyncpg

from dbctl.db.dsn import Dsn
from dbctl.db.retry import is_tls_refusal
from dbctl.errors import ConnectionFailed, DbctlError, ErrorCode, OperationFailed
from dbctl.redaction import hide

# What a try to connect may end with; a host name that IDNA cannot encode is a UnicodeError.
CONNECT_ERRORS = (
    OSError,
    UnicodeError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.TargetServerAttributeNotMatched,
)


# What the driver raises on a connection; the second where the server's last word, that it ends the
# session, has come and the end of the connection has not; the last for an error that is not UTF-8.
DRIVER_ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InternalClientError,
    asyncpg.InterfaceError,
    OSError,
    UnicodeDecodeError,
)


_FOREIGN = frozenset({"psycopg", "psycopg2", "pg8000"})
_DRIVERS = _FOREIGN | {"asyncpg"}
# The code of SQLAlchemy's error for whatever is asked of a connection that it knows to be lost.
_INVALIDATED = "8s2b"
# The classes of what ends a session that has not begun.
_AT_LOGIN = ("28", "3D000", "42501", "53300", "55000", "57P03")
# How libpq and pg8000 put it.
_LOST = re.compile(
    r"connection (is|was|already|has been)? ?(closed|lost|terminated)|closed the connection"
    r"|network error|(send|receive) data|SSL (SYSCALL )?error|consuming input failed"
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


@dataclass(frozen=True, slots=True)
class Loss:
    """The loss of a connection; `said` is the reason that the server gave, if it gave one."""

    said: str | None

    @property
    def reason(self) -> str:
        """The reason in brackets, after a space; empty where there is none."""
        return f" ({self.said})" if self.said else ""


def connection_loss(error: BaseException | None) -> Loss | None:
    """Return what is known of the lost connection that an error came of; None for any other error.

    The error may be that of a driver or SQLAlchemy's, or one that was raised in the handling of
    such a one: after a loss, whatever is asked of the connection fails in its own way.
    """
    causes = list(_causes(error))
    if not any(map(_is_loss, causes)):
        return None
    return Loss(next((first_line(cause) for cause in causes if ends_session(cause)), None))


def statement_failed(error: Exception, *, only_read: bool = False) -> DbctlError:
    """Describe why a statement failed, from what SQLAlchemy or the driver raised.

    Where nothing but reads ran, a connection that is lost leaves no doubt about what took effect.
    """
    driver = driver_error(error)
    loss = connection_loss(error)
    if loss is None and isinstance(driver, OSError) and driver.filename is None:  # not of a file
        loss = Loss(None)
    if loss is not None:
        if only_read:
            return ConnectionFailed(
                f"the connection was lost while it was read from{loss.reason}",
                hint="Run it again; nothing was changed.",
            )
        return ConnectionFailed(
            f"the connection was lost while a statement ran{loss.reason}; "
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


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and everything that it came of, each once."""
    pending, seen = [error], set[int]()
    while pending:
        current = pending.pop(0)
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        inner = getattr(current, "orig", None)
        pending += [
            inner if isinstance(inner, BaseException) else None,
            current.__cause__,
            None if current.__suppress_context__ else current.__context__,
        ]


def _is_loss(error: BaseException) -> bool:
    """Return whether there is no connection any more after this very error."""
    if getattr(error, "connection_invalidated", False):
        return True
    if getattr(error, "code", None) == _INVALIDATED:
        return True
    if ends_session(error):
        return not str(sqlstate(error)).startswith(_AT_LOGIN)
    match error:
        case asyncpg.PostgresConnectionError():
            # The driver's own has no severity; a server that sends one is still there.
            return error.severity is None
        case asyncpg.InternalClientError():
            return True
        case asyncpg.InterfaceError():  # else a mistake in the call
            return "connection is closed" in str(error)
        case OSError(filename=None):  # what names a file was said of that
            return error.errno is not None and _is_raised_by_driver(error)
    package, name = type(error).__module__.partition(".")[0], type(error).__name__
    if package in _FOREIGN and name in {"OperationalError", "InterfaceError"}:
        return _LOST.search(str(error)) is not None and sqlstate(error) is None
    return False


def ends_session(error: BaseException) -> bool:
    """Return whether this error is the last that the server sends in a session."""
    return _severity(error) in {"FATAL", "PANIC"}


def _severity(error: BaseException) -> str | None:
    """Return how severe the server calls an error of any driver's, in English."""
    found = getattr(error, "severity_en", None) or getattr(
        getattr(error, "diag", None), "severity_nonlocalized", None
    )
    if found is None and error.args and isinstance(error.args[0], dict):  # pg8000
        found = error.args[0].get("V")
    return found if isinstance(found, str) else None


def _is_raised_by_driver(error: BaseException) -> bool:
    """Return whether a driver was at work when the operating system reported an error."""
    frame = error.__traceback__
    while frame is not None:
        name = frame.tb_frame.f_globals.get("__name__", "")
        if name.partition(".")[0] in _DRIVERS:
            return True
        frame = frame.tb_next
    return False


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
    if isinstance(error, UnicodeDecodeError):  # the driver's, of a message that is not UTF-8
        text = error.object.decode(errors="backslashreplace")
    elif isinstance(error, OSError) and error.filename is not None:
        text = f"{error.strerror}: {error.filename}"
    elif error.args and isinstance(error.args[0], dict):  # pg8000
        text = str(error.args[0].get("M", text))
    lines = text.strip().splitlines()
    return lines[0] if lines else type(error).__name__


def without_password(text: str, dsn: Dsn) -> str:
    """Remove the password of `dsn` from a text that a server wrote, unless it is a name as well."""
    if not dsn.password or dsn.password in {dsn.user, dsn.database}:
        return text
    return hide(text, dsn.password)
