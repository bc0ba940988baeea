"""Run revisions through the project's own env.py, each in a transaction of its own, and again where
it did not get its lock in time.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from alembic.runtime.migration import MigrationContext, RevisionStep
from sqlalchemy import Connection, text
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random

from dbctl.db import drivers
from dbctl.db.engine import DatabaseSessionManager
from dbctl.db.failures import sqlstate
from dbctl.db.metadata import PROJECT_CODE_ERRORS
from dbctl.errors import ConfigurationError, ErrorCode, OperationFailed
from dbctl.migrate.events import Finished, InvalidIndexes, Retrying, Started
from dbctl.migrate.guards import Terms
from dbctl.migrate.indexes import IndexGuard, InvalidIndex
from dbctl.migrate.lock import DeployerLock, WorkLock
from dbctl.migrate.results import Applied, Blocker, Direction, Revision
from dbctl.migrate.run.databases import Database
from dbctl.migrate.run.env_thread import run_env
from dbctl.migrate.run.environment import Environment
from dbctl.migrate.run.event_queue import EventQueue
from dbctl.migrate.run.proof import Proof, another_database
from dbctl.migrate.run.record import EnvRecord, Matching, record_of
from dbctl.migrate.run.session import RevisionSession, several_statements
from dbctl.migrate.scripts import Checkout, describe, named
from dbctl.migrate.store import Entry

# A lock that was not free in time, and one of two sessions that wait for each other.
_NO_LOCK = frozenset({"55P03", "40P01"})
# Seconds between two attempts at the most.
_LONGEST_PAUSE = 3.0
# Seconds after which a session that does not heed its cancellation is ended, and after which the
# thread is left behind.
_TERMINATE_AFTER = 1.5
_GIVE_UP_AFTER = 3.0
_SIDE_TIMEOUT = 2.0
_CANCEL = text("select pg_catalog.pg_cancel_backend(cast(:pid as integer))")
_TERMINATE = text("select pg_catalog.pg_terminate_backend(cast(:pid as integer))")

type Work = Callable[[Execution, tuple[str, ...], MigrationContext], Iterator[Any]]


class GuardedEnvironment(Environment):
    """Alembic's environment with dbctl's guards on each connection that env.py gives it.

    `work` yields the steps for one of `executions`. Runs in env.py's thread, while `loop` runs in
    another one.
    """

    def __init__(
        self,
        checkout: Checkout,
        executions: Sequence[Execution],
        work: Work,
        loop: asyncio.AbstractEventLoop,
        **options: Any,
    ) -> None:
        super().__init__(checkout.config, checkout.scripts, fn=self._steps, **options)
        self._executions = executions
        self._work = work
        self._loop = loop
        self._of: dict[int, Execution] = {}
        self._matching = Matching((each.database.record, each) for each in executions)

    def configure(self, connection: Connection | None = None, *rest: Any, **options: Any) -> None:
        """Configure Alembic as env.py says, with a transaction per revision.

        Raises ConfigurationError where the connection leads to another database, or the version
        lives elsewhere, than was found out before anything ran.
        """
        if not isinstance(connection, Connection):  # Alembic says what is wrong with it
            super().configure(connection, *rest, **options)
            return
        record = record_of(connection, options)
        execution = self._execution_for(record, connection)
        others = [each for each in self._executions if each is not execution]
        execution.take(connection, record, others)
        super().configure(connection, *rest, **options | {"transaction_per_migration": True})
        context = self.get_context()
        self._of[id(context)] = execution

    def __exit__(self, *error: Any) -> None:
        """Close what env.py has left open, and let go of Alembic's proxies."""
        super().__exit__(*error)
        for execution in self._executions:
            execution.session.finish()

    def _execution_for(self, record: EnvRecord, connection: Connection) -> Execution:
        for execution in self._matching.candidates(record):
            can_take = execution.lock.can_take if execution.database.pooled else None
            proof = Proof(execution.database.manager, self._loop, can_take=can_take)
            if proof.reaches_ours(connection):
                self._matching.claim(execution)
                return execution
        first = self._executions[0].database
        if any(each.database.record.database == record.database for each in self._executions):
            raise ConfigurationError(
                f"env.py keeps the version in {record.version_label} now, and kept it in "
                f"{first.record.version_label} when it was asked before",
                hint="Let it configure the same version table in every run.",
                code=ErrorCode.MIGRATION_SCRIPTS,
            )
        raise another_database(record, first.label, first.origin)

    def _steps(self, heads: tuple[str, ...], context: MigrationContext) -> Iterator[Any]:
        yield from self._work(self._of[id(context)], heads, context)


@dataclass(frozen=True, slots=True)
class Job:
    """What a run does to one database: the steps, and the version that they start from.

    `fingerprints` are those of the files at the time they were loaded, by revision.
    """

    steps: Sequence[RevisionStep]
    before: tuple[str, ...]
    fingerprints: Mapping[str, str]


class Execution:
    """The part of a run that is about one database; it remembers how far it came and what kept it.

    `began` is when the last attempt of a revision did, by the performance counter.
    `done` holds what was committed, `current` the revision that runs, `promised` the version that
    the last COMMIT left. `atomic` is False where env.py's connection commits each statement.
    `is_outdated` says that the database has moved on between the job and the work. `refusal` is why
    the server is bound to refuse a statement of the job in a transaction, if that is known.
    """

    def __init__(
        self,
        checkout: Checkout,
        database: Database,
        job: Job,
        direction: Direction,
        terms: Terms,
        lock: DeployerLock,
        events: EventQueue,
    ) -> None:
        self.database = database
        self.direction: Direction = direction
        self.session = RevisionSession(terms.ddl_lock_timeout, self._before_statement)
        self.before = job.before
        self.invalid: tuple[InvalidIndex, ...] = ()
        self.done: list[Applied] = []
        self.promised: frozenset[str] = frozenset(job.before)
        self._committed: frozenset[str] = frozenset(job.before)
        self.current: Revision | None = None
        self.blockers: dict[int, Blocker] = {}
        self.atomic = True
        self.lock = lock
        self.error: BaseException | None = None
        self._left_a_part = False
        self._checkout = checkout
        self._job = job
        self._terms = terms
        self._report = events.put  # most of it happens in env.py's thread
        self._work_lock = WorkLock(database.manager, terms, events.put)
        self._attempt = 0
        self.began = self._first_began = 0.0
        self._commits = 0
        self._commits_within: int | None = None
        self._guard: IndexGuard | None = None
        self._spans = False  # env.py's own transaction is round the run
        self._commits_first = False
        self._has_ledger = False
        self._compared: str | None = None
        self.is_outdated = False
        self.refusal: OperationFailed | None = None

    @property
    def is_over(self) -> bool:
        """Whether every step was taken and committed."""
        return len(self.done) == len(self._job.steps)

    def has_taken_all(self, steps: Sequence[Applied]) -> bool:
        """Return whether nothing is to be done any more where `steps` were committed."""
        return len(steps) == len(self._job.steps)

    @property
    def has_begun(self) -> bool:
        """Whether a revision was begun."""
        return bool(self.done) or self.current is not None

    @property
    def has_committed_a_part(self) -> bool:
        """Whether the revision that runs has committed something of its own."""
        if not self.atomic:
            return True
        if self.error is not None:  # env.py may have gone on to another version since
            return self._left_a_part
        if self._commits_within is not None:  # what follows is the COMMIT of the revision itself
            return self._commits_within > 0
        return self.session.commits > self._commits

    @property
    def unfinished(self) -> Applied | None:
        """What is known of the revision that did not come to its end."""
        return self._applied(self.current) if self.current else None

    def take(self, connection: Connection, record: EnvRecord, others: Sequence[Execution]) -> None:
        """Put the guards on the connection that env.py is about to run revisions on.

        It may be that of one of the `others`, where each tenant has a version of its own.
        """
        if self.session.connection is connection:  # env.py configures it a second time
            return
        alone = not any(
            each.session.is_open and each.database.manager is self.database.manager
            for each in (self, *others)
        )
        failure: BaseException | None = None
        for other in others:
            if other.session.connection is connection:
                failure = other.session.failure
            other.session.let_go(connection, self.session)
        self.database = replace(
            self.database, record=record, store=self._checkout.store_for(record)
        )
        self.atomic = not drivers.in_autocommit(connection)
        if connection.in_transaction() and self._commits_first:
            connection.commit()
        self._spans = connection.in_transaction()
        self.session.attach(connection)
        if self._spans:  # what failed before is in the same transaction
            self.session.failure = failure
        if not self.database.pooled:
            if not self._spans:
                self.session.prepare(self._terms.application_name)
            take = functools.partial(self.session.take_work, transaction=self._spans, alone=alone)
            self._work_lock.take(take)
        if self._spans:
            self.database.store.make(connection)
        elif not self._has_ledger:
            self.database.store.ensure(connection)
            self._has_ledger = True

    def commit_first(self) -> None:
        """Have the next run of env.py begin with a COMMIT of what it did before."""
        self._commits_first = True

    def steps(self, heads: tuple[str, ...], context: MigrationContext) -> Iterator[RevisionStep]:
        """Yield the steps to Alembic, which runs and commits each before it asks for the next.

        One alone where env.py's own transaction is round the run: what comes after it would be
        committed with it, or lost with it.
        """
        if set(heads) != self._committed:
            self.is_outdated = True
            raise OperationFailed(
                f"Alembic finds {self.database.label} at {named(heads)}, where dbctl finds it at "
                f"{named(self._committed)}",
                hint="Somebody else may be migrating it with plain Alembic; run it again.",
                code=ErrorCode.MIGRATION_FAILED,
            )
        if self.refusal is not None and self.atomic:
            raise self.refusal
        context.on_version_apply_callbacks = (*context.on_version_apply_callbacks, self._recorded)
        for step in self._job.steps[len(self.done) :]:
            self._check_lock()
            if step is self._job.steps[-1]:
                self.session.make_durable()
            self._begin(step)
            # Alembic calls it in the transaction of the revision. A step is used once.
            fresh = RevisionStep(step.revision_map, step.revision, step.is_upgrade)
            fresh.migration_fn = self._guarded(fresh.migration_fn, context)
            yield fresh
            if self._spans:
                return
            self.finish()

    def _check_lock(self) -> None:
        """Raise OperationFailed where the deployer lock is lost; what has ended env.py's connection
        as well is raised instead.
        """
        try:
            self.lock.check()
        except OperationFailed:
            self.session.prove_alive()
            raise

    def settle(self) -> bool:
        """Note a step that env.py has committed itself; return whether the run can go on.

        Where it has not, the next run of env.py begins with a COMMIT of what it did before it gave
        Alembic the connection: plain Alembic would lose all the work there.
        """
        if self.is_over or self.current is None:
            return False
        if self._commits_within is not None and self.session.commits - self._commits > (
            self._commits_within
        ):
            self.finish()
            return True
        goes_on = self._spans and not self._commits_first
        self.commit_first()
        return goes_on

    async def note_committed(self) -> None:
        """Note a step that env.py has committed before it failed in another database, if it has."""
        if self.current is None or self._commits_within is None or self.error is not None:
            return
        now = await self.database.store.current_version(self.database.manager)
        if set(now) == self.promised:
            self.finish()

    def finish(self) -> None:
        """Note that the revision that ran was committed."""
        assert self.current is not None  # noqa: S101 - a step was applied
        applied = self._applied(self.current)
        self.done.append(applied)
        self._committed = self.promised
        self._report(
            Finished(
                len(self.done),
                len(self._job.steps),
                self.current,
                applied.seconds,
                applied.attempts,
            )
        )
        self.current = None

    def committed(self, after: tuple[str, ...] | None) -> tuple[Applied, ...]:
        """Return the steps that a database now at the revisions `after` has taken.

        Where it could not be asked, those after which Alembic went on to the next.
        """
        if after is None:
            return tuple(self.done)
        # A COMMIT that was sent may have taken effect, whatever came back.
        tried = list(self.done)
        if self.unfinished is not None and self._commits_within is not None:
            tried.append(self.unfinished)
        present = {script.revision for script in self._checkout.path((), after)}
        upward = self.direction == "up"
        return tuple(step for step in tried if (step.revision in present) is upward)

    def can_try_again(self, error: BaseException) -> bool:
        """Return whether the revision that runs failed for want of a lock and left nothing."""
        return is_lock_timeout(error) and self.current is not None and not self.has_committed_a_part

    @property
    def tried_for(self) -> float:
        """The seconds since the first attempt of the revision that runs."""
        return time.perf_counter() - self._first_began if self.current else 0.0

    def report_pause(self, seconds: float) -> None:
        """Report that the revision that runs is tried again after so many seconds."""
        assert self.current is not None  # noqa: S101 - it is a revision that is tried again
        self._report(Retrying(self.current.revision, self._attempt, seconds))

    def _begin(self, step: RevisionStep) -> None:
        revision = describe(step.revision)
        again = self.current is not None and self.current.revision == revision.revision
        self.began = time.perf_counter()
        self._attempt = self._attempt + 1 if again else 1
        self.error = None
        if not again:
            self._first_began = self.began
            self.blockers = {}
        self.current = revision
        self._started_at = datetime.now(UTC)
        self._commits, self._commits_within = self.session.commits, None
        self._guard = IndexGuard(self.invalid, self._report_dropped)
        self._report(Started(len(self.done) + 1, len(self._job.steps), revision, self._attempt))

    def _guarded(
        self, function: Callable[..., None], context: MigrationContext
    ) -> Callable[..., None]:
        @functools.wraps(function)
        def guarded(**arguments: object) -> None:
            assert context.connection is not None  # noqa: S101 - the run is online
            try:
                # Behind a pooler each transaction may have another session.
                self.session.keep_settings(again=self.database.pooled)
                function(**arguments)
                self._compared = self.session.restore_settings()
                guard = self._guard
                if guard is not None and (guard.has_built or self.has_committed_a_part):
                    guard.verify(context.connection)
            except BaseException as error:
                self._left_a_part = self.has_committed_a_part
                self.error = self.session.failure = error  # env.py may keep it to itself
                raise

        return guarded

    def _before_statement(self, connection: Connection, statement: str) -> None:
        if self._guard is not None:
            self._guard.before_statement(connection, statement)

    def _recorded(self, *, ctx: MigrationContext, heads: Iterable[str], **_facts: object) -> None:
        """Write the ledger in the revision's transaction, and keep where that will leave it."""
        assert self.current is not None  # noqa: S101 - a step is applied
        assert ctx.connection is not None  # noqa: S101 - the run is online
        settings = self.database.store.record(
            ctx.connection,
            Entry(
                revision=self.current.revision,
                direction=self.direction,
                sha256=self._job.fingerprints[self.current.revision],
                started_at=self._started_at,
                seconds=time.perf_counter() - self.began,
                attempts=self._attempt,
                actor=self._terms.actor,
            ),
            returning=self._compared,
        )
        if self._compared is not None:
            self.session.restore_from(settings)
        self.promised = frozenset(heads)
        self._commits_within = self.session.commits - self._commits

    def _applied(self, revision: Revision) -> Applied:
        return Applied(
            revision=revision.revision,
            message=revision.message,
            seconds=round(time.perf_counter() - self.began, 3),
            attempts=self._attempt,
            waited=round(self.began - self._first_began, 3),
            blockers=tuple(self.blockers.values()),
        )

    def _report_dropped(self, index: InvalidIndex) -> None:
        self._report(InvalidIndexes((index.name,), dropped=True))


async def perform(checkout: Checkout, executions: Sequence[Execution], terms: Terms) -> None:
    """Run env.py until every step of every database is taken.

    Raises what Alembic, env.py and the revisions raise. A revision that does not get its lock in
    time is rolled back and run again, for as long as the terms say; never one that has committed a
    part of its work. Cancelled, what runs is cancelled on the server.
    """
    pause = min(terms.ddl_lock_timeout, _LONGEST_PAUSE)

    def at_work() -> Execution:
        return at_fault(executions)

    def report_pause(state: RetryCallState) -> None:
        at_work().report_pause(state.next_action.sleep if state.next_action else 0.0)

    while True:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception(lambda error: at_work().can_try_again(error)),
            stop=lambda _state: at_work().tried_for >= terms.retry_for,
            # Long enough for those who had to queue behind it to get through.
            wait=wait_random(pause / 2, pause),
            before_sleep=report_pause,
            reraise=True,
        ):
            with attempt:
                try:
                    await _run_env(checkout, executions)
                except Exception as error:
                    if at_work().can_try_again(error):
                        for each in executions:
                            await each.note_committed()
                    raise
        goes_on = [each.settle() for each in executions]
        if all(each.is_over for each in executions):
            return
        if not any(goes_on):
            raise _stuck(executions)


def at_fault(executions: Sequence[Execution]) -> Execution:
    """Return the part of a run that an error came from: the one that began a revision last."""
    running = [each for each in executions if each.current is not None]
    return max(running, key=lambda each: each.began) if running else executions[0]


def _stuck(executions: Sequence[Execution]) -> BaseException:
    """Describe why env.py has ended without an error and without the work."""
    began = next((each for each in executions if each.current is not None), None)
    what = (
        "env.py ended without committing the revision that it ran"
        if began is not None
        else "env.py ended without running the revisions"
    )
    return OperationFailed(
        what,
        hint="Let it call context.run_migrations(), and leave the transactions to "
        "context.begin_transaction().",
        code=ErrorCode.MIGRATION_FAILED,
    )


async def run_guarded(
    checkout: Checkout, executions: Sequence[Execution], work: Work, **options: Any
) -> None:
    """Run env.py once with the guards, its steps taken from `work`."""
    environment = GuardedEnvironment(
        checkout, executions, work, asyncio.get_running_loop(), **options
    )
    listeners: dict[str, Callable[..., Any]] = {"do_execute": several_statements}
    if any(each.database.pooled for each in executions):
        listeners["do_connect"] = drivers.without_prepared_statements
    await run_env(
        checkout,
        environment,
        listeners=listeners,
        variables=checkout.variables,
        stop=functools.partial(_stop, executions),
    )


async def _run_env(checkout: Checkout, executions: Sequence[Execution]) -> None:
    def work(
        execution: Execution, heads: tuple[str, ...], context: MigrationContext
    ) -> Iterator[RevisionStep]:
        return execution.steps(heads, context)

    target = max((each._job.steps for each in executions), key=len)[-1].revision.revision
    for execution in executions:
        execution.error = None
    try:
        await run_guarded(checkout, executions, work, destination_rev=target)
    except PROJECT_CODE_ERRORS:
        # What env.py makes of the error of a revision says less than that.
        if (failure := _failure(executions)) is not None:
            raise failure  # noqa: B904
        raise
    if (failure := _failure(executions)) is not None:
        raise failure


def _failure(executions: Sequence[Execution]) -> BaseException | None:
    """Return the error of the revision that has failed in the last run of env.py."""
    return at_fault(executions).error


async def _stop(executions: Sequence[Execution], seconds: float) -> bool:
    """Have the server cancel what the run does there, from a side connection.

    Returns False when it has been tried for long enough: the session was ended then.
    """
    for execution in executions:
        execution.session.stopped = True
    for execution in executions:
        connection, pid = execution.session.connection, execution.session.pid
        if connection is None or pid is None:
            continue
        is_first = seconds < _TERMINATE_AFTER
        asked = await _asked(execution.database.manager, _CANCEL if is_first else _TERMINATE, pid)
        if not asked:
            await asyncio.to_thread(drivers.cancel if is_first else drivers.cut_off, connection)
    return seconds < _GIVE_UP_AFTER


async def _asked(manager: DatabaseSessionManager, statement: Any, pid: int) -> bool:
    """Run `statement` on a side connection; return whether the server has done so."""
    with suppress(Exception):
        async with asyncio.timeout(_SIDE_TIMEOUT), manager.connect() as connection:
            return bool(await connection.scalar(statement, {"pid": pid}))
    return False


def is_lock_timeout(error: BaseException | None) -> bool:
    """Return whether a statement failed for want of a lock."""
    return sqlstate(error) in _NO_LOCK
