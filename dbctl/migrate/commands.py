"""`dbctl migrate`: which schema is the database at, what is pending; apply it safely."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from dbctl.errors import ExitCode
from dbctl.migrate import options
from dbctl.migrate.severity import Severity
from dbctl.options import YesOption, confirm, confirm_by_name
from dbctl.options import command as shared_command
from dbctl.output import emit, live, notice
from dbctl.runtime import Target, on_database
from dbctl.typer_versions import Group

if TYPE_CHECKING:
    from rich.console import RenderableType
    from sqlalchemy.ext.asyncio import AsyncConnection

    from dbctl.db.engine import DatabaseSessionManager
    from dbctl.migrate.events import Event
    from dbctl.migrate.guards import Terms
    from dbctl.migrate.plan_results import Downgrade, Plan
    from dbctl.migrate.results import Direction, Migrated, MigrationStatus
    from dbctl.migrate.scripts import Checkout
    from dbctl.results import Result
    from dbctl.settings import Settings

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    add_completion=False,
    help="Which schema is the database at, what is pending; apply it safely.",
)

command = partial(shared_command, sets=options.FOR_ENV)

# `-1` is a revision, not an option; `--yess` is neither.
RELATIVE = {"ignore_unknown_options": True}
MessageArgument = Annotated[str, typer.Argument(help="What the revision does, in a few words.")]


@command(app, deadline=True)
def status(
    settings: "Settings", drift: options.WithDrift = False, wait: options.Wait = None
) -> ExitCode:
    """Compare the version of the database with the checkout's; exit 1 unless they are the same."""
    from dbctl.migrate import views, waiting
    from dbctl.migrate.scripts import open_checkout

    checkout = open_checkout(settings)
    models = None
    if drift:
        from dbctl.migrate.project_models import configured_models

        models = configured_models(settings)

    async def see(database: "DatabaseSessionManager") -> "MigrationStatus":
        return await waiting.read_in_time(
            database,
            checkout,
            drift=drift,
            models=models,
            seconds=wait,
            on_wait=lambda status, left: notice(
                f"waiting: {status.database} {status.state.sentence} (up to {left:.0f} s)"
            ),
        )

    return emit(on_database(settings, see, migrations=True), views.status)


@command(app, deadline=True, context_settings=RELATIVE)
def plan(settings: "Settings", target: options.UpTarget = "head") -> ExitCode:
    """Show the exact SQL of an upgrade, what it locks and for how long; run nothing."""
    from dbctl.migrate import plan_views
    from dbctl.migrate.plan import read_plan
    from dbctl.migrate.scripts import open_checkout, refuse_no_revisions

    refuse_no_revisions(checkout := open_checkout(settings))
    found = on_database(
        settings,
        lambda manager: read_plan(manager, checkout, direction="up", target=target),
        migrations=True,
    )
    return emit(found, plan_views.plan)


@command(app)
def lint(
    settings: "Settings",
    since: options.Since = None,
    fail_on: options.FailOn = Severity.WARNING,
) -> ExitCode:
    """Lint the SQL of the revisions; exit 1 on a finding. No database is needed."""
    from dbctl.migrate import lint as linter
    from dbctl.migrate import plan_views
    from dbctl.migrate.offline import render_offline
    from dbctl.migrate.scripts import open_checkout, refuse_no_revisions

    refuse_no_revisions(checkout := open_checkout(settings))
    steps, heads = linter.since(checkout, since)
    report = linter.lint(
        render_offline(checkout, steps, heads), project=settings.project, fail_on=fail_on
    )
    return emit(report, plan_views.lint)


@command(app, deadline=True, context_settings=RELATIVE)
def up(
    settings: "Settings",
    target: options.UpTarget = "head",
    to_plan: options.ToPlan = None,
    strict: options.Strict = False,
    lock_wait: options.LockWait = 60,
    ddl_lock_timeout: options.DdlLockTimeout = 2,
    retry_for: options.RetryFor = 120,
    allow_pooler: options.AllowPooler = False,
    actor: options.Actor = None,
) -> ExitCode:
    """Upgrade the database, one transaction per revision, under the deployer lock."""
    from dbctl.migrate.guards import Terms
    from dbctl.migrate.scripts import open_checkout, refuse_no_revisions

    refuse_no_revisions(checkout := open_checkout(settings))
    database = Target(settings, migrations=True)
    _guard_example(settings, database, checkout)
    if strict and (found := _lint_pending(database, checkout, target)) is not None:
        return found
    terms = Terms(
        "up",
        actor=actor or settings.actor,
        lock_wait=lock_wait,
        ddl_lock_timeout=ddl_lock_timeout,
        retry_for=retry_for,
        allow_pooler=allow_pooler,
    )
    return _migrate(
        database,
        checkout,
        "up",
        target,
        terms,
        agreed=None if to_plan is None else lambda plan: plan.matches(to_plan),
    )


@command(app, deadline=True, context_settings=RELATIVE)
def down(
    settings: "Settings",
    target: options.DownTarget = "-1",
    yes: YesOption = False,
    allow_production: options.AllowProduction = False,
    lock_wait: options.LockWait = 60,
    ddl_lock_timeout: options.DdlLockTimeout = 2,
    retry_for: options.RetryFor = 120,
    allow_pooler: options.AllowPooler = False,
    actor: options.Actor = None,
) -> ExitCode:
    """Downgrade the database, by one revision unless told otherwise; shows what is lost first."""
    from dbctl.migrate.guards import Terms, refuse_bundled, refuse_production
    from dbctl.migrate.scripts import open_checkout, refuse_no_revisions

    refuse_no_revisions(checkout := open_checkout(settings))
    refuse_bundled(checkout, settings)
    refuse_production(settings, allowed=allow_production)
    database = Target(settings, migrations=True)
    terms = Terms(
        "down",
        actor=actor or settings.actor,
        lock_wait=lock_wait,
        ddl_lock_timeout=ddl_lock_timeout,
        retry_for=retry_for,
        allow_pooler=allow_pooler,
    )
    agreed = None if yes else _confirmed_downgrade(database, checkout, target)
    return _migrate(database, checkout, "down", target, terms, agreed=agreed)


@command(app, deadline=True)
def history(settings: "Settings") -> ExitCode:
    """List the revisions, the newest first, and which of them the database has."""
    from dbctl.migrate import views
    from dbctl.migrate.history import read_history

    return _read(settings, read_history, views.history)


@command(app, deadline=True)
def log(settings: "Settings", limit: options.Limit = 20) -> ExitCode:
    """List who ran which revision, when and for how long, the newest first."""
    from dbctl.migrate import ledger_views
    from dbctl.migrate.history import read_log

    return _read(settings, partial(read_log, limit=limit), ledger_views.log)


@command(app, deadline=True)
def verify(settings: "Settings") -> ExitCode:
    """Compare the files of the applied revisions with the ledger; exit 1 where one was changed."""
    from dbctl.migrate import ledger_views
    from dbctl.migrate.verify import verify

    return _read(settings, verify, ledger_views.verification)


@command(app, deadline=True)
def check(settings: "Settings") -> ExitCode:
    """Compare the models with the database; exit 1 where they differ."""
    from dbctl.migrate import drift, views
    from dbctl.migrate.project_models import configured_models
    from dbctl.migrate.scripts import open_checkout

    checkout = open_checkout(settings)
    models = configured_models(settings)
    return emit(
        on_database(
            settings,
            lambda database: drift.check(database, checkout, models),
            migrations=True,
        ),
        views.drift,
    )


@command(app)
def new(settings: "Settings", message: MessageArgument) -> ExitCode:
    """Write an empty revision to fill in by hand; no database is needed."""
    from dbctl.migrate import views
    from dbctl.migrate.history import new_revision
    from dbctl.migrate.scripts import open_checkout

    return emit(new_revision(open_checkout(settings), message), views.new)


@command(app, deadline=True)
def stamp(
    settings: "Settings",
    target: options.StampTarget,
    lock_wait: options.LockWait = 60,
    allow_pooler: options.AllowPooler = False,
    actor: options.Actor = None,
) -> ExitCode:
    """Record a version without running anything, for a database whose tables are there already."""
    from dbctl.migrate import record, views
    from dbctl.migrate.guards import Terms
    from dbctl.migrate.scripts import open_checkout, refuse_no_revisions

    checkout = open_checkout(settings)
    if target != "base":
        refuse_no_revisions(checkout)
    database = Target(settings, migrations=True)
    _guard_example(settings, database, checkout)
    terms = Terms(
        "stamp", actor=actor or settings.actor, lock_wait=lock_wait, allow_pooler=allow_pooler
    )
    with _shown("stamp") as report:
        result = database.run(
            lambda manager: record.stamp(manager, checkout, target, terms, report)
        )
    return emit(result, views.stamped)


@command(app, deadline=True)
def repair(
    settings: "Settings",
    yes: YesOption = False,
    lock_wait: options.LockWait = 60,
    allow_pooler: options.AllowPooler = False,
    actor: options.Actor = None,
) -> ExitCode:
    """Accept the revision files as they are now: changed, gone, or applied without dbctl."""
    from dbctl.migrate import ledger_views, record
    from dbctl.migrate.guards import Terms
    from dbctl.migrate.scripts import open_checkout
    from dbctl.migrate.verify import repairable

    checkout = open_checkout(settings)
    database = Target(settings, migrations=True)
    if not yes and (files := database.run(lambda manager: _with(manager, repairable, checkout))):
        from dbctl.rendering import console

        console(stderr=True).print(ledger_views.to_accept(files))
        confirm("Accept them?", hint="Give --yes to accept them without being asked.")
    terms = Terms(
        "repair", actor=actor or settings.actor, lock_wait=lock_wait, allow_pooler=allow_pooler
    )
    with _shown("repair") as report:
        result = database.run(lambda manager: record.repair(manager, checkout, terms, report))
    return emit(result, ledger_views.repaired)


def _read[R: "Result"](
    settings: "Settings",
    operation: Callable[["AsyncConnection", "Checkout", str], Awaitable[R]],
    view: Callable[[R], "RenderableType"],
) -> ExitCode:
    """Print what an operation reads from a connection and compares with the checkout."""
    from dbctl.migrate.run.learn import learning
    from dbctl.migrate.scripts import open_checkout

    checkout = open_checkout(settings)

    async def read(database: "DatabaseSessionManager") -> R:
        async with learning(checkout, database) as connection:
            return await operation(connection, checkout, database.label)

    return emit(on_database(settings, read, migrations=True), view)


async def _with[T](
    manager: "DatabaseSessionManager",
    operation: "Callable[[AsyncConnection, Checkout], Awaitable[T]]",
    checkout: "Checkout",
) -> T:
    from dbctl.migrate.run.learn import learning

    async with learning(checkout, manager) as connection:
        return await operation(connection, checkout)


def _guard_example(settings: "Settings", database: Target, checkout: "Checkout") -> None:
    """Raise RefusedError where the example would be written beside anything else."""
    from dbctl.migrate.guards import refuse_bundled, refuse_foreign_database

    refuse_bundled(checkout, settings)
    if checkout.bundled:
        database.run(lambda manager: refuse_foreign_database(manager, checkout), only_read=True)


def _lint_pending(database: Target, checkout: "Checkout", target: str) -> ExitCode | None:
    """Lint what an upgrade would run; print the report and return its code where it fails."""
    from dbctl.migrate import lint as linter
    from dbctl.migrate import plan_views
    from dbctl.migrate.plan import describe_pending

    pending = database.run(
        lambda manager: describe_pending(manager, checkout, target), only_read=True
    )
    report = linter.lint_pending(checkout, pending)
    if not report.passed:
        return emit(report, plan_views.lint)
    for skipped in report.skipped:
        notice(f"{skipped.revision} was not linted: {skipped.reason}")
    return None


def _confirmed_downgrade(
    database: Target, checkout: "Checkout", target: str
) -> "Callable[[Plan], bool]":
    """Show what a downgrade runs and loses, ask for it, and return what knows it again."""
    from dbctl.migrate import plan_views, review
    from dbctl.rendering import console, visible

    async def read(manager: "DatabaseSessionManager") -> "Downgrade":
        return await review.read_downgrade(manager, checkout, target=target)

    found = database.run(read, only_read=True)
    if found.plan.revisions:
        console(stderr=True).print(plan_views.downgrade(found))
        confirm_by_name(
            found.name,
            f"Type the name of the database, {visible(found.name)}, to revert them",
            hint="Give --yes to revert them without being asked.",
        )
    return lambda plan: plan.hash == found.plan.hash


def _migrate(
    database: Target,
    checkout: "Checkout",
    direction: "Direction",
    target: str,
    terms: "Terms",
    *,
    agreed: "Callable[[Plan], bool] | None" = None,
) -> ExitCode:
    """Run the revisions, where their plan is `agreed`, and tell of them while they run."""
    from dbctl.migrate import views
    from dbctl.migrate.apply import migrate

    async def run(manager: "DatabaseSessionManager") -> "Migrated":
        review = None
        if agreed is not None:
            from dbctl.migrate import review as reviewing

            review = reviewing.agreed(checkout, manager, direction, agreed)
        return await migrate(manager, checkout, direction, target, terms, report, review=review)

    with _shown(direction) as report:
        result = database.run(run)
    return emit(result, views.migrated)


@contextmanager
def _shown(direction: str) -> "Iterator[Callable[[Event], None]]":
    """Yield what shows each event of a run to people while it goes on."""
    from dbctl.migrate import live_views

    board = live_views.Board(direction)
    told: set[object] = {None}
    with live(board) as tell:

        def report(event: "Event") -> None:
            board.see(event)
            line, stage = live_views.line(event, direction), live_views.stage(event)
            if line is not None and (stage is None or stage not in told):
                told.add(stage)
                tell(line, live_views.is_urgent(event))

        yield report
