"""Write what the database is said to be at, without running a revision: stamp and repair."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from alembic.runtime.migration import MigrationContext, StampStep
from sqlalchemy import Connection

from dbctl.db.engine import DatabaseSessionManager
from dbctl.errors import ErrorCode, OperationFailed
from dbctl.migrate import verify
from dbctl.migrate.deployment import deployer, revision_session
from dbctl.migrate.events import Event
from dbctl.migrate.execution import GuardedEnvironment
from dbctl.migrate.fingerprints import fingerprint
from dbctl.migrate.guards import Terms, refuse_pooler
from dbctl.migrate.ledger_results import Repaired
from dbctl.migrate.results import Stamped
from dbctl.migrate.scripts import Checkout, named, refusals
from dbctl.migrate.store import Entry, LedgerDirection


async def stamp(
    manager: DatabaseSessionManager,
    checkout: Checkout,
    target: str,
    terms: Terms,
    report: Callable[[Event], None],
) -> Stamped:
    """Record `target` as the version of the database without running anything.

    Raises UsageError for a target that does not exist, and what `migrate` raises for a pooler and
    for a lock that is not free.
    """
    with refusals(checkout, target):
        found = checkout.scripts.get_revisions(target)
    wanted = {script.revision for script in found if script}
    before = await checkout.store.current_version(manager)
    refuse_pooler(manager, terms)
    if set(before) == wanted:
        return Stamped(database=manager.label, before=before, after=before)
    async with deployer(manager, terms, report):
        async with revision_session(manager, terms, report) as connection:
            before = await checkout.store.current_version(manager)
            await connection.run_sync(checkout.store.ensure)
            applied = await checkout.store.read_applied(connection)
            await connection.run_sync(_stamp, checkout, target, before, terms, applied)
        after = await checkout.store.current_version(manager)
    if set(after) != wanted:
        raise OperationFailed(
            f"the version was recorded, but {manager.label} is at {named(after)}",
            hint="env.py must leave the transactions to context.begin_transaction().",
            code=ErrorCode.MIGRATION_FAILED,
        )
    return Stamped(database=manager.label, before=before, after=after)


def _stamp(
    connection: Connection,
    checkout: Checkout,
    target: str,
    before: tuple[str, ...],
    terms: Terms,
    applied: Iterable[str],
) -> None:
    """Do what `alembic stamp` does, on `connection`, and write the ledger with it.

    What the ledger has as `applied` and the new version does not hold is applied no more.
    """

    def work(heads: tuple[str, ...], context: MigrationContext) -> Iterable[StampStep]:
        context.on_version_apply_callbacks = (*context.on_version_apply_callbacks, record)
        with refusals(checkout, target):
            return list(checkout.scripts._stamp_revs(target, heads))

    def record(*, ctx: MigrationContext, heads: Iterable[str], **_facts: object) -> None:
        assert ctx.connection is not None  # noqa: S101 - this is no offline run
        held = {script.revision: Path(script.path) for script in checkout.path((), tuple(heads))}
        now = datetime.now(UTC)

        def entry(revision: str, direction: LedgerDirection, path: Path | None) -> Entry:
            sha256 = fingerprint(path) if path else None
            return Entry(revision, direction, sha256, now, actor=terms.actor)

        checkout.store.record(
            ctx.connection,
            *(entry(revision, "down", None) for revision in applied if revision not in held),
            *(entry(revision, "stamp", held[revision]) for revision in heads),
        )

    unknown = not all(map(checkout.knows, before))
    with GuardedEnvironment(
        checkout.config,
        checkout.scripts,
        connection,
        fn=work,
        destination_rev=target,
        purge=unknown,
    ):
        checkout.scripts.run_env()


async def repair(
    manager: DatabaseSessionManager,
    checkout: Checkout,
    terms: Terms,
    report: Callable[[Event], None],
) -> Repaired:
    """Accept the revision files as they are now, for every one that the ledger has otherwise.

    Raises what `migrate` raises for a pooler and for a lock that is not free.
    """
    async with manager.connect() as connection:
        found = await verify.repairable(connection, checkout)
    refuse_pooler(manager, terms)
    if not found:
        return Repaired(database=manager.label, accepted=())
    async with (
        deployer(manager, terms, report),
        revision_session(manager, terms, report) as connection,
    ):
        return await verify.repair(connection, checkout, manager.label, actor=terms.actor)
