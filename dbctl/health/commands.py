"""`dbctl health`: is this database fit to serve?"""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dbctl.destination import COMPLETE
from dbctl.errors import ExitCode, UsageError
from dbctl.health.serving.commands import serve
from dbctl.options import WatchOption, alone, command
from dbctl.output import delivered, emit, notice
from dbctl.runtime import on_database
from dbctl.streams import data_file, data_stream

if TYPE_CHECKING:
    from rich.console import RenderableType

    from dbctl.health.results import HealthReport
    from dbctl.settings import Settings

app = typer.Typer(add_completion=False)


class Form(StrEnum):
    """The formats of health: every shared one, and those of the programs that watch and build."""

    TABLE = "table"
    VERTICAL = "vertical"
    JSON = "json"
    NDJSON = "ndjson"
    CSV = "csv"
    MARKDOWN = "markdown"
    PROMETHEUS = "prometheus"
    JUNIT = "junit"

    @classmethod
    def of(cls, file: Path | None) -> "Form":
        """Return the form that the name of a file asks for beyond the shared ones."""
        suffix = file.suffix.lower() if file else ""
        return {".prom": cls.PROMETHEUS, ".xml": cls.JUNIT}.get(suffix, cls.TABLE)


FormOption = Annotated[
    Form | None,
    typer.Option(
        "--format",
        help="How to print the result: json is application/health+json, prometheus a file for the "
        "node exporter's textfile collector, junit one for CI.",
        show_default="table",
    ),
]
OnlyOption = Annotated[
    list[str] | None,
    typer.Option(metavar="NAMES", help="Only these checks, with commas between; may be repeated."),
]
SkipOption = Annotated[
    list[str] | None, typer.Option(metavar="NAMES", help="All but these checks.")
]
StrictOption = Annotated[bool, typer.Option("--strict", help="Exit 1 for a warning, too.")]
DriftOption = Annotated[
    bool, typer.Option("--drift", help="Also compare the tables with the models.")
]
PoolOption = Annotated[
    bool, typer.Option("--pool", help="Really open every connection that the pool may.")
]
ThresholdOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME.LEVEL=VALUE", help="Such as connections.warn=70; off is never. Repeatable."
    ),
]
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
SchemaOption = Annotated[
    bool, typer.Option("--schema", help="Print the JSON Schema of the JSON, and look at nothing.")
]


def health(
    settings: "Settings",
    only: OnlyOption = None,
    skip: SkipOption = None,
    strict: StrictOption = False,
    drift: DriftOption = False,
    pool: PoolOption = False,
    threshold: ThresholdOption = None,
    wait: WaitOption = None,
    watch: WatchOption = None,
    allow_pending: PendingOption = False,
    schema: SchemaOption = False,
    format_: FormOption = None,
) -> ExitCode:
    """Check whether the database is fit to serve; exit 1 on a failure, 3 without a connection.

    It ends within S seconds, without --wait within DB_CONNECT_DEADLINE.
    """
    if schema:
        return _print_schema()
    form = format_ or Form.of(data_file())
    if watch is not None:
        _refuse_beside_watch(wait, form)
    from dbctl.health.report import prepare, report_health

    # Before the event loop, so that a signal ends a revision file that does not come to its end.
    request = prepare(
        settings,
        only=only or (),
        skip=skip or (),
        also=[name for name, wanted in {"drift": drift, "pool": pool}.items() if wanted],
        thresholds=threshold or (),
        strict=strict,
        open_pool=pool,
        allow_pending=allow_pending,
    )
    if left_out := request.loaded.left_out:
        notice(left_out)
    if watch is not None:
        from dbctl.health.watch.commands import watch_health

        return watch_health(settings, request, watch)
    if wait is None:
        report = on_database(settings, lambda database: report_health(database, request))
    else:
        from dbctl.health.waiting import wait_for_health

        report = on_database(
            settings,
            lambda database: wait_for_health(database, request, seconds=wait, on_wait=notice),
        )
    return emit(report, _view(form))


def _refuse_beside_watch(wait: int | None, form: Form) -> None:
    """Raise UsageError for what has an end, where --watch has none."""
    if wait is not None:
        raise UsageError(
            "--watch has no end, and --wait ends when the database is healthy",
            hint="Leave one of them out.",
        )
    if form in (Form.PROMETHEUS, Form.JUNIT):
        raise UsageError(
            f"--watch shows a live display or lines of JSON, not {form}",
            hint="Leave --format out, or choose ndjson.",
        )


def _view(form: Form) -> "Callable[[HealthReport], RenderableType]":
    """Return what renders a report as a table, or as the text of another program."""

    def view(report: "HealthReport") -> "RenderableType":
        from dbctl.health import views

        if form is Form.PROMETHEUS:
            from dbctl.health.prometheus import exposition

            return views.text(exposition(report))
        if form is Form.JUNIT:
            from dbctl.health.junit import junit

            return views.text(junit(report))
        return views.health(report)

    return view


def _print_schema() -> ExitCode:
    from dbctl.health.document import schema

    with delivered():
        data_stream().write(schema())
    return ExitCode.OK


# Who reads the file must hear that the database is gone; the old one would say that all is well.
_TELLING = COMPLETE | {ExitCode.UNREACHABLE}

app.callback(invoke_without_command=True)(alone(health, to_file=True, complete=_TELLING))
command(app)(serve)
