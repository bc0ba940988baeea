"""`dbctl migrate`: which schema is the database at, what is pending; apply it safely."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from dbctl.errors import ExitCode
from dbctl.options import YesOption, command, confirm
from dbctl.output import emit, progress
from dbctl.runtime import on_database

if TYPE_CHECKING:
    from rich.console import RenderableType
    from sqlalchemy.ext.asyncio import AsyncConnection

    from dbctl.db.engine import DatabaseSessionManager
    from dbctl.migrate.apply import Direction, Progress
    from dbctl.migrate.results import Migrated, Revision
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


def _revision(value: str) -> str:
    if not value:
        raise typer.BadParameter("a revision cannot be empty")
    if value.startswith("-") and not value[1:].isdigit():
        raise typer.BadParameter(f"{value} is neither a revision nor an option")
    return value


TargetArgument = Annotated[
    str,
    typer.Argument(
        metavar="REV", callback=_revision, help="A revision, head, or +N for the next N."
    ),
]
DownTargetArgument = Annotated[
    str,
    typer.Argument(
        metavar="REV", callback=_revision, help="A revision, base, or -N for the last N."
    ),
]
StampArgument = Annotated[
    str, typer.Argument(metavar="REV", callback=_revision, help="A revision, head or base.")
]
MessageArgument = Annotated[str, typer.Argument(help="What the revision does, in a few words.")]
SqlOption = Annotated[bool, typer.Option("--sql", help="Print the SQL and run nothing.")]


@command(app, context_settings=RELATIVE)
def up(settings: "Settings", target: TargetArgument = "head", sql: SqlOption = False) -> ExitCode:
    """Upgrade the database, one transaction per revision."""
    from dbctl.migrate import offline, views
    from dbctl.migrate.scripts import open_checkout

    if sql:
        return _read(settings, partial(offline.render, target=target), views.script)
    return _migrate(settings, open_checkout(settings), "up", target)


@command(app, context_settings=RELATIVE)
def down(
    settings: "Settings", target: DownTargetArgument = "-1", yes: YesOption = False
) -> ExitCode:
    """Downgrade the database, by one revision unless told otherwise."""
    from dbctl.migrate import apply, views
    from dbctl.migrate.scripts import open_checkout

    checkout = open_checkout(settings)
    revisions = on_database(
        settings,
        lambda database: apply.plan(database, checkout, "down", target),
        migrations=True,
    )
    if revisions and not yes:
        from dbctl.rendering import console

        console(stderr=True).print(views.plan(revisions))
        confirm(
            "Revert them? What their tables and columns hold is lost.",
            hint="Give --yes to revert them without being asked.",
        )
    return _migrate(settings, checkout, "down", target, planned=revisions)


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
def stamp(settings: "Settings", target: StampArgument) -> ExitCode:
    """Record a version without running anything, for a database whose tables are there already."""
    from dbctl.migrate import apply, views
    from dbctl.migrate.scripts import open_checkout

    checkout = open_checkout(settings)
    apply.refuse_bundled(checkout, settings)
    return emit(
        on_database(
            settings, lambda database: apply.stamp(database, checkout, target), migrations=True
        ),
        views.stamped,
    )


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
    settings: "Settings",
    checkout: "Checkout",
    direction: "Direction",
    target: str,
    *,
    planned: Sequence["Revision"] | None = None,
) -> ExitCode:
    """Run the revisions and tell of each while it runs."""
    from dbctl.migrate import apply, views

    apply.refuse_bundled(checkout, settings)
    with progress() as tell:

        def on_progress(step: "Progress") -> None:
            done = "" if step.seconds is None else f" — {step.seconds:.2f} s"
            place = f"{step.index}/{step.total}"
            tell(f"{direction} {place} {step.revision} {step.message}{done}", bool(done))

        async def run(database: "DatabaseSessionManager") -> "Migrated":
            return await apply.migrate(
                database, checkout, direction, target, on_progress, planned=planned
            )

        result = on_database(settings, run, migrations=True)
    return emit(result, views.migrated)
