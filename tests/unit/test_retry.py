import errno
import socket
import ssl

import asyncpg
import pytest

from dbctl.db.dsn import parse
from dbctl.db.failures import explain_connect
from dbctl.db.retry import attempts, is_tls_refusal, is_transient

# What asyncpg raises where the server answers "N" to the request for TLS.
NO_TLS = ConnectionError('PostgreSQL server at "db.example.com:5432" rejected SSL upgrade')


def refused(state: str, text: str = "no") -> asyncpg.PostgresError:
    """Return the error that asyncpg makes of a server's answer."""
    error: asyncpg.PostgresError = asyncpg.PostgresError.new({"C": state, "M": text, "S": "FATAL"})
    return error


@pytest.mark.parametrize(
    "error",
    [
        refused("57P03", "the database system is starting up"),
        refused("57P01", "terminating connection due to administrator command"),
        refused("53300", "sorry, too many clients already"),
        refused("08003"),
        refused("08006"),
        refused("XX000", "Couldn't connect to compute node"),
        refused("XX000", "Control plane request failed: timed out"),
        refused("XX000", "Failed to acquire permit to connect to the database."),
        refused("08P01", "server login has been failing, try again later (server_login_retry)"),
        refused("08P01", "pgbouncer cannot connect to server"),
        ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed"),
        ConnectionResetError(),
        FileNotFoundError(errno.ENOENT, "the socket of a server that is not up yet"),
        OSError(errno.EHOSTUNREACH, "No route to host"),
        TimeoutError(),
        socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
    ],
    ids=repr,
)
def test_what_may_pass_by_itself_is_worth_another_try(error: BaseException) -> None:
    assert is_transient(error)


@pytest.mark.parametrize(
    "error",
    [
        refused("28P01", 'password authentication failed for user "app"'),
        refused("28000", 'role "app" does not exist'),
        refused("3D000", 'database "app" does not exist'),
        refused("42704", 'unrecognized configuration parameter "channel_binding"'),
        refused("08P01", "unsupported startup parameter: channel_binding"),
        refused("XX000", "password authentication failed for user 'app'"),
        refused("XX000", "The endpoint has been disabled. Enable it using the API and retry."),
        refused("XX000", "Your account or project has exceeded the compute time quota."),
        ssl.SSLCertVerificationError(1, "certificate verify failed"),
        ssl.SSLError(1, "handshake failure"),
        PermissionError(errno.EACCES, "the socket of somebody else"),
        NotADirectoryError(),
        socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
        NO_TLS,
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.TargetServerAttributeNotMatched("None of the hosts match"),
        UnicodeError("label empty or too long"),
        ValueError("a bug"),
    ],
    ids=repr,
)
def test_what_waiting_cannot_mend_is_not_tried_again(error: BaseException) -> None:
    assert not is_transient(error)


def test_a_reset_is_not_taken_for_a_refusal_of_tls() -> None:
    assert is_tls_refusal(NO_TLS)
    assert not is_tls_refusal(ConnectionResetError())


async def run(errors: list[BaseException], told: list[BaseException], deadline: float) -> int:
    """Raise `errors`, one per try, and return which try had none left."""
    tries = 0
    async for attempt in attempts(deadline, told.append):
        with attempt:
            tries += 1
            if tries <= len(errors):
                raise errors[tries - 1]
    return tries


async def test_each_error_is_told_before_the_next_try_until_one_succeeds() -> None:
    errors: list[BaseException] = [ConnectionRefusedError(), refused("57P03")]
    told: list[BaseException] = []
    assert await run(errors, told, deadline=60) == 3
    assert told == errors


async def test_a_lasting_error_leaves_at_once_and_is_not_told() -> None:
    wrong_password = refused("28P01")
    told: list[BaseException] = []
    with pytest.raises(asyncpg.PostgresError) as raised:
        await run([wrong_password], told, deadline=60)
    assert raised.value is wrong_password
    assert told == []


async def test_at_the_deadline_the_last_error_leaves_as_it_is() -> None:
    down = ConnectionRefusedError()
    with pytest.raises(ConnectionRefusedError) as raised:
        await run([down], [], deadline=0)
    assert raised.value is down


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed"), "nothing is listening"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), "nothing is listening"),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "network cannot be reached"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "no route to the host"),
        (PermissionError(errno.EACCES, "Permission denied"), "does not let this user connect"),
        (
            OSError(
                f"Multiple exceptions: [Errno {errno.ENETUNREACH}] Connect call failed ('::1'), "
                f"[Errno {errno.ECONNREFUSED}] Connect call failed ('127.0.0.1')"
            ),
            "nothing is listening",
        ),
        (
            OSError(
                f"Multiple exceptions: [Errno {errno.ENETUNREACH}] Connect call failed ('::1'), "
                f"[Errno {errno.EHOSTUNREACH}] Connect call failed ('192.0.2.1')"
            ),
            "network cannot be reached",
        ),
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files"),
    ],
    ids=repr,
)
def test_what_the_operating_system_says_is_put_into_words(error: OSError, words: str) -> None:
    cause = explain_connect(error, parse("postgresql://app@db.example.com/app", environ={}))
    assert words in cause.reason
    assert "Errno" not in cause.reason
    assert cause.hint


def test_a_database_that_pgbouncer_does_not_know_can_be_created() -> None:
    error = refused("08P01", "no such database: absent")
    cause = explain_connect(error, parse("postgresql://app@localhost/absent", environ={}))
    assert cause.reason == "no such database: absent"
    assert "`createdb absent`" in cause.hint
