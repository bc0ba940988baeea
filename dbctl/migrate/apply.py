"""Bring a database to a revision: upgrade, downgrade, stamp; and prove what was committed."""

import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from alembic import command
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, RevisionStep
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from dbctl.db.engine import DatabaseSessionManager
from dbctl.db.failures import statement_failed
from dbctl.errors import (
    ConfigurationError,
    ConnectionFailed,
    DbctlError,
    ErrorCode,
    FindingError,
    OperationFailed,
    RefusedError,
)
from dbctl.migrate.results import Applied, Migrated, Revision, Stamped
from dbctl.migrate.scripts import PROJECT_CODE_ERRORS, Checkout, describe, located, refusals
from dbctl.migrate.status import VERSION_TABLE, read_version
from dbctl.results import ErrorBody
from dbctl.settings import Settings

_CORRECT = "It was rolled back; correct it and run the command again."
_CONNECTION_OF_ENV = "env.py must hand Alembic a connection that is not in a transaction."
_TAKE_THE_CONNECTION = (
    'Let env.py run on the connection in config.attributes["connection"] when there is one, '
    "as the one that ships with dbctl does, instead of opening its own."
)

type Direction = Literal["up", "down"]


@dataclass(frozen=True, slots=True)
class Progress:
    """A revision that is about to run (`seconds` is None) or that was committed."""

    index: int
    total: int
    revision: str
    message: str
    seconds: float | None = None


async def plan(
    manager: DatabaseSessionManager, checkout: Checkout, direction: Direction, target: str
) -> tuple[Revision, ...]:
    """Return the revisions that a run to `target` would upgrade or downgrade, in order.

    Raises UsageError for a target that does not exist or does not lie in that direction, and
    FindingError where the database is at a revision that the checkout does not have.
    """
    current = await _version(manager)
    return tuple(describe(step.revision) for step in _steps(checkout, direction, target, current))


async def migrate(
    manager: DatabaseSessionManager,
    checkout: Checkout,
    direction: Direction,
    target: str,
    on_progress: Callable[[Progress], None],
    *,
    planned: Sequence[Revision] | None = None,
) -> Migrated:
    """Upgrade or downgrade to `target`, one transaction per revision.

    When a revision fails, it is rolled back and those before it stay: the result then carries the
    error beside what was applied; so it does where the database afterwards is not where the run
    left it. Raises what `plan` raises, and OperationFailed where the steps are not those that
    were `planned`.
    """
    before = await _version(manager)
    steps = _steps(checkout, direction, target, before)
    if planned is not None and [s.revision.revision for s in steps] != [
        r.revision for r in planned
    ]:
        raise OperationFailed(
            f"the plan does not hold any more: {manager.label} is at {_named(before)} now",
            hint="Somebody else migrated it meanwhile; run the command again.",
            code=ErrorCode.MIGRATION_FAILED,
        )
    if not steps:
        return Migrated(
            direction=direction,
            database=manager.label,
            before=before,
            after=before,
            applied=(),
        )
    run = _Run(checkout, direction, target, on_progress)
    failure: DbctlError | None = None
    async with manager.connect() as connection:
        try:
            await connection.run_sync(run)
        except PROJECT_CODE_ERRORS as error:
            failure = _failure(run, error)
            failure.__cause__ = error
    try:
        after = await _version(manager)
    except ConnectionFailed as error:
        after, failure = None, failure or error
    if failure is None and after is not None and set(after) != run.promised:
        failure = OperationFailed(
            f"every revision ran, but the database is at {_named(after)} instead of "
            f"{_named(run.promised)}: env.py rolled the work back",
            hint=_CONNECTION_OF_ENV,
            code=ErrorCode.MIGRATION_FAILED,
        )
    return Migrated(
        direction=direction,
        database=manager.label,
        before=before,
        after=after,
        applied=run.committed(after),
        error=ErrorBody.of(failure) if failure else None,
    )


async def _version(manager: DatabaseSessionManager) -> tuple[str, ...]:
    """Return the version as a fresh connection sees it, which has taken no part in any work."""
    async with manager.connect() as connection:
        version, _ = await read_version(connection)
    return version


async def stamp(manager: DatabaseSessionManager, checkout: Checkout, target: str) -> Stamped:
    """Record `target` as the version of the database without running anything.

    Raises UsageError for a target that does not exist.
    """
    before = await _version(manager)
    with refusals(checkout, target):
        found = checkout.scripts.get_revisions(target)

    def record(connection: Connection) -> None:
        checkout.config.attributes["connection"] = connection
        command.stamp(checkout.config, target, purge=not all(map(checkout.knows, before)))

    async with manager.connect() as connection:
        await connection.run_sync(record)
    after = await _version(manager)
    if set(after) != {script.revision for script in found if script}:
        raise OperationFailed(
            f"the version was recorded, but {manager.label} is at {_named(after)}",
            hint=_CONNECTION_OF_ENV,
            code=ErrorCode.MIGRATION_FAILED,
        )
    return Stamped(database=manager.label, before=before, after=after)


def refuse_bundled(checkout: Checkout, settings: Settings) -> None:
    """Raise RefusedError for writing the schema that ships with dbctl to a deployed database.

    A project that has lost sight of its alembic.ini would get tables it has never asked for.
    """
    if checkout.bundled and settings.environment.is_deployed:
        raise RefusedError(
            f"there is no alembic.ini in {settings.project}, and ENVIRONMENT is "
            f"{settings.environment}: the revisions that ship with dbctl are not applied there",
            hint="Run it in the project, or name the configuration with DBCTL_ALEMBIC_CONFIG.",
            code=ErrorCode.PRODUCTION_GUARD,
        )


class _Run:
    """One run of env.py over the steps to a target; it remembers how far it came."""

    def __init__(
        self,
        checkout: Checkout,
        direction: Direction,
        target: str,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._checkout = checkout
        self._direction: Direction = direction
        self._target = target
        self._on_progress = on_progress
        self.applied: list[Applied] = []
        self.promised: frozenset[str] = frozenset()
        self.current: Revision | None = None

    def __call__(self, connection: Connection) -> None:
        """Run env.py, as `alembic upgrade` and `alembic downgrade` do, on `connection`."""
        config = self._checkout.config
        config.attributes["connection"] = connection
        with EnvironmentContext(
            config, self._checkout.scripts, fn=self._work, destination_rev=self._target
        ):
            self._checkout.scripts.run_env()

    def _work(self, heads: tuple[str, ...], context: MigrationContext) -> Iterator[RevisionStep]:
        """Yield the steps to Alembic, which runs and commits each before it asks for the next."""
        table, schema = context.version_table, context.version_table_schema
        if (table, schema) != (VERSION_TABLE, None):
            raise ConfigurationError(
                f"env.py keeps the version in {f'{schema}.' if schema else ''}{table}, "
                "where dbctl does not look for it",
                hint=f"Leave it out of env.py: the table is {VERSION_TABLE} then.",
            )
        steps = _steps(self._checkout, self._direction, self._target, heads)
        context.on_version_apply_callbacks = (*context.on_version_apply_callbacks, self._remember)
        for index, step in enumerate(steps, start=1):
            revision = self.current = describe(step.revision)
            progress = Progress(index, len(steps), revision.revision, revision.message)
            self._on_progress(progress)
            started = time.perf_counter()
            yield step
            seconds = time.perf_counter() - started
            self.applied.append(
                Applied(
                    revision=revision.revision,
                    message=revision.message,
                    seconds=round(seconds, 3),
                )
            )
            self._on_progress(
                Progress(index, len(steps), revision.revision, revision.message, seconds)
            )
        self.current = None

    def committed(self, after: tuple[str, ...] | None) -> tuple[Applied, ...]:
        """Return the steps that a database now at the revisions `after` has taken.

        Where it could not be asked, those after which Alembic went on to the next.
        """
        if after is None:
            return tuple(self.applied)
        present = {script.revision for script in self._checkout.path((), after)}
        upward = self._direction == "up"
        return tuple(step for step in self.applied if (step.revision in present) is upward)

    def _remember(self, *, heads: Iterable[str], **_facts: object) -> None:
        """Keep what Alembic says the database will be at once this step is committed."""
        self.promised = frozenset(heads)


def _steps(
    checkout: Checkout, direction: Direction, target: str, heads: Iterable[str]
) -> Sequence[RevisionStep]:
    """Return Alembic's steps from `heads` to `target`.

    The two private methods are what `alembic.command.upgrade` and `downgrade` are made of; no
    public one takes the heads of a database.
    """
    current = tuple(heads)
    for revision in current:
        if not checkout.knows(revision):
            raise FindingError(
                f"the database is at revision {revision}, which this checkout does not have",
                hint="Check out the code that was deployed there, or `dbctl migrate stamp REV`.",
            )
    with refusals(checkout, target):
        if direction == "up":
            return list(checkout.scripts._upgrade_revs(target, current))  # type: ignore[arg-type]
        return list(checkout.scripts._downgrade_revs(target, current))  # type: ignore[arg-type]


def _failure(run: _Run, error: BaseException) -> DbctlError:
    """Describe why a run ended, and in which revision."""
    for known in (error, error.__cause__):  # Alembic's command line gets a CommandError around it
        if isinstance(known, DbctlError):
            return known
    at = run.current
    where = f"revision {at.revision} ({at.message}) failed" if at else "env.py failed"
    if isinstance(error, DBAPIError):
        cause = statement_failed(error)
        if isinstance(cause, ConnectionFailed):
            return ConnectionFailed(f"{where}: {cause.message}", hint=cause.hint)
        return OperationFailed(
            f"{where}: {cause.message}", hint=cause.hint, code=ErrorCode.MIGRATION_FAILED
        )
    own_loop = at is None and isinstance(error, RuntimeError) and "running event loop" in str(error)
    if own_loop:  # the coroutine that nobody ran is told already
        warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
    return OperationFailed(
        f"{where}: {located(error)}",
        hint=_TAKE_THE_CONNECTION if own_loop else _CORRECT,
        code=ErrorCode.MIGRATION_FAILED,
    )


def _named(revisions: Iterable[str]) -> str:
    return ", ".join(sorted(revisions)) or "base"
