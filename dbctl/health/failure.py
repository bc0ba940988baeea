"""Why a look found no connection, or lost it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbctl.db.failures import (
    CONNECT_ERRORS,
    connection_failed,
    driver_error,
    explain_connect,
    first_line,
    without_password,
)
from dbctl.db.retry import is_transient
from dbctl.errors import ConnectionFailed

if TYPE_CHECKING:
    from dbctl.db.engine import DatabaseSessionManager


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a look found no connection, or lost it.

    `late` tells that there was no answer in time, `permanent` that waiting will not help.
    """

    error: ConnectionFailed
    reason: str
    late: bool = False
    permanent: bool = False


def explain(manager: DatabaseSessionManager, error: Exception, *, waited: float) -> Failure:
    """Say why there is no connection; `waited` is in seconds, over all looks."""
    cause = error.__cause__
    if isinstance(error, ConnectionFailed) and isinstance(cause, CONNECT_ERRORS):
        return Failure(
            connection_failed(cause, manager.dsn, waited=waited),
            explain_connect(cause, manager.dsn).reason,
            late=isinstance(cause, TimeoutError),
            permanent=not is_transient(cause),
        )
    if isinstance(error, ConnectionFailed):
        return Failure(error, error.message)
    if late := isinstance(error, TimeoutError):
        reason, after = "it accepts connections but does not answer", f" (waited {waited:.0f} s)"
        hint = "Look at the server's load and log, and at what stands between it and here."
    else:
        said = without_password(first_line(driver_error(error)), manager.dsn)
        reason, after = f"the connection was lost: {said}", ""
        hint = "Look at the server's log, and at what stands between it and here."
    failed = ConnectionFailed(f"{manager.label}: {reason}{after}", hint=hint)
    return Failure(failed, reason, late=late)
