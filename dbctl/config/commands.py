"""`dbctl config`: the settings that hold here, and where each comes from."""

from typing import TYPE_CHECKING

import typer

from dbctl.errors import ExitCode
from dbctl.options import command
from dbctl.output import emit

if TYPE_CHECKING:
    from dbctl.settings import Settings

app = typer.Typer(add_completion=False)


@command(app)
def config(settings: "Settings") -> ExitCode:
    """Show each setting with its source, and where reads and migrations go.

    Connects nowhere, but where only env.py names the database, env.py is run, as it always is.
    """
    from dbctl import runtime
    from dbctl.config import views
    from dbctl.config.resolve import resolve

    return emit(resolve(settings, runtime.find_in_project), views.config)
