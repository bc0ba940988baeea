"""Where the schema of a database stands: read from the database, compared with the checkout."""

import asyncio
from collections.abc import Sequence
from contextlib import nullcontext

from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.db.engine import DatabaseSessionManager
from dbctl.db.round_trip import Reader, reader_on
from dbctl.migrate.results import MigrationStatus, State
from dbctl.migrate.run.databases import databases
from dbctl.migrate.run.learn import learning
from dbctl.migrate.scripts import Checkout, correction, describe, stale_rows
from dbctl.migrate.store import VersionStore
from dbctl.migrate.verify import changed

# The most urgent state of several databases is that of all.
_URGENCY = (
    State.NO_REVISIONS,
    State.AHEAD,
    State.STALE,
    State.MULTIPLE_HEADS,
    State.UNMANAGED,
    State.PENDING,
    State.EMPTY,
    State.TAMPERED,
    State.DRIFTED,
    State.CURRENT,
)


async def read_status(
    connection: AsyncConnection | Reader,
    checkout: Checkout,
    database: str,
    store: VersionStore | None = None,
) -> MigrationStatus:
    """Compare the database, which is called `database` in the result, with the checkout.

    `store` is where it keeps its version, that of the checkout by default.
    """
    store = store or checkout.store
    reader = await reader_on(connection)
    version, fingerprints = await asyncio.gather(
        store.read_version(reader),
        store.read_fingerprints(reader),
        return_exceptions=True,  # once both have ended, so that nothing is read any more
    )
    if isinstance(version, BaseException):
        raise version
    if isinstance(fingerprints, BaseException):
        raise fingerprints
    current, populated = version
    heads = checkout.heads
    known = all(checkout.knows(revision) for revision in current)
    stale = stale_rows(checkout, current) if known and current else ()
    standing = checkout.standing(current) if stale else current
    pending = checkout.pending(standing) if known else []
    findings = changed(checkout, standing, fingerprints) if known else ()
    return MigrationStatus(
        state=_state(
            current,
            heads,
            known=known,
            stale=bool(stale),
            at_head=not pending and bool(current),
            populated=populated,
            tampered=bool(findings),
        ),
        database=database,
        current=current,
        heads=heads,
        pending=tuple(describe(script) for script in pending),
        stale=stale,
        correction=correction(checkout, current) if stale else None,
        tampered=tuple(finding.revision for finding in findings),
        scripts=checkout.scripts.dir,
        searched=checkout.folders,
    )


def _state(
    current: tuple[str, ...],
    heads: tuple[str, ...],
    *,
    known: bool,
    stale: bool,
    at_head: bool,
    populated: bool,
    tampered: bool,
) -> State:
    if not heads:
        return State.NO_REVISIONS
    if not known:
        return State.AHEAD
    if stale:
        return State.STALE
    if at_head:
        return State.TAMPERED if tampered else State.CURRENT
    if len(heads) > 1:
        return State.MULTIPLE_HEADS
    if current:
        return State.PENDING
    return State.UNMANAGED if populated else State.EMPTY


async def look(manager: DatabaseSessionManager, checkout: Checkout) -> MigrationStatus:
    """Return the status as a connection of its own sees it, of every database of env.py."""
    results = []
    async with learning(checkout, manager) as ours, databases(checkout, manager) as found:
        for each in found:
            async with (
                nullcontext(ours) if each.manager is manager else each.manager.connect() as own
            ):
                results.append(await read_status(own, checkout, each.label, each.store))
    return together(results)


def together(results: Sequence[MigrationStatus]) -> MigrationStatus:
    """Return one status for all databases: that of the first where there is no other."""
    worst = min(results, key=lambda each: _URGENCY.index(each.state))
    if len(results) == 1:
        return worst
    return worst.model_copy(
        update={
            "database": ", ".join(each.database for each in results),
            "differences": tuple(one for each in results for one in each.differences),
            "databases": tuple(results),
        }
    )
