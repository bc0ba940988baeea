"""`dbctl migrate`: which schema is the database at, what is pending; apply it safely."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from dbctl.errors import ExitCode
from dbctl.migrate import options
from dbctl.options import YesOption, command, confirm
from dbctl.output import emit, live
from dbctl.runtime import Target, on_database

if TYPE_CHECKING:
    from rich.console import RenderableType
    from sqlalchemy.ext.asyncio import AsyncConnection

    from dbctl.db.engine import DatabaseSessionManager
    from dbctl.migrate.apply import Review
    from dbctl.migrate.events import Event
    from dbctl.migrate.guards import Terms
    from dbctl.migrate.results import Direction
    from dbctl.migrate.scripts import Checkout
    from dbctl.results import Result
    from dbctl.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Which schema is the database at, what is pending; apply it safely.",
)

# `-1` is a revision, not an option; `--yess` is neither.
RELATIVE = {"ignore_unknown_options": True}
MessageArgument = Annotated[str, typer.Argument(help="What the revision does, in a few words.")]


@command(app, context_settings=RELATIVE)
def up(
    settings: "Settings",
    target: options.UpTarget = "head",
    lock_wait: options.LockWait = 60,
    ddl_lock_timeout: options.DdlLockTimeout = 2,
    retry_for: options.RetryFor = 120,
    allow_pooler: options.AllowPooler = False,
    actor: options.Actor = None,
) -> ExitCode:
    """Upgrade the database, one transaction per revision, under the deployer lock."""
    from dbctl.migrate.guards import Terms, refuse_bundled
    from dbctl.migrate.scripts import open_checkout

    checkout = open_checkout(settings)
    refuse_bundled(checkout, settings)
    terms = Terms(
        "up",
        actor=actor or settings.actor,
        lock_wait=lock_wait,
        ddl_lock_timeout=ddl_lock_timeout,
        retry_for=retry_for,
        allow_pooler=allow_pooler,
    )
    return _migrate(Target(settings, migrations=True), checkout, "up", target, terms)


@command(app, context_settings=RELATIVE)
def down(
    settings: "Settings",
    target: options.DownTarget = "-1",
    yes: YesOption = False,
    lock_wait: options.LockWait = 60,
    ddl_lock_timeout: options.DdlLockTimeout = 2,
    retry_for: options.RetryFor = 120,
    allow_pooler: options.AllowPooler = False,
    actor: options.Actor = None,
) -> ExitCode:
    """Downgrade the database, by one revision unless told otherwise."""
    from dbctl.migrate.guards import Terms, refuse_bundled
    from dbctl.migrate.scripts import open_checkout

    checkout = open_checkout(settings)
    refuse_bundled(checkout, settings)
    terms = Terms(
        "down",
        actor=actor or settings.actor,
        lock_wait=lock_wait,
        ddl_lock_timeout=ddl_lock_timeout,
        retry_for=retry_for,
        allow_pooler=allow_pooler,
    )
    return _migrate(Target(settings, migrations=True), checkout, "down", target, terms)


@command(app)
def status(settings: "Settings") -> ExitCode:
    """Compare the version of the database with the checkout's; exit 1 unless they are the same."""
    from dbctl.migrate import views
    from dbctl.migrate.status import read_status

    return _read(settings, read_status, views.status)


@command(app)
def history(settings: "Settings") -> ExitCode:
    """List the revisions, the newest first, and which of them the database has."""
    from dbctl.migrate import views
    from dbctl.migrate.history import read_history

    return _read(settings, read_history, views.history)


@command(app)
def new(settings: "Settings", message: MessageArgument) -> ExitCode:
    """Write an empty revision to fill in by hand; no database is needed."""
    from dbctl.migrate import views
    from dbctl.migrate.history import new_revision
    from dbctl.migrate.scripts import open_checkout

    return emit(new_revision(open_checkout(settings), message), views.new)


@command(app)
def check(settings: "Settings") -> ExitCode:
    """Compare the models with the database; exit 1 where they differ."""
    from dbctl.migrate import drift, views
    from dbctl.migrate.scripts import open_checkout

    checkout = open_checkout(settings)
    return emit(
        on_database(
            settings,
            lambda database: drift.check(database, checkout, settings),
            migrations=True,
        ),
        views.drift,
    )


@command(app)
def stamp(
    settings: "Settings",
    target: options.StampTarget,
    lock_wait: options.LockWait = 60,
    allow_pooler: options.AllowPooler = False,
    actor: options.Actor = None,
) -> ExitCode:
    """Record a version without running anything, for a database whose tables are there already."""
    from dbctl.migrate import record, views
    from dbctl.migrate.guards import Terms, refuse_bundled
    from dbctl.migrate.scripts import open_checkout

    checkout = open_checkout(settings)
    refuse_bundled(checkout, settings)
    terms = Terms(
        "stamp", actor=actor or settings.actor, lock_wait=lock_wait, allow_pooler=allow_pooler
    )
    with _shown("stamp") as report:
        result = on_database(
            settings,
            lambda database: record.stamp(database, checkout, target, terms, report),
            migrations=True,
        )
    return emit(result, views.stamped)


def _read[R: "Result"](
    settings: "Settings",
    operation: Callable[["AsyncConnection", "Checkout", str], Awaitable[R]],
    view: Callable[[R], "RenderableType"],
) -> ExitCode:
    """Print what an operation reads from a connection and compares with the checkout."""
    from dbctl.migrate.scripts import open_checkout

    checkout = open_checkout(settings)

    async def read(database: "DatabaseSessionManager") -> R:
        async with database.connect() as connection:
            return await operation(connection, checkout, database.label)

    return emit(on_database(settings, read, migrations=True), view)


def _migrate(
    database: Target,
    checkout: "Checkout",
    direction: "Direction",
    target: str,
    terms: "Terms",
    *,
    review: "Review | None" = None,
) -> ExitCode:
    """Run the revisions and tell of them while they run."""
    from dbctl.migrate import views
    from dbctl.migrate.apply import migrate

    with _shown(direction) as report:
        result = database.run(
            lambda manager: migrate(
                manager, checkout, direction, target, terms, report, review=review
            )
        )
    return emit(result, views.migrated)


@contextmanager
def _shown(direction: str) -> "Iterator[Callable[[Event], None]]":
    """Yield what shows each event of a run to people while it goes on."""
    from dbctl.migrate import live_views

    board = live_views.Board(direction)
    with live(board) as tell:

        def report(event: "Event") -> None:
            board.see(event)
            line = live_views.line(event, direction)
            if line is not None:
                tell(line, live_views.is_urgent(event))

        yield report
