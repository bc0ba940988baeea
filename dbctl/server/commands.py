"""`dbctl server`: the embedded PostgreSQL that serves when no DATABASE_URL is set."""

from typing import TYPE_CHECKING

import typer

from dbctl.errors import ExitCode
from dbctl.options import YesOption, command, confirm
from dbctl.output import emit, notice
from dbctl.typer_versions import Group

if TYPE_CHECKING:
    from dbctl.settings import Settings

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    add_completion=False,
    help="The embedded PostgreSQL that serves when no DATABASE_URL is set.",
)


@command(app)
def start(settings: "Settings") -> ExitCode:
    """Start it, creating its cluster first where there is none."""
    from dbctl.server import control, views

    if settings.database_url or settings.database_url_unpooled:
        notice("DATABASE_URL is set: the other commands use that, not this server.")
    return emit(control.start(settings, notice), views.server)


@command(app)
def stop(settings: "Settings") -> ExitCode:
    """Shut it down; its data stays."""
    from dbctl.server import control, views

    return emit(control.stop(settings), views.change)


@command(app)
def status(settings: "Settings") -> ExitCode:
    """Tell whether it runs, and where its data, logs and binaries are."""
    from dbctl.server import control, views

    return emit(control.status(settings), views.server)


@command(app)
def url(settings: "Settings") -> ExitCode:
    """Print its connection string, for psql "$(dbctl server url)"."""
    from dbctl.server import control, views

    return emit(control.url(settings, notice), views.url)


@command(app)
def destroy(settings: "Settings", yes: YesOption = False) -> ExitCode:
    """Shut it down and remove its data."""
    from dbctl.server import control, views

    if not yes:
        confirm(
            f"Remove the database of {settings.project} with all it holds?",
            hint="Give --yes to remove it without being asked.",
        )
    return emit(control.destroy(settings), views.change)
