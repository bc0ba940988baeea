"""Write what the database is said to be at, without running a revision: stamp and repair."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from alembic.runtime.migration import MigrationContext, StampStep

from dbctl.db.engine import DatabaseSessionManager
from dbctl.db.failures import Loss, connection_loss
from dbctl.db.metadata import PROJECT_CODE_ERRORS
from dbctl.errors import ConnectionFailed, ErrorCode, OperationFailed
from dbctl.migrate import verify
from dbctl.migrate.events import Event
from dbctl.migrate.fingerprints import fingerprint
from dbctl.migrate.guards import Terms
from dbctl.migrate.ledger_results import Repaired
from dbctl.migrate.lock import deployer
from dbctl.migrate.preflight import refuse_long_ids
from dbctl.migrate.results import Stamped
from dbctl.migrate.run.databases import Database, databases_to_change, deployers
from dbctl.migrate.run.event_queue import EventQueue
from dbctl.migrate.run.execution import Execution, Job, run_guarded
from dbctl.migrate.scripts import Checkout, named, refusals, stale_rows
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
    events = EventQueue(report)
    with refusals(checkout, target):
        found = checkout.scripts.get_revisions(target)
    wanted = {script.revision for script in found if script}
    loss: Loss | None = None
    lost: BaseException | None = None
    async with databases_to_change(checkout, manager, terms, report) as every:
        for each in every:
            await refuse_long_ids(each, checkout, found)
        before = await _versions(every)
        if any(_differs(each, wanted) for each in before):
            async with deployers(every, terms, report) as locks:
                before = await _versions(every)
                executions = [
                    Execution(checkout, each, Job((), at, {}), "up", terms, lock, events)
                    for each, at, lock in zip(every, before, locks, strict=True)
                ]
                try:
                    await _stamp(checkout, executions, target, wanted, terms)
                except PROJECT_CODE_ERRORS as error:
                    if (loss := connection_loss(error)) is None:
                        raise
                    lost = error
        after = await _versions(every)
    for database, at in zip(every, after, strict=True):
        if _differs(at, wanted) and loss is not None:
            raise ConnectionFailed(
                f"the connection to {database.label} was lost{loss.reason}; it is at {named(at)}",
                hint="Run the command again.",
            ) from lost
        if _differs(at, wanted):
            raise OperationFailed(
                f"the version was recorded, but {database.label} is at {named(at)}",
                hint="env.py must leave the transactions to context.begin_transaction().",
                code=ErrorCode.MIGRATION_FAILED,
            )
    if loss is not None:
        manager.notify(
            f"the connection to {manager.label} was lost{loss.reason}; the version was read again, "
            "and is recorded"
        )
    return Stamped(
        database=", ".join(each.label for each in every), before=before[0], after=after[0]
    )


def _differs(version: Sequence[str], wanted: set[str]) -> bool:
    return sorted(version) != sorted(wanted)


async def _versions(found: Sequence[Database]) -> list[tuple[str, ...]]:
    return [await each.store.current_version(each.manager) for each in found]


async def _stamp(
    checkout: Checkout,
    executions: Sequence[Execution],
    target: str,
    wanted: set[str],
    terms: Terms,
) -> None:
    """Do what `alembic stamp` does, in a run of env.py, and write the ledger with it.

    What the ledger has as applied and the new version does not hold is applied no more.
    """
    applied: dict[Execution, list[str]] = {}
    for execution in executions:
        database = execution.database
        async with database.manager.connect() as connection:
            applied[execution] = list(await database.store.read_applied(connection))

    def work(
        execution: Execution, heads: tuple[str, ...], context: MigrationContext
    ) -> Iterator[StampStep]:
        def record(*, ctx: MigrationContext, heads: Iterable[str], **_facts: object) -> None:
            assert ctx.connection is not None  # noqa: S101 - the run is online
            held = {
                script.revision: Path(script.path) for script in checkout.path((), tuple(heads))
            }
            now = datetime.now(UTC)

            def entry(revision: str, direction: LedgerDirection, path: Path | None) -> Entry:
                sha256 = fingerprint(path) if path else None
                return Entry(revision, direction, sha256, now, actor=terms.actor)

            gone = [name for name in applied[execution] if name not in held]
            execution.database.store.record(
                ctx.connection,
                *(entry(revision, "down", None) for revision in gone),
                *(entry(revision, "stamp", held[revision]) for revision in heads),
            )

        context.on_version_apply_callbacks = (*context.on_version_apply_callbacks, record)
        with refusals(checkout, target):
            yield from checkout.scripts._stamp_revs(target, heads)

    # Alembic takes a version that it knows all of, and has no stale row, as where to start from.
    unknown = not all(
        all(map(checkout.knows, each.before)) and not stale_rows(checkout, each.before)
        for each in executions
    )
    await run_guarded(checkout, executions, work, destination_rev=target, purge=unknown)
    if any(_differs(each, wanted) for each in await _versions([e.database for e in executions])):
        for execution in executions:
            execution.commit_first()
        await run_guarded(checkout, executions, work, destination_rev=target, purge=unknown)


async def repair(
    manager: DatabaseSessionManager,
    checkout: Checkout,
    terms: Terms,
    report: Callable[[Event], None],
) -> Repaired:
    """Accept the revision files as they are now, for every one that the ledger has otherwise.

    Raises what `migrate` raises for a pooler and for a lock that is not free.
    """
    async with databases_to_change(checkout, manager, terms, report):
        async with manager.connect() as connection:
            found = await verify.repairable(connection, checkout)
        if not found:
            return Repaired(database=manager.label, accepted=())
        async with deployer(manager, terms, report), manager.connect() as connection:
            return await verify.repair(
                connection, checkout, manager.label, actor=terms.actor, notify=manager.notify
            )
