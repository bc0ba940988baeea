"""`dbctl init`: start a project, or adopt the one that is there."""

from typing import TYPE_CHECKING, Annotated

import typer

from dbctl import runtime
from dbctl.errors import ExitCode
from dbctl.options import command
from dbctl.output import emit

if TYPE_CHECKING:
    from dbctl.settings import Settings

app = typer.Typer(add_completion=False)


@command(app)
def init(
    settings: "Settings",
    example: Annotated[
        bool,
        typer.Option("--example", help="With a task application: models, a revision, a seed set."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be written, and write nothing.")
    ] = False,
) -> ExitCode:
    """Start a project in this folder, or adopt the one that is here.

    Shows what the project has, writes what is missing, and replaces no file. Connects nowhere, but
    where only env.py names the database, env.py is run.
    """
    from dbctl.init import views
    from dbctl.init.operation import init as write

    result = write(settings, runtime.find_in_project, example=example, dry_run=dry_run)
    return emit(result, views.init)
