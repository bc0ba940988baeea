"""Bring a database to a revision, up or down, and prove what was committed."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from alembic.runtime.migration import RevisionStep
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl import interruption
from dbctl.db.engine import DatabaseSessionManager
from dbctl.db.metadata import PROJECT_CODE_ERRORS
from dbctl.errors import DbctlError
from dbctl.migrate.deployment import deployer, revision_session
from dbctl.migrate.events import Event, FilesChanged, InvalidIndexes, Unversioned
from dbctl.migrate.execution import Execution
from dbctl.migrate.guards import Terms, refuse_pooler
from dbctl.migrate.indexes import invalid_indexes
from dbctl.migrate.ledger import ensure, fingerprint, read_fingerprints
from dbctl.migrate.outcome import failure_of, read_outcome
from dbctl.migrate.results import Direction, Migrated
from dbctl.migrate.scripts import Checkout, steps
from dbctl.migrate.session import RevisionSession
from dbctl.migrate.verify import changed
from dbctl.migrate.version import current_version, read_version
from dbctl.migrate.watch import watching

type Review = Callable[[Sequence[RevisionStep], tuple[str, ...]], None]


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

    `review` is given the steps and the version they start from, under the lock, and raises where
    they must not be run. When a revision fails, it is rolled back and those before it stay: the
    result then carries the error beside what was applied; so it does after an interruption, and
    where the database afterwards is not where the run left it. Raises UsageError for a target that
    does not exist or does not lie in that direction, FindingError where the database is at a
    revision that the checkout does not have, RefusedError behind a pooler, and OperationFailed,
    code `lock_busy`, where another run goes on for longer than it is waited for.
    """
    async with manager.connect() as connection:
        before, populated = await read_version(connection)
    refuse_pooler(manager, terms)
    todo = steps(checkout, direction, target, before)
    if todo and populated and not before and not checkout.bundled:
        report(Unversioned())
    waited = 0.0
    if todo:
        # Before the wait, in which the files may be replaced: it is the loaded ones that run.
        fingerprints = _fingerprints(todo)
        session = RevisionSession(terms.ddl_lock_timeout)
        async with (
            deployer(manager, terms, report) as lock,
            revision_session(manager, terms, report, session) as connection,
        ):
            waited = round(lock.waited, 3)
            # Only now nobody else is at work any more.
            before = await current_version(manager)
            todo = steps(checkout, direction, target, before)
            if review is not None:
                review(todo, before)
            if todo:
                await ensure(connection)
                fingerprints |= _fingerprints(
                    [step for step in todo if step.revision.revision not in fingerprints]
                )
                execution = Execution(
                    checkout,
                    todo,
                    fingerprints,
                    direction,
                    terms,
                    session,
                    lock,
                    report,
                    pooled=manager.server is None or manager.server.pooled,
                )
                await _look_around(connection, checkout, before, execution, report)
                failure = await _perform(manager, connection, execution, terms, report)
                await connection.close()
                return await read_outcome(manager, execution, before, lock, failure)
    elif review is not None:
        review(todo, before)
    return Migrated(
        direction=direction,
        database=manager.label,
        before=before,
        after=before,
        applied=(),
        lock_waited=waited,
    )


def _fingerprints(todo: Sequence[RevisionStep]) -> dict[str, str]:
    """Return the fingerprint of each revision's file."""
    return {step.revision.revision: fingerprint(Path(step.revision.path)) for step in todo}


async def _look_around(
    connection: AsyncConnection,
    checkout: Checkout,
    before: tuple[str, ...],
    execution: Execution,
    report: Callable[[Event], None],
) -> None:
    """Tell what is not as it should be before anything is run."""
    if findings := changed(checkout, before, await read_fingerprints(connection)):
        report(FilesChanged(tuple(finding.revision for finding in findings)))
    execution.invalid = await connection.run_sync(invalid_indexes)
    await connection.rollback()
    if names := tuple(index.name for index in execution.invalid if not index.busy):
        report(InvalidIndexes(names, dropped=False))


async def _perform(
    manager: DatabaseSessionManager,
    connection: AsyncConnection,
    execution: Execution,
    terms: Terms,
    report: Callable[[Event], None],
) -> DbctlError | None:
    """Run the revisions and return why they did not come to their end."""
    try:
        async with watching(manager, execution, terms.ddl_lock_timeout, report):
            await execution.perform(connection)
    except (asyncio.CancelledError, *PROJECT_CODE_ERRORS) as error:
        # Cancelled in an autocommit_block, Alembic trips over its end.
        if (number := interruption.current().signal) is not None:
            return interruption.interrupted(number, "its outcome is not known yet")
        if isinstance(error, asyncio.CancelledError):
            raise
        failure = failure_of(execution, error)
        failure.__cause__ = error
        return failure
    return None
