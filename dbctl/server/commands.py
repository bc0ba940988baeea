"""`dbctl server`: the embedded PostgreSQL that serves when no DATABASE_URL is set."""

from typing import TYPE_CHECKING, Annotated

import typer

from dbctl.errors import ExitCode
from dbctl.options import YesOption, alone, command, confirm
from dbctl.output import emit, notice
from dbctl.server import branch_commands
from dbctl.typer_versions import Group

if TYPE_CHECKING:
    from dbctl.settings import Settings

app = typer.Typer(
    cls=Group,
    add_completion=False,
)


def server(settings: "Settings") -> ExitCode:
    """Manage the embedded PostgreSQL, which serves when no DATABASE_URL is set.

    Without a command, list the clusters of all projects: folder, size and last use.
    """
    from dbctl.server import control, views

    return emit(control.list_servers(settings), views.listing)


app.callback(invoke_without_command=True)(alone(server))


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


@command(app)
def prune(
    settings: "Settings",
    unused_for: Annotated[
        float | None,
        typer.Option(
            min=0, metavar="DAYS", help="Also those not used for so long.", show_default=False
        ),
    ] = None,
    yes: YesOption = False,
) -> ExitCode:
    """Remove the data of embedded servers whose project has moved or is gone."""
    from dbctl.server import control, views

    found = control.find_prunable(settings, unused_for)
    if found.servers and not yes:
        places = ", ".join(str(one.project or one.data_dir) for one in found.servers)
        confirm(
            f"Remove {len(found.servers)} databases with all they hold, of {places}?",
            hint=f"Give --yes to remove them without being asked: {places}.",
        )
    return emit(control.prune(settings, found.servers), views.pruned)


branch_commands.register(app)
