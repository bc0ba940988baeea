"""Check that the schema of the database is the one that the code expects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbctl.db.names import listed
from dbctl.errors import ConfigurationError
from dbctl.health.access import read_state
from dbctl.health.check import Check
from dbctl.health.results import Finding, Status

if TYPE_CHECKING:
    from dbctl.health.check import Context
    from dbctl.health.reader import LookReader
    from dbctl.migrate.results import MigrationStatus

NAME = "migrations"


async def _run(reader: LookReader, context: Context) -> Finding:
    """Compare the schema of the database with the revisions of the checkout.

    The code fails on a database that lacks what it expects: pending, empty and unversioned ones
    fail, pending and empty ones only warn where that is allowed, for a look before the deploy
    migrates. Not one revision fails, and so does an env.py that fails: nothing is known of the
    schema then. A database ahead of the checkout warns: in a rolling deploy the old code sees just
    that, and a probe that failed on it would take down every instance that still serves.
    """
    from dbctl.migrate.results import State

    if error := context.loaded.unconfigured:
        return Finding(
            status=Status.UNKNOWN, summary=f"not checked: {error.message}", remedy=error.hint
        )
    if error := context.loaded.checkout_error:
        return Finding(status=Status.FAIL, summary=error.message, remedy=error.hint, permanent=True)
    try:
        found = await read_state(reader, context)
    except ConfigurationError as error:  # of env.py, which may depend on more than its text
        return Finding(status=Status.FAIL, summary=error.message, remedy=error.hint)
    status, summary, remedy = _verdict(found)
    if context.allow_pending and found.state in (State.PENDING, State.EMPTY):
        status = Status.WARN
    return Finding(
        status=status,
        summary=summary,
        value=found.state.value,
        evidence=[{"revision": one.revision, "message": one.message} for one in found.pending],
        observed={
            "state": found.state.value,
            "current": found.current,
            "head": found.heads,
            "pending": tuple(step.revision for step in found.pending),
        },
        remedy=remedy,
        permanent=found.state
        in (State.UNMANAGED, State.STALE, State.MULTIPLE_HEADS, State.NO_REVISIONS),
    )


def _verdict(found: MigrationStatus) -> tuple[Status, str, str | None]:
    from dbctl.migrate.results import State

    current = ", ".join(found.current)
    waiting = f"{len(found.pending)} revision{'' if len(found.pending) == 1 else 's'} pending"
    match found.state:
        case State.CURRENT:
            return Status.PASS, f"at the head, {current}", None
        case State.PENDING:
            return Status.FAIL, f"{waiting} after {current}", "dbctl migrate up"
        case State.EMPTY:
            return Status.FAIL, f"the database is empty, {waiting}", "dbctl migrate up"
        case State.UNMANAGED:
            return (
                Status.FAIL,
                "the database has tables but no version",
                "dbctl migrate stamp REV, where REV is the revision its tables are at",
            )
        case State.AHEAD:
            return (
                Status.WARN,
                f"the database is at {current}, which this checkout does not have",
                "nothing while a newer version is being deployed; else check out its code",
            )
        case State.STALE:
            rows = f"the version table has {current}, of which {', '.join(found.stale)} is stale"
            return Status.FAIL, rows, found.hint
        case State.TAMPERED:
            files = f"at the head, but the files of {', '.join(found.tampered)} were changed"
            return Status.WARN, files, found.hint
        case State.DRIFTED:
            return Status.FAIL, f"at the head, {current}, but not as the models say", found.hint
        case State.MULTIPLE_HEADS:
            heads = f"the revisions have {len(found.heads)} heads"
            return Status.FAIL, heads, "alembic merge heads"
        case State.NO_REVISIONS:
            searched = f"no revisions were found in {listed(found.searched)}"
            return Status.FAIL, searched, found.hint


CHECK = Check(
    name=NAME,
    run=_run,
    measurement="state",
    essential=True,
)
