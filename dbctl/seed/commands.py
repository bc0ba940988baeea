"""`dbctl seed`: put the rows there that development needs."""

from typing import TYPE_CHECKING, Annotated

import typer

from dbctl.errors import ExitCode, UsageError
from dbctl.options import command
from dbctl.output import emit
from dbctl.runtime import on_database

if TYPE_CHECKING:
    from dbctl.settings import Settings

app = typer.Typer(add_completion=False)


@command(app)
def seed(
    settings: "Settings",
    dev: Annotated[
        bool, typer.Option("--dev", help="A user and five tasks to develop with.")
    ] = False,
) -> ExitCode:
    """Put the rows there that development needs; a second run changes nothing."""
    if not dev:
        raise UsageError("name the set to seed", hint="`dbctl seed --dev` is the one there is.")
    from dbctl.migrate.scripts import open_checkout
    from dbctl.seed import apply, views

    apply.refuse_production(settings)  # before anything is looked for, let alone started
    checkout = open_checkout(settings)
    return emit(
        on_database(settings, lambda database: apply.seed_dev(database, checkout, settings)),
        views.seeded,
    )
