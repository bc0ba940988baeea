"""Bring databases to a revision, up or down, and prove what was committed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from dbctl import interruption
from dbctl.db.engine import DatabaseSessionManager
from dbctl.db.failures import connection_loss
from dbctl.db.metadata import PROJECT_CODE_ERRORS
from dbctl.errors import ConnectionFailed, DbctlError, OperationFailed
from dbctl.migrate.events import Event, FilesChanged, InvalidIndexes, Unversioned
from dbctl.migrate.fingerprints import fingerprint
from dbctl.migrate.guards import Terms
from dbctl.migrate.indexes import invalid_indexes
from dbctl.migrate.outcome import failure_of, read_outcome
from dbctl.migrate.preflight import doomed, refuse_long_ids, written_by
from dbctl.migrate.results import Direction, Migrated
from dbctl.migrate.run.databases import Database, databases_to_change, deployers
from dbctl.migrate.run.event_queue import EventQueue
from dbctl.migrate.run.execution import Execution, Job, at_fault, perform
from dbctl.migrate.run.session import RunStopped
from dbctl.migrate.scripts import Checkout, steps
from dbctl.migrate.verify import changed
from dbctl.migrate.watch import watching

type Review = Callable[[Sequence[tuple[Database, Job]]], Awaitable[None]]


async def migrate(
    manager: DatabaseSessionManager,
    checkout: Checkout,
    direction: Direction,
    target: str,
    terms: Terms,
    report: Callable[[Event], None],
    *,
    review: Review | None = None,
) -> Migrated:
    """Upgrade or downgrade to `target`, one transaction per revision, under the deployer lock.

    Every database that env.py configures is brought there, each under its own lock. `review` is
    given what is to be run, under the locks, and raises where that must not be. When a revision
    fails, it is rolled back and those before it stay: the result then carries the error beside what
    was applied; so it does after an interruption, and where a database afterwards is not where the
    run left it. Raises UsageError for a target that does not exist or does not lie in that
    direction, FindingError where a database is at a revision that the checkout does not have,
    RefusedError behind a pooler, and OperationFailed, code `lock_busy`, where another run goes on
    for longer than it is waited for.
    """
    events = EventQueue(report)
    report = events.report
    async with (
        _begun_or_unchanged(manager) as executions,
        databases_to_change(checkout, manager, terms, report) as found,
    ):
        jobs = [await read_job(each, checkout, direction, target) for each in found]
        if not any(job.steps for job in jobs):
            if review is not None:
                await review(list(zip(found, jobs, strict=True)))
            return _together(
                [_unchanged(*each, direction) for each in zip(found, jobs, strict=True)]
            )
        for each, job in zip(found, jobs, strict=True):
            await refuse_long_ids(each, checkout, written_by(job.steps))
        if not checkout.bundled and any([await _is_unversioned(each) for each in found]):
            report(Unversioned())
        # Before the wait, in which the files may be replaced: it is the loaded ones that run.
        fingerprints = {name: sha for job in jobs for name, sha in job.fingerprints.items()}
        async with deployers(found, terms, report) as locks:
            while True:
                # Only now nobody else is at work any more, but for a session left behind.
                jobs = [
                    await read_job(each, checkout, direction, target, fingerprints)
                    for each in found
                ]
                if review is not None:
                    await review(list(zip(found, jobs, strict=True)))
                if not any(job.steps for job in jobs):
                    return _together(
                        [
                            _unchanged(database, job, direction, waited=lock.waited)
                            for database, job, lock in zip(found, jobs, locks, strict=True)
                        ]
                    )
                executions[:] = [
                    Execution(checkout, database, job, direction, terms, lock, events)
                    for database, job, lock in zip(found, jobs, locks, strict=True)
                ]
                at_once = list(zip(found, jobs, strict=True))
                refusals = await doomed(manager, checkout, direction, at_once)
                for execution, refusal in zip(executions, refusals, strict=True):
                    execution.refusal = refusal
                    await _look_around(checkout, execution, report)
                await _make_shared_ledger(executions)
                failure = await _perform(checkout, executions, terms, events)
                if not await _are_outdated(executions):
                    last = at_fault(executions)
                    return _together(
                        [
                            await read_outcome(each, failure, report, is_at_fault=each is last)
                            for each in executions
                        ]
                    )


@asynccontextmanager
async def _begun_or_unchanged(manager: DatabaseSessionManager) -> AsyncIterator[list[Execution]]:
    """Yield where the parts of the run are kept; raises ConnectionFailed for a connection that is
    lost before one of them has begun.
    """
    executions: list[Execution] = []
    try:
        yield executions
    except Exception as error:
        loss = connection_loss(error)
        if loss is None or any(each.has_begun for each in executions):
            raise
        raise ConnectionFailed(
            f"the connection to {manager.label} was lost before a revision was run{loss.reason}",
            hint="Nothing was changed; run the command again.",
        ) from error


async def _make_shared_ledger(executions: Sequence[Execution]) -> None:
    """Make the ledger of a database with several versions before any of them is migrated.

    env.py may have a transaction open for each at once: what one of them makes there the others
    would wait for. Where this role may not, that of env.py is left to do it.
    """
    for each in executions:
        sharing = [one for one in executions if one.database.manager is each.database.manager]
        if len(sharing) > 1 and sharing[0] is each:
            with suppress(OperationFailed):
                async with each.database.manager.connect() as connection:
                    await connection.run_sync(each.database.store.ensure)


async def _are_outdated(executions: Sequence[Execution]) -> bool:
    """Return whether nothing was begun because a database had moved on.

    The session of a run that was killed may go on, and is waited for on env.py's connection.
    """
    if any(each.has_begun for each in executions):
        return False
    for each in executions:
        if each.is_outdated:
            now = await each.database.store.current_version(each.database.manager)
            if set(now) != set(each.before):
                return True
    return False


async def _is_unversioned(database: Database) -> bool:
    """Return whether a database has tables, and no version."""
    async with database.manager.connect() as connection:
        version, populated = await database.store.read_version(connection)
    return populated and not version


async def read_job(
    database: Database,
    checkout: Checkout,
    direction: Direction,
    target: str,
    fingerprints: dict[str, str] | None = None,
) -> Job:
    """Return what is to be done to a database from where it is now."""
    before = await database.store.current_version(database.manager)
    todo = steps(checkout, direction, target, before)
    known = fingerprints or {}
    return Job(
        steps=todo,
        before=before,
        fingerprints={
            step.revision.revision: known.get(step.revision.revision)
            or fingerprint(Path(step.revision.path))
            for step in todo
        },
    )


def _unchanged(
    database: Database, job: Job, direction: Direction, *, waited: float = 0.0
) -> Migrated:
    return Migrated(
        direction=direction,
        database=database.label,
        before=job.before,
        after=job.before,
        applied=(),
        lock_waited=round(waited, 3),
    )


def _together(results: Sequence[Migrated]) -> Migrated:
    """Return one result for all databases: that of the first where there is no other."""
    first = results[0]
    if len(results) == 1:
        return first
    failed = next((each.error for each in results if each.error is not None), None)
    return first.model_copy(
        update={
            "database": ", ".join(each.database for each in results),
            "applied": tuple(step for each in results for step in each.applied),
            "unfinished": next((each.unfinished for each in results if each.unfinished), None),
            "lock_waited": max(each.lock_waited for each in results),
            "invalid_indexes": tuple(name for each in results for name in each.invalid_indexes),
            "atomic": all(each.atomic for each in results),
            "error": failed,
            "databases": tuple(results),
        }
    )


async def _look_around(
    checkout: Checkout, execution: Execution, report: Callable[[Event], None]
) -> None:
    """Report what is not as it should be before anything is run."""
    database = execution.database
    async with database.manager.connect() as connection:
        recorded = await database.store.read_fingerprints(connection)
        if findings := changed(checkout, execution.before, recorded):
            report(FilesChanged(tuple(finding.revision for finding in findings)))
        execution.invalid = await connection.run_sync(invalid_indexes)
    if names := tuple(index.name for index in execution.invalid if not index.busy):
        report(InvalidIndexes(names, dropped=False))


async def _perform(
    checkout: Checkout,
    executions: Sequence[Execution],
    terms: Terms,
    events: EventQueue,
) -> DbctlError | None:
    """Run the revisions and return why they did not come to their end."""
    try:
        async with AsyncExitStack() as stack:
            for execution in executions:
                await stack.enter_async_context(
                    watching(execution, terms.ddl_lock_timeout, events.report)
                )
            await perform(checkout, executions, terms)
    except (asyncio.CancelledError, RunStopped, *PROJECT_CODE_ERRORS) as error:
        if (number := interruption.current().signal) is not None:
            return interruption.interrupted(number, "its outcome is not known yet")
        if isinstance(error, asyncio.CancelledError):
            raise
        at_work = at_fault(executions)
        failure = failure_of(at_work, error, several=len(executions) > 1)
        if failure is not error and failure.__cause__ is None:
            failure.__cause__ = error
        return failure
    finally:
        events.flush()
    return None
