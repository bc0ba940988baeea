"""`dbctl seed generate`: rows from the schema alone."""

from typing import TYPE_CHECKING, Annotated

import typer

from dbctl.errors import ExitCode
from dbctl.output import emit, notice
from dbctl.runtime import Target

if TYPE_CHECKING:
    from dbctl.db.engine import DatabaseSessionManager
    from dbctl.seed.generate.results import Generated
    from dbctl.settings import Settings

TablesArgument = Annotated[
    list[str],
    typer.Argument(metavar="TABLE=COUNT…", help="How many rows of which table: tasks=1.5M."),
]
SeedOption = Annotated[str, typer.Option("--seed", help="The same seed makes the same rows.")]
LocaleOption = Annotated[str, typer.Option("--locale", help="The language of names and words.")]
NowOption = Annotated[
    str | None, typer.Option("--now", help="What timestamps lie around; fixed by default.")
]
StartOption = Annotated[
    int | None,
    typer.Option("--start", min=0, help="The number of the first row; by default after the last."),
]
PlanOption = Annotated[bool, typer.Option("--plan", help="Show how; write nothing.")]


def generate(
    settings: "Settings",
    tables: TablesArgument,
    seed: SeedOption = "42",
    locale: LocaleOption = "en",
    now: NowOption = None,
    start: StartOption = None,
    plan: PlanOption = False,
) -> ExitCode:
    """Make rows for tables from the schema alone; all are written, or none."""
    from dbctl.migrate.project_models import optional_models
    from dbctl.seed.bulk.showing import shown
    from dbctl.seed.generate import request, run, views
    from dbctl.seed.guard import refuse_production

    terms = request.Terms(
        wanted=request.parse_wanted(tables),
        seed=seed,
        locale=locale,
        now=request.NOW if now is None else request.parse_now(now),
        start=start,
        actor=settings.actor,
    )
    if not plan:
        refuse_production(settings)  # before anything is looked for, let alone started
    models = optional_models(settings, notice)
    tables_of_models = models.tables if models else ()
    database = Target(settings, migrations=True)
    if plan:
        return emit(
            database.run(lambda manager: run.plan_only(manager, settings, tables_of_models, terms)),
            views.generated,
        )

    with shown() as report:

        async def work(manager: "DatabaseSessionManager") -> "Generated":
            return await run.generate(manager, settings, tables_of_models, terms, report)

        result = database.run(work)
    return emit(result, views.generated)
