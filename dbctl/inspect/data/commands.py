"""The commands of `dbctl inspect` about rows."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from dbctl.errors import ExitCode, UsageError
from dbctl.inspect.completion import candidates
from dbctl.inspect.options import (
    AllowProductionOption,
    CsvSafeOption,
    EncodingOption,
    FullOption,
    RevealOption,
    TableArgument,
    TimeoutOption,
)
from dbctl.options import YesOption
from dbctl.output import Output, chosen_output, emit, notice

if TYPE_CHECKING:
    from rich.console import RenderableType

    from dbctl.inspect.data.cost import Guard
    from dbctl.inspect.data.results import RowsResult
    from dbctl.inspect.data.source import Answer
    from dbctl.settings import Settings

ColumnsOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="A,B",
        help="Only these columns; may be repeated.",
        autocompletion=candidates.columns,
    ),
]
_LIMIT = 20


def rows(
    settings: "Settings",
    name: TableArgument,
    conditions: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CONDITION]...",
            help="What all rows have to satisfy, as of --where.",
            show_default=False,
            autocompletion=candidates.conditions,
        ),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONDITION",
            help="COLUMN=VALUE, or with != < <= > >=; COLUMN~TEXT looks for a text in any case, % "
            "stands for anything, !~ for what lacks it; COLUMN@>VALUE for an array or JSON that "
            "holds it. COLUMN=null finds NULL, COLUMN=\"'null'\" the word. May be repeated.",
            autocompletion=candidates.conditions,
        ),
    ] = None,
    columns: ColumnsOption = None,
    order: Annotated[
        list[str] | None,
        typer.Option(
            metavar="A,B:desc",
            help="Sort by these columns, before the primary key; may be repeated.",
            autocompletion=candidates.order,
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=0, help=f"How many rows; {_LIMIT} unless told.")
    ] = None,
    all_: Annotated[
        bool, typer.Option("--all", help="All rows; unsorted without --order.")
    ] = False,
    after: Annotated[
        str | None,
        typer.Option(metavar="PLACE", help="Go on after the page whose footer names this place."),
    ] = None,
    offset: Annotated[int, typer.Option(min=0, help="Rows to skip first.")] = 0,
    count: Annotated[bool, typer.Option("--count", help="Only count them, exactly.")] = False,
    sample: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="So many rows at random.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**31 - 1, help="The same --sample each time.")
    ] = None,
    full: FullOption = False,
    reveal: RevealOption = False,
    allow_production: AllowProductionOption = False,
    timeout: TimeoutOption = 30,
    yes: YesOption = False,
    csv_safe: CsvSafeOption = False,
    encoding: EncodingOption = None,
) -> ExitCode:
    """Show rows of a table or view, by primary key unless --order says otherwise.

    A read that would take long by the planner's estimate asks first.
    """
    from dbctl.inspect.data.asking import guarded

    _check_together(
        "--count",
        count,
        {
            "--columns": columns,
            "--order": order,
            "--limit": limit is not None,
            "--all": all_,
            "--after": after is not None,
            "--offset": offset,
            "--sample": sample,
        },
    )
    _check_together(
        "--sample",
        sample,
        {
            "--order": order,
            "--limit": limit is not None,
            "--all": all_,
            "--after": after is not None,
            "--offset": offset,
        },
    )
    _check_together("--all", all_, {"--limit": limit is not None})
    if seed is not None and sample is None:
        raise UsageError("--seed makes a --sample repeatable", hint="Add --sample N.")
    filters = [*(conditions or ()), *(where or ())]
    if count:
        counted = partial(_count, settings, name, filters, timeout, encoding)
        return guarded(settings, counted, yes=yes)

    def page(guard: "Guard") -> ExitCode:
        from dbctl.inspect.data.delivery import deliver
        from dbctl.inspect.data.rows import find_rows
        from dbctl.inspect.data.sampling import find_sample
        from dbctl.inspect.masking import masks_of

        masks = masks_of(settings, reveal=reveal, allow_production=allow_production, tell=notice)
        find: Callable[..., Awaitable[Answer[RowsResult]]]
        if sample is None:
            most = None if all_ else _LIMIT if limit is None else limit
            find = partial(find_rows, order=order or (), limit=most, offset=offset, after=after)
        else:
            find = partial(find_sample, size=sample, seed=seed)
        find = partial(
            find, name=name, columns=columns or (), where=filters, masks=masks, guard=guard
        )
        return deliver(
            settings,
            find,
            partial(_table, full=full),
            statement_timeout=timeout,
            csv_safe=csv_safe,
            encoding=encoding,
        )

    return guarded(settings, page, yes=yes)


def row(
    settings: "Settings",
    name: TableArgument,
    key: Annotated[
        list[str],
        typer.Argument(
            metavar="KEY",
            help="The primary key; of several columns: k1,k2 or one argument each, in key order. "
            "Write -- before a key that begins with a dash.",
            show_default=False,
        ),
    ],
    columns: ColumnsOption = None,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow", help="Show the rows that it refers to, and the first that refer to it."
        ),
    ] = False,
    full: FullOption = False,
    reveal: RevealOption = False,
    allow_production: AllowProductionOption = False,
    timeout: TimeoutOption = 30,
    yes: YesOption = False,
    csv_safe: CsvSafeOption = False,
    encoding: EncodingOption = None,
) -> ExitCode:
    """Show one row in full, with what it refers to and what refers to it.

    Exits 1 where there is none with this key. What refers to it is not counted where that would
    take long, unless --yes.
    """
    from dbctl.inspect.connected import read
    from dbctl.inspect.data import row_views
    from dbctl.inspect.data.cost import Guard, max_cost
    from dbctl.inspect.data.delivery import deliver
    from dbctl.inspect.data.row import find_only_row, find_row
    from dbctl.inspect.masking import masks_of

    masks = masks_of(settings, reveal=reveal, allow_production=allow_production, tell=notice)
    if chosen_output.get() not in {Output.TABLE, Output.JSON}:  # they take rows alone
        find = partial(find_only_row, name=name, key=key, columns=columns or (), masks=masks)
        return deliver(
            settings,
            find,
            _table,
            statement_timeout=timeout,
            csv_safe=csv_safe,
            encoding=encoding,
        )
    work = partial(
        find_row,
        name=name,
        key=key,
        columns=columns or (),
        follow=follow,
        masks=masks,
        guard=Guard(max_cost(settings), agreed=yes),
        statement_timeout=timeout,
    )
    result = read(settings, work, statement_timeout=timeout, encoding=encoding)
    return emit(result, partial(row_views.row, full=full))


def _table(result: "RowsResult", *, full: bool = False) -> "RenderableType":
    """Draw the rows; only then is what draws imported."""
    from dbctl.inspect.data import views

    return views.rows(result, full=full)


def _count(
    settings: "Settings",
    name: str,
    where: list[str],
    timeout: float,
    encoding: str | None,
    guard: "Guard",
) -> ExitCode:
    from dbctl.inspect.connected import read
    from dbctl.inspect.data import views
    from dbctl.inspect.data.counting import count_rows

    work = partial(count_rows, name=name, where=where, guard=guard, statement_timeout=timeout)
    result = read(settings, work, statement_timeout=timeout, encoding=encoding)
    return emit(result, views.count)


def _check_together(option: str, given: object, others: dict[str, object]) -> None:
    """Raise UsageError where `option` is given beside one that it makes no sense with."""
    meant = [other for other, value in others.items() if value]
    if given and meant:
        raise UsageError(
            f"{option} and {meant[0]} do not go together", hint="Leave one of them out."
        )
