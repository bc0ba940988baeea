"""Migrate from a program or a test: the operations of `dbctl migrate` as methods."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL

from dbctl import redaction
from dbctl.db.endpoints import resolve
from dbctl.db.engine import DatabaseSessionManager, closing
from dbctl.errors import ErrorCode, FindingError, RefusedError, UsageError
from dbctl.migrate import review as reviewing
from dbctl.migrate.apply import migrate
from dbctl.migrate.guards import (
    Terms,
    refuse_bundled,
    refuse_foreign_database,
    refuse_other_name,
    refuse_production,
)
from dbctl.migrate.plan import describe_pending, read_plan
from dbctl.migrate.project_database import find_in_project
from dbctl.migrate.project_models import configured_models
from dbctl.migrate.scripts import Checkout, open_checkout, refuse_no_revisions
from dbctl.migrate.waiting import read_in_time
from dbctl.settings import Settings, load_settings

if TYPE_CHECKING:
    from dbctl.migrate.events import Event
    from dbctl.migrate.plan_results import Plan
    from dbctl.migrate.results import Direction, Migrated, MigrationStatus

logger = logging.getLogger("dbctl.migrate")

# What the options of the commands allow: 0 would be no timeout at all.
_SHORTEST, _LONGEST = 0.001, 86_400.0


class Migrator:
    """The migrations of one project on one database; nothing connects at construction.

    `url` is the database, `database` one of `[tool.dbctl.databases]` by its name; without either it
    is the one that `dbctl migrate` would find in the environment and the project's files. `project`
    is a folder of the project: by default that of `config`, the path of an alembic.ini, else the
    working directory. The other arguments are the settings of those names. The settings are read
    once, here; the revisions and the database at every call.

    `on_event` is called with what happens during a run, one of `dbctl.migrate.events`, and
    `on_notice` with a sentence about what takes its time, which is logged otherwise. Nothing is
    printed and no signal is handled. Raises the subclasses of DbctlError that fit.
    """

    def __init__(
        self,
        url: str | URL | None = None,
        *,
        database: str | None = None,
        project: Path | str | None = None,
        config: Path | str | None = None,
        environment: str | None = None,
        env_file: Path | str | None = None,
        models: str | None = None,
        section: str | None = None,
        x: Sequence[str] = (),
        actor: str | None = None,
        on_event: Callable[[Event], None] | None = None,
        on_notice: Callable[[str], None] | None = None,
    ) -> None:
        if url is not None and database is not None:
            raise UsageError("url and database both name a database", hint="Give one of them.")
        start = Path(project) if project is not None else None
        if config is not None:
            config = ((start or Path.cwd()) / config).absolute()
            start = start or config.parent
        if isinstance(url, URL):
            url = url.render_as_string(hide_password=False)
        flags = {
            "database_url": url,
            "database": database,
            "alembic_config": config,
            "environment": environment,
            "models": models,
            "alembic_name": section,
            "alembic_x": tuple(x),
            "actor": actor,
        }
        file = Path(env_file) if env_file is not None else None
        self._settings = load_settings(flags, start=start, env_file=file)
        self._report = on_event or (lambda _event: None)
        self._notify = on_notice or logger.info

    @property
    def sync(self) -> SyncMigrator:
        """The same methods for code without an event loop."""
        return SyncMigrator(self)

    async def status(self, *, drift: bool = False, wait: float | None = None) -> MigrationStatus:
        """Compare the version of the database with the revisions; see `dbctl migrate status`.

        With `drift` compare it with the models as well. `wait` is for how many seconds another
        deployer is waited for, until the database is at the head.
        """
        async with self._connected(only_read=True) as (manager, checkout):
            models = configured_models(checkout.settings) if drift else None
            return await read_in_time(
                manager,
                checkout,
                drift=drift,
                models=models,
                seconds=wait,
                on_wait=lambda status, _left: self._notify(
                    f"waiting: {status.database} {status.state.sentence}"
                ),
            )

    async def plan(self, target: str = "head", *, direction: Direction = "up") -> Plan:
        """Return the SQL of a run to `target`, and what it locks; see `dbctl migrate plan`."""
        async with self._connected(only_read=True) as (manager, checkout):
            refuse_no_revisions(checkout)
            return await read_plan(manager, checkout, direction=direction, target=target)

    async def up(
        self,
        target: str = "head",
        *,
        to_plan: Plan | str | None = None,
        strict: bool = False,
        lock_wait: float = 60.0,
        ddl_lock_timeout: float = 2.0,
        retry_for: float = 120.0,
        allow_pooler: bool = False,
    ) -> Migrated:
        """Upgrade to `target`, one transaction per revision; see `dbctl migrate up`.

        `to_plan` is the plan, or its hash, that must be the one that is run. Seconds as the options
        of the command. Raises an error whose `result` is what was done, where it ended before its
        end, and with `strict` FindingError whose `result` is the report of the linter.
        """
        terms = self._terms("up", lock_wait, ddl_lock_timeout, retry_for, allow_pooler=allow_pooler)
        agreed = _agreement(to_plan)
        async with self._connected() as (manager, checkout):
            refuse_no_revisions(checkout)
            refuse_bundled(checkout, checkout.settings)
            if checkout.bundled:
                await refuse_foreign_database(manager, checkout)
            if strict:
                await _refuse_findings(manager, checkout, target)
            return await self._run(manager, checkout, "up", target, terms, agreed)

    async def down(
        self,
        target: str,
        *,
        confirm: str,
        to_plan: Plan | str | None = None,
        allow_production: bool = False,
        lock_wait: float = 60.0,
        ddl_lock_timeout: float = 2.0,
        retry_for: float = 120.0,
        allow_pooler: bool = False,
    ) -> Migrated:
        """Downgrade to `target`; see `dbctl migrate down`.

        `confirm` is the name of the database, as the command has it typed: RefusedError is raised
        where another one was reached. The rest is as for `up`.
        """
        terms = self._terms(
            "down", lock_wait, ddl_lock_timeout, retry_for, allow_pooler=allow_pooler
        )
        agreed = _agreement(to_plan)
        async with self._connected() as (manager, checkout):
            refuse_no_revisions(checkout)
            refuse_bundled(checkout, checkout.settings)
            refuse_production(checkout.settings, allowed=allow_production)
            await refuse_other_name(manager, confirm)
            return await self._run(manager, checkout, "down", target, terms, agreed)

    async def _run(
        self,
        manager: DatabaseSessionManager,
        checkout: Checkout,
        direction: Direction,
        target: str,
        terms: Terms,
        agreed: Callable[[Plan], bool] | None,
    ) -> Migrated:
        review = None
        if agreed is not None:
            review = reviewing.agreed(checkout, manager, direction, agreed)
        result = await migrate(
            manager, checkout, direction, target, terms, self._report, review=review
        )
        return result.completed()

    def _terms(
        self,
        command: str,
        lock_wait: float,
        ddl_lock_timeout: float,
        retry_for: float,
        *,
        allow_pooler: bool,
    ) -> Terms:
        if not (lock_wait >= 0 and retry_for >= 0 and _SHORTEST <= ddl_lock_timeout <= _LONGEST):
            raise UsageError(
                f"lock_wait={lock_wait}, ddl_lock_timeout={ddl_lock_timeout}, "
                f"retry_for={retry_for} are seconds: not negative, and ddl_lock_timeout from "
                f"{_SHORTEST} to {_LONGEST:.0f}"
            )
        return Terms(
            command,
            actor=self._settings.actor,
            lock_wait=lock_wait,
            ddl_lock_timeout=ddl_lock_timeout,
            retry_for=retry_for,
            allow_pooler=allow_pooler,
        )

    @asynccontextmanager
    async def _connected(
        self, *, only_read: bool = False
    ) -> AsyncIterator[tuple[DatabaseSessionManager, Checkout]]:
        """Yield what one command has: the revisions as they are now, and a manager of its own."""
        settings = self._settings.anew()
        redaction.remember()  # here and not in a thread: what runs below adds to the same set
        for secret in (settings.database_url, settings.database_url_unpooled):
            if secret is not None:
                redaction.remember_url(secret.get_secret_value())
        manager, checkout = await asyncio.to_thread(self._open, settings)
        async with closing(manager, only_read=only_read):
            yield manager, checkout

    def _open(self, settings: Settings) -> tuple[DatabaseSessionManager, Checkout]:
        """Load the revisions and find the database, which may have to be started first."""
        checkout = open_checkout(settings)
        checkout.config.attributes["on_notice"] = self._notify  # for the env.py that ships

        def find(settings: Settings) -> tuple[str, str] | None:
            return find_in_project(settings, lambda work: asyncio.run(work()), self._notify)

        endpoint = resolve(settings, self._notify, find).migrations
        manager = DatabaseSessionManager.from_settings(
            settings, endpoint, pooling=False, on_wait=self._notify
        )
        return manager, checkout


class SyncMigrator:
    """The methods of a Migrator for code without an event loop; each runs one of its own.

    They raise UsageError where an event loop runs in this thread.
    """

    def __init__(self, migrator: Migrator) -> None:
        self.status = _blocking(migrator.status)
        self.plan = _blocking(migrator.plan)
        self.up = _blocking(migrator.up)
        self.down = _blocking(migrator.down)


def _blocking[**P, T](method: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    @functools.wraps(method)
    def blocking(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(method(*args, **kwargs))
        raise UsageError(
            f"Migrator.sync.{method.__name__} was called while an event loop runs in this thread",
            hint=f"There: `await migrator.{method.__name__}(…)`, or "
            f"`await asyncio.to_thread(migrator.sync.{method.__name__}, …)`.",
        )

    return blocking


def _agreement(to_plan: Plan | str | None) -> Callable[[Plan], bool] | None:
    """Return what knows the plan again; raises RefusedError for one that cannot be run."""
    if to_plan is None:
        return None
    given = to_plan if isinstance(to_plan, str) else to_plan.hash
    if given is None:
        raise RefusedError(
            "the plan has a statement that the server would refuse",
            hint="Its `refused` says why: correct the revision, and plan again.",
            code=ErrorCode.PLAN_CHANGED,
        )
    return lambda plan: plan.matches(given)


async def _refuse_findings(
    manager: DatabaseSessionManager, checkout: Checkout, target: str
) -> None:
    """Raise FindingError where the linter has found something in what an upgrade would run."""
    from dbctl.migrate.lint import lint_pending  # only where it is asked for

    pending = await describe_pending(manager, checkout, target)
    report = await asyncio.to_thread(lint_pending, checkout, pending)
    if not report.passed:
        rules = sorted({finding.rule for finding in report.findings})
        error = FindingError(
            f"the linter found {', '.join(rules)} in what is pending; nothing was run",
            hint="`dbctl migrate lint` shows where, and what to do.",
            code=ErrorCode.MIGRATION_SCRIPTS,
        )
        error.result = report
        raise error
