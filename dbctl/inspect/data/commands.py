"""The commands of `dbctl inspect` about rows."""

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from dbctl.errors import ExitCode
from dbctl.inspect.options import TableArgument
from dbctl.output import emit

if TYPE_CHECKING:
    from dbctl.settings import Settings


def rows(
    settings: "Settings",
    name: TableArgument,
    limit: Annotated[int, typer.Option(min=0, help="How many rows.")] = 20,
    offset: Annotated[int, typer.Option(min=0, help="Rows to skip first.")] = 0,
    columns: Annotated[
        list[str] | None,
        typer.Option(metavar="A,B", help="Only these columns; may be repeated."),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=VALUE",
            help="Only rows where they are equal, the value as the column's type writes it; "
            "COLUMN=null finds NULL, COLUMN=\"'null'\" the word. May be repeated: all must hold.",
        ),
    ] = None,
    order: Annotated[
        list[str] | None,
        typer.Option(
            metavar="A,B:desc",
            help="Sort by these columns, before the primary key; may be repeated.",
        ),
    ] = None,
) -> ExitCode:
    """Show rows of a table or view, by primary key unless --order says otherwise."""
    from dbctl.inspect.connected import read
    from dbctl.inspect.data import views
    from dbctl.inspect.data.rows import list_rows

    work = partial(
        list_rows,
        name=name,
        columns=columns or (),
        where=where or (),
        order=order or (),
        limit=limit,
        offset=offset,
    )
    return emit(read(settings, work), views.rows)


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
) -> ExitCode:
    """Show one row in full. Exits 1 where there is none with this key."""
    from dbctl.inspect.connected import read
    from dbctl.inspect.data import views
    from dbctl.inspect.data.rows import find_row

    return emit(read(settings, lambda c: find_row(c, name, key)), views.row)
