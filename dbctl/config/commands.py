"""`dbctl config`: the settings that hold here, where each comes from, and what is in the way."""

from typing import TYPE_CHECKING, Annotated

import typer

from dbctl import runtime
from dbctl.errors import ExitCode
from dbctl.options import command
from dbctl.output import emit

if TYPE_CHECKING:
    from dbctl.db.endpoints import Endpoint
    from dbctl.settings import Settings

app = typer.Typer(add_completion=False)

CheckOption = Annotated[
    bool,
    typer.Option(
        "--check",
        help="Run env.py without changing anything and list all that is in the way, with what to "
        "do; exit 1 where anything is.",
    ),
]


@command(app, tolerant="check")
def config(settings: "Settings", check: CheckOption = False) -> ExitCode:
    """Show each setting with its source, and where reads and migrations go.

    Beside it: Alembic's configuration, the revisions, models, seed sets, masks, and where state and
    caches lie. Connects nowhere, but where only env.py names the database, env.py is run, as it
    always is.
    """
    if check:
        from dbctl.config.check import views as check_views
        from dbctl.config.check.versions import check_missing

        if (without := check_missing(settings.project)) is not None:
            return emit(without, check_views.config_check)
        from dbctl.config.check import operation
        from dbctl.migrate.project_database import find_in_project

        def connect(endpoint: "Endpoint", work: operation.Work) -> None:
            target = runtime.Target(settings, migrations=True, endpoint=endpoint)
            target.run(work, only_read=True)

        def find(settings: "Settings") -> tuple[str, str] | None:
            # Why env.py fails is left to the run of it on the database that is then taken.
            return find_in_project(settings, runtime.run, lambda _notice: None)

        result = operation.check_config(settings, find, connect)
        return emit(result, check_views.config_check)
    from dbctl.config import views
    from dbctl.config.resolve import resolve

    return emit(resolve(settings, runtime.find_in_project), views.config)
