"""Where the schema of a database stands: read from the database, compared with the checkout."""

from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.db.engine import DatabaseSessionManager
from dbctl.migrate.results import MigrationStatus, State
from dbctl.migrate.run.learn import learn
from dbctl.migrate.scripts import Checkout, describe
from dbctl.migrate.verify import changed


async def read_status(
    connection: AsyncConnection, checkout: Checkout, database: str
) -> MigrationStatus:
    """Compare the database, which is called `database` in the result, with the checkout.

    Leaves the connection in no transaction.
    """
    current, populated = await checkout.store.read_version(connection)
    heads = checkout.heads
    known = all(checkout.knows(revision) for revision in current)
    pending = checkout.pending(current) if known else []
    fingerprints = await checkout.store.read_fingerprints(connection) if known else {}
    findings = changed(checkout, current, fingerprints) if known else ()
    return MigrationStatus(
        state=_state(
            current,
            heads,
            known=known,
            at_head=not pending and bool(current),
            populated=populated,
            tampered=bool(findings),
        ),
        database=database,
        current=current,
        heads=heads,
        pending=tuple(describe(script) for script in pending),
        tampered=tuple(finding.revision for finding in findings),
        scripts=checkout.scripts.dir,
        searched=checkout.folders,
    )


def _state(
    current: tuple[str, ...],
    heads: tuple[str, ...],
    *,
    known: bool,
    at_head: bool,
    populated: bool,
    tampered: bool,
) -> State:
    if not heads:
        return State.NO_REVISIONS
    if not known:
        return State.AHEAD
    if at_head:
        return State.TAMPERED if tampered else State.CURRENT
    if len(heads) > 1:
        return State.MULTIPLE_HEADS
    if current:
        return State.PENDING
    return State.UNMANAGED if populated else State.EMPTY


async def look(manager: DatabaseSessionManager, checkout: Checkout) -> MigrationStatus:
    """Return the status as a connection of its own sees it."""
    await learn(checkout, manager)
    async with manager.connect() as connection:
        return await read_status(connection, checkout, manager.label)
