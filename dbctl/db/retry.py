"""Which connect errors are worth another try, and for how long."""

import socket
import ssl
from collections.abc import Callable

import asyncpg
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_delay,
    wait_random_exponential,
)

# Starting up, shutting down, out of slots, connection lost before it was of use.
_TRANSIENT_STATES = frozenset({"57P03", "57P01", "53300", "08003", "08006"})
# Neon's proxy reports every error of its own as XX000, and pgbouncer its servers' as 08P01: only
# the text tells a compute that is waking from a wrong password.
_TRANSIENT_TEXTS = (
    "couldn't connect to compute node",
    "control plane request failed",
    "failed to acquire permit",
    "server login has been failing",
    "server conn crashed",
    "pgbouncer cannot connect to server",
)


def is_transient(error: BaseException) -> bool:
    """Tell whether a failed attempt to connect may succeed when it is made again.

    Only for the connect phase: a statement whose connection died may have taken effect.
    """
    match error:
        case asyncpg.PostgresError():
            text = str(error).lower()
            return error.sqlstate in _TRANSIENT_STATES or any(t in text for t in _TRANSIENT_TEXTS)
        case ssl.SSLError() | PermissionError() | NotADirectoryError():
            return False
        case socket.gaierror():
            return error.errno == socket.EAI_AGAIN
        case ConnectionError() if is_tls_refusal(error):
            return False
        case OSError():  # a TimeoutError is one
            return True
        case _:
            return False


def is_tls_refusal(error: BaseException) -> bool:
    """Tell whether the server declined to speak TLS."""
    return isinstance(error, ConnectionError) and "rejected SSL upgrade" in str(error)


def attempts(deadline: float, on_failure: Callable[[BaseException], None]) -> AsyncRetrying:
    """Return tenacity's retry loop for connecting: randomised backoff until `deadline` seconds.

    `on_failure` is called with the error before each pause.
    """

    def before_sleep(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if error is not None:
            on_failure(error)

    return AsyncRetrying(
        retry=retry_if_exception(is_transient),
        stop=stop_after_delay(deadline),
        wait=wait_random_exponential(multiplier=0.2, max=3),
        before_sleep=before_sleep,
        reraise=True,
    )
