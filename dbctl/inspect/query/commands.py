"""The command of `dbctl inspect` that runs a query."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dbctl.errors import ExitCode, UsageError
from dbctl.inspect.options import (
    AllowProductionOption,
    CsvSafeOption,
    EncodingOption,
    FullOption,
    RevealOption,
    TimeoutOption,
)
from dbctl.options import YesOption
from dbctl.output import Output, chosen_output, notice

if TYPE_CHECKING:
    from dbctl.inspect.data.cost import Guard
    from dbctl.settings import Settings

# Rows where people read them; what a program reads has no limit unless it is told.
_LIMIT = 1000
_FOR_PEOPLE = frozenset({Output.TABLE, Output.VERTICAL, Output.MARKDOWN})


def query(
    settings: "Settings",
    sql: Annotated[
        str | None,
        typer.Argument(
            metavar="SQL",
            help="One statement: SELECT, VALUES, TABLE, WITH, SHOW or EXPLAIN; - reads stdin.",
            show_default=False,
        ),
    ] = None,
    script: Annotated[
        Path | None,
        typer.Option("--file", "-f", metavar="FILE", help="Read the statement from a file."),
    ] = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option(
            "--param",
            "-p",
            metavar="NAME=VALUE",
            help="The value of :NAME in the statement, bound; NAME=null is NULL, NAME=\"'null'\" "
            "the word. May be repeated.",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=0,
            help=f"How many rows; unless told, {_LIMIT:,} in a table, vertical or Markdown.",
            show_default=False,
        ),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="All rows, however many.")] = False,
    full: FullOption = False,
    reveal: RevealOption = False,
    allow_production: AllowProductionOption = False,
    timeout: TimeoutOption = 30,
    yes: YesOption = False,
    csv_safe: CsvSafeOption = False,
    encoding: EncodingOption = None,
) -> ExitCode:
    """Run one statement that reads, in a transaction that cannot write.

    Functions that would do more than read are refused. What comes from a masked column is masked.
    """
    from dbctl.inspect.data.asking import guarded
    from dbctl.inspect.query.parameters import parse_parameters
    from dbctl.inspect.query.text import text_of

    if all_ and limit is not None:
        raise UsageError("--all and --limit do not go together", hint="Leave one of them out.")
    text, given = text_of(sql, script), parse_parameters(parameters or ())
    most = _LIMIT if limit is None and chosen_output.get() in _FOR_PEOPLE else limit

    def run(guard: "Guard") -> ExitCode:
        from dbctl.inspect.data.delivery import deliver
        from dbctl.inspect.masking import masks_of
        from dbctl.inspect.query import views
        from dbctl.inspect.query.operation import find_query

        find = partial(
            find_query,
            text=text,
            given=given,
            limit=None if all_ else most,
            masks=masks_of(settings, reveal=reveal, allow_production=allow_production, tell=notice),
            cost=guard,
            tell=notice,
        )
        return deliver(
            settings,
            find,
            partial(views.query, full=full),
            statement_timeout=timeout,
            csv_safe=csv_safe,
            encoding=encoding,
        )

    return guarded(settings, run, yes=yes)
