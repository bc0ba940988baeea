"""Compare the files of the applied revisions with those that were applied; accept what differs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from alembic.script import Script
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.db.commits import commit
from dbctl.errors import ErrorCode, FindingError
from dbctl.migrate.fingerprints import fingerprint, is_same
from dbctl.migrate.ledger_results import (
    FileFinding,
    FileState,
    Repaired,
    Verification,
    VerifiedFile,
)
from dbctl.migrate.scripts import Checkout, parents
from dbctl.migrate.store import Entry, Recorded
from dbctl.results import ErrorBody

# More revisions than these are counted in a message, not named.
_NAMED = 5
_TAMPERED = frozenset({FileState.CHANGED, FileState.GONE})


def changed(
    checkout: Checkout, current: Sequence[str], fingerprints: Mapping[str, str | None]
) -> tuple[FileFinding, ...]:
    """Return the applied revisions whose file is not the recorded one, or is gone.

    `current` are the revisions that the database is at. What was applied without dbctl has no
    fingerprint and is none of them.
    """
    return tuple(
        file for file in _compare(checkout, current, fingerprints) if file.state in _TAMPERED
    )


def tampered(findings: Sequence[FileFinding], database: str) -> FindingError:
    """Describe what `changed` found, for the user."""
    parts = [
        f"the {'file' if len(names) == 1 else 'files'} of {_named(names)} "
        f"{'was' if len(names) == 1 else 'were'} {what}"
        for state, what in ((FileState.CHANGED, "changed"), (FileState.GONE, "removed"))
        if (names := [file.revision for file in findings if file.state is state])
    ]
    return FindingError(
        f"{' and '.join(parts)} after being applied to {database}",
        hint="Check out what was applied (`git log -- FILE`; an older checkout lacks files), "
        "or accept it: `dbctl migrate repair`.",
        code=ErrorCode.TAMPERED,
    )


async def verify(connection: AsyncConnection, checkout: Checkout, database: str) -> Verification:
    """Compare the file of every applied revision with the ledger.

    The result carries an error, code `tampered`, where one was changed or removed. Leaves the
    connection in no transaction.
    """
    files, recorded = await _read(connection, checkout)
    findings = [file for file in files if file.state in _TAMPERED]
    return Verification(
        database=database,
        revisions=tuple(_verified(file, recorded.get(file.revision)) for file in files),
        error=ErrorBody.of(tampered(findings, database)) if findings else None,
    )


async def repairable(connection: AsyncConnection, checkout: Checkout) -> tuple[FileFinding, ...]:
    """Return what `repair` would accept; leaves the connection in no transaction."""
    files, _ = await _read(connection, checkout)
    return tuple(file for file in files if file.state is not FileState.OK)


async def repair(
    connection: AsyncConnection,
    checkout: Checkout,
    database: str,
    *,
    actor: str | None,
    notify: Callable[[str], None] = lambda _notice: None,
) -> Repaired:
    """Record the files as they are: changed, gone, or of revisions applied without dbctl.

    All of them in one transaction, which is committed; the caller holds the deployer lock.
    """
    accepted = await repairable(connection, checkout)
    if accepted:
        now = datetime.now(UTC)
        entries = [
            Entry(
                revision=file.revision,
                direction="repair",
                sha256=file.present,
                started_at=now,
                actor=actor,
            )
            for file in accepted
        ]
        await connection.run_sync(checkout.store.ensure)
        await connection.run_sync(checkout.store.record, *entries)
        await commit(connection, database, notify, what="the repair", look="`dbctl migrate verify`")
    return Repaired(database=database, accepted=accepted)


async def _read(
    connection: AsyncConnection, checkout: Checkout
) -> tuple[list[FileFinding], Mapping[str, Recorded]]:
    current, _ = await checkout.store.read_version(connection)
    recorded = await checkout.store.read_applied(connection)
    fingerprints = {revision: row.sha256 for revision, row in recorded.items()}
    return list(_compare(checkout, current, fingerprints)), recorded


def _compare(
    checkout: Checkout, current: Sequence[str], fingerprints: Mapping[str, str | None]
) -> Iterator[FileFinding]:
    """Yield every applied revision as its file is, in order; those without a file come last."""
    for script in _applied(checkout, current, fingerprints):
        path = Path(script.path)
        recorded = fingerprints.get(script.revision)
        present = fingerprint(path)
        if recorded is None:
            state = FileState.UNRECORDED
        elif present == recorded or is_same(path, recorded):
            state = FileState.OK
        else:
            state = FileState.CHANGED
        yield FileFinding(
            revision=script.revision,
            message=script.doc or "",
            state=state,
            path=script.path,
            recorded=recorded,
            present=present,
        )
    for revision, recorded in fingerprints.items():
        if recorded is not None and not checkout.knows(revision):
            yield FileFinding(
                revision=revision,
                message="",
                state=FileState.GONE,
                path=None,
                recorded=recorded,
                present=None,
            )


def _applied(
    checkout: Checkout, current: Sequence[str], fingerprints: Mapping[str, str | None]
) -> list[Script]:
    """Return the revisions of the checkout that the database has, in order.

    The version tells, whoever moved it. Only where it is a revision without a file, so that
    nobody knows what comes before it, the ledger does.
    """
    known = tuple(filter(checkout.knows, current))
    applied = checkout.path((), checkout.standing(known)) if known else []
    if len(known) == len(current):
        return applied
    names = {script.revision for script in applied} | fingerprints.keys()
    everything = checkout.path((), checkout.heads) if checkout.heads else []
    for script in reversed(everything):
        if script.revision in names:
            names.update(parents(script))
    return [script for script in everything if script.revision in names]


def _verified(file: FileFinding, row: Recorded | None) -> VerifiedFile:
    return VerifiedFile(
        **file.model_dump(),
        recorded_at=row.started_at if row else None,
        role=row.role if row else None,
        host=row.host if row else None,
        actor=row.actor if row else None,
    )


def _named(revisions: Sequence[str]) -> str:
    named = ", ".join(revisions[:_NAMED])
    more = len(revisions) - _NAMED
    return f"{named} and {more} more" if more > 0 else named
