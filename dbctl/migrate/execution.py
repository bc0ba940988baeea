"""Run revisions through the project's env.py, each in a transaction of its own, and again where
it did not get its lock in time.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from alembic.config import Config
from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData
from sqlalchemy.ext.asyncio import AsyncConnection
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random

from dbctl.db.failures import sqlstate
from dbctl.db.own_tables import VERSION_TABLE
from dbctl.errors import ConfigurationError, ErrorCode, OperationFailed
from dbctl.migrate import ledger
from dbctl.migrate.alembic_environment import Environment
from dbctl.migrate.events import Event, Finished, InvalidIndexes, Retrying, Started
from dbctl.migrate.guards import Terms
from dbctl.migrate.indexes import IndexGuard, InvalidIndex
from dbctl.migrate.lock import DeployerLock
from dbctl.migrate.results import Applied, Blocker, Direction, Revision
from dbctl.migrate.scripts import Checkout, describe
from dbctl.migrate.session import RevisionSession, ask

TAKE_THE_CONNECTION = (
    'Let env.py run on the connection in config.attributes["connection"] when there is one, '
    "as the one that ships with dbctl does, instead of opening its own."
)
# A lock that was not free in time, and one of two sessions that wait for each other.
_NO_LOCK = frozenset({"55P03", "40P01"})
_SCHEMA = "select current_schema()"
# Seconds between two attempts at the most.
_LONGEST_PAUSE = 3.0


class GuardedEnvironment(Environment):
    """Alembic's environment, held to what a guarded run needs whatever env.py asks for."""

    def __init__(
        self, config: Config, scripts: ScriptDirectory, connection: Connection, **options: Any
    ) -> None:
        config.attributes["connection"] = connection
        super().__init__(config, scripts, **options)
        self._connection = connection
        self._schema = ask(connection, _SCHEMA)

    def configure(self, connection: Connection | None = None, *rest: Any, **options: Any) -> None:
        """Configure Alembic as env.py says, with a transaction per revision.

        Raises ConfigurationError or OperationFailed for what would leave a run without its guards.
        """
        if connection is not self._connection:
            raise ConfigurationError(
                "env.py gives Alembic another connection than the one it was handed",
                hint=TAKE_THE_CONNECTION,
            )
        if connection.in_transaction():
            raise OperationFailed(
                "env.py gives Alembic a connection that is in a transaction: whatever the "
                "revisions did would be rolled back, or committed all at once",
                hint="Let it call context.configure before any statement, and leave the "
                "transactions to context.begin_transaction().",
                code=ErrorCode.MIGRATION_FAILED,
            )
        if (
            connection.get_execution_options().get("schema_translate_map")
            or ask(connection, _SCHEMA) != self._schema
        ):
            raise ConfigurationError(
                "env.py runs the revisions in another schema than the one that dbctl looks into",
                hint="Choose it in the connection string instead: ?options=-csearch_path%3DSCHEMA",
            )
        table = options.get("version_table") or VERSION_TABLE
        schema = options.get("version_table_schema")
        if table != VERSION_TABLE or schema is not None:
            raise ConfigurationError(
                f"env.py keeps the version in {f'{schema}.' if schema else ''}{table}, "
                "where dbctl does not look for it",
                hint=f"Leave it out of env.py: the table is {VERSION_TABLE} then.",
            )
        metadata = options.get("target_metadata")
        if isinstance(metadata, MetaData) and not metadata.tables:
            raise ConfigurationError(
                "the metadata that env.py gives Alembic has no table",
                hint="Import every module with models in it before the metadata is used.",
                code=ErrorCode.MODELS_IMPORT,
            )
        super().configure(connection, *rest, **options | {"transaction_per_migration": True})


class Execution:
    """One run over `steps`; it remembers how far it came and what kept it.

    `fingerprints` are those of the files at the time they were loaded, by revision; `pooled` tells
    whether a pooler stands between.
    `done` holds what was committed, `current` the revision that runs, `promised` the version that
    the last COMMIT left.
    """

    def __init__(
        self,
        checkout: Checkout,
        steps: Sequence[RevisionStep],
        fingerprints: Mapping[str, str],
        direction: Direction,
        terms: Terms,
        session: RevisionSession,
        lock: DeployerLock,
        report: Callable[[Event], None],
        *,
        pooled: bool,
    ) -> None:
        self._recorder = ledger.Recorder(pooled=pooled)
        self._checkout = checkout
        self._steps = steps
        self._fingerprints = fingerprints
        self.direction: Direction = direction
        self._terms = terms
        self._lock = lock
        self._report = report
        self.session = session
        self.invalid: tuple[InvalidIndex, ...] = ()
        self.done: list[Applied] = []
        self.promised: frozenset[str] = frozenset()
        self.current: Revision | None = None
        self.blockers: dict[int, Blocker] = {}
        self._attempt = 0
        self._began = self._first_began = 0.0
        self._commits = 0
        self._commits_within: int | None = None
        self._guard: IndexGuard | None = None

    @property
    def has_committed_a_part(self) -> bool:
        """Tell whether the revision that runs has committed something of its own."""
        if self._commits_within is not None:  # what follows is the COMMIT of the revision itself
            return self._commits_within > 0
        return self.session.commits > self._commits

    @property
    def unfinished(self) -> Applied | None:
        """What is known of the revision that did not come to its end."""
        return self._applied(self.current) if self.current else None

    async def perform(self, connection: AsyncConnection) -> None:
        """Run every step on `connection`, which must be in no transaction.

        Raises what Alembic, env.py and the revisions raise. A revision that does not get its lock
        in time is rolled back and run again, for as long as the terms say; never one that has
        committed a part of its work.
        """
        assert connection.sync_connection is not None  # noqa: S101 - it is open
        self.session.attach(connection.sync_connection, self._before_statement)
        pause = min(self._terms.ddl_lock_timeout, _LONGEST_PAUSE)
        async for attempt in AsyncRetrying(
            retry=retry_if_exception(self._can_try_again),
            stop=self._is_over,
            # Long enough for those who had to queue behind it to get through.
            wait=wait_random(pause / 2, pause),
            before_sleep=self._tell_pause,
            reraise=True,
        ):
            with attempt:
                await connection.rollback()
                await connection.run_sync(self._run_env)

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

    def _run_env(self, connection: Connection) -> None:
        target = self._steps[-1].revision.revision
        with GuardedEnvironment(
            self._checkout.config,
            self._checkout.scripts,
            connection,
            fn=self._work,
            destination_rev=target,
        ):
            self._checkout.scripts.run_env()

    def _work(self, _heads: tuple[str, ...], context: MigrationContext) -> Iterator[RevisionStep]:
        """Yield the steps to Alembic, which runs and commits each before it asks for the next."""
        context.on_version_apply_callbacks = (*context.on_version_apply_callbacks, self._recorded)
        for step in self._steps[len(self.done) :]:
            self._lock.check()
            if step is self._steps[-1]:
                assert context.connection is not None  # noqa: S101 - this is no offline run
                self.session.make_durable(context.connection)
            self._begin(step)
            # Alembic calls it in the transaction of the revision. A step is used once.
            fresh = RevisionStep(step.revision_map, step.revision, step.is_upgrade)
            fresh.migration_fn = self._guarded(fresh.migration_fn, context)
            yield fresh
            self._finish()

    def _begin(self, step: RevisionStep) -> None:
        revision = describe(step.revision)
        again = self.current is not None and self.current.revision == revision.revision
        self._began = time.perf_counter()
        self._attempt = self._attempt + 1 if again else 1
        if not again:
            self._first_began = self._began
            self.blockers = {}
        self.current = revision
        self._started_at = datetime.now(UTC)
        self._commits, self._commits_within = self.session.commits, None
        self._guard = IndexGuard(self.invalid, self._tell_dropped)
        self._report(Started(len(self.done) + 1, len(self._steps), revision, self._attempt))

    def _guarded(
        self, function: Callable[..., None], context: MigrationContext
    ) -> Callable[..., None]:
        @functools.wraps(function)
        def guarded(**arguments: object) -> None:
            function(**arguments)
            guard = self._guard
            if guard is not None and (guard.has_built or self.has_committed_a_part):
                assert context.connection is not None  # noqa: S101 - this is no offline run
                guard.verify(context.connection)

        return guarded

    def _before_statement(self, connection: Connection, statement: str) -> None:
        if self._guard is not None:
            self._guard.before_statement(connection, statement)

    def _recorded(self, *, ctx: MigrationContext, heads: Iterable[str], **_facts: object) -> None:
        """Write the ledger in the revision's transaction, and keep where that will leave it."""
        assert self.current is not None  # noqa: S101 - a step is applied
        assert ctx.connection is not None  # noqa: S101 - this is no offline run
        self._recorder.record(
            ctx.connection,
            ledger.Entry(
                revision=self.current.revision,
                direction=self.direction,
                sha256=self._fingerprints[self.current.revision],
                started_at=self._started_at,
                seconds=time.perf_counter() - self._began,
                attempts=self._attempt,
                actor=self._terms.actor,
            ),
        )
        self.promised = frozenset(heads)
        self._commits_within = self.session.commits - self._commits

    def _finish(self) -> None:
        assert self.current is not None  # noqa: S101 - a step was applied
        applied = self._applied(self.current)
        self.done.append(applied)
        self._report(
            Finished(
                len(self.done), len(self._steps), self.current, applied.seconds, applied.attempts
            )
        )
        self.current = None

    def _applied(self, revision: Revision) -> Applied:
        return Applied(
            revision=revision.revision,
            message=revision.message,
            seconds=round(time.perf_counter() - self._began, 3),
            attempts=self._attempt,
            waited=round(self._began - self._first_began, 3),
            blockers=tuple(self.blockers.values()),
        )

    def _can_try_again(self, error: BaseException) -> bool:
        return is_lock_timeout(error) and self.current is not None and not self.has_committed_a_part

    def _is_over(self, _state: RetryCallState) -> bool:
        return time.perf_counter() - self._first_began >= self._terms.retry_for

    def _tell_pause(self, state: RetryCallState) -> None:
        assert self.current is not None  # noqa: S101 - it is a revision that is tried again
        pause = state.next_action.sleep if state.next_action else 0.0
        self._report(Retrying(self.current.revision, self._attempt, pause))

    def _tell_dropped(self, index: InvalidIndex) -> None:
        self._report(InvalidIndexes((index.name,), dropped=True))


def is_lock_timeout(error: BaseException | None) -> bool:
    """Tell whether a statement failed for want of a lock."""
    return sqlstate(error) in _NO_LOCK
