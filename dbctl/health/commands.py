"""`dbctl health`: is this database fit to serve?"""

from typing import TYPE_CHECKING, Annotated

import typer

from dbctl.errors import ExitCode
from dbctl.options import command
from dbctl.output import emit, notice
from dbctl.runtime import on_database

if TYPE_CHECKING:
    from rich.console import RenderableType

    from dbctl.health.results import HealthReport
    from dbctl.settings import Settings

app = typer.Typer(add_completion=False)

WaitOption = Annotated[
    int | None,
    typer.Option(
        "--wait",
        metavar="S",
        min=1,
        help="Look again until it is healthy, for S seconds at most.",
        show_default=False,
    ),
]
PendingOption = Annotated[
    bool, typer.Option("--allow-pending", help="Pending revisions are a warning, not a failure.")
]


@command(app)
def health(
    settings: "Settings", wait: WaitOption = None, allow_pending: PendingOption = False
) -> ExitCode:
    """Check connection, migrations and pool; exit 1 on a failure, 3 without a connection.

    It ends within S seconds, without --wait within DB_CONNECT_DEADLINE.
    """
    from dbctl.health.checks import load_revisions
    from dbctl.health.report import report_health

    # Before the event loop, so that a signal ends a revision file that does not come to its end.
    revisions = load_revisions(settings)
    report = on_database(
        settings,
        lambda database: report_health(
            database, settings, revisions, wait=wait, allow_pending=allow_pending, on_wait=notice
        ),
    )
    return emit(report, _view)


def _view(report: "HealthReport") -> "RenderableType":
    """Render the table; Rich is imported for it alone."""
    from dbctl.health import views

    return views.health(report)
