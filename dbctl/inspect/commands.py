"""The commands of `dbctl inspect`."""

from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dbctl.errors import ExitCode
from dbctl.options import command
from dbctl.output import emit

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from dbctl.db.engine import DatabaseSessionManager
    from dbctl.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    help="Look at tables and rows, without being able to break anything: every command reads in a "
    "read-only transaction with a time limit, and rolls it back.",
)

# Seconds for all statements of a command beside its longest one, which the server ends.
_GRACE = 5.0

TableArgument = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="table or schema.table. As in SQL, case counts in double quotes only.",
        show_default=False,
    ),
]


@command(app)
def tables(settings: "Settings") -> ExitCode:
    """List the tables and views, with estimated rows and sizes."""
    from dbctl.inspect import views
    from dbctl.inspect.tables import list_tables

    return emit(_read(settings, list_tables), views.tables)


@command(app)
def table(settings: "Settings", name: TableArgument) -> ExitCode:
    """Describe one table: columns, indexes, constraints, foreign keys both ways, sizes."""
    from dbctl.inspect import views
    from dbctl.inspect.tables import describe_table

    return emit(_read(settings, lambda c: describe_table(c, name)), views.table)


@command(app)
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
    from dbctl.inspect import views
    from dbctl.inspect.rows import list_rows

    read = partial(
        list_rows,
        name=name,
        columns=columns or (),
        where=where or (),
        order=order or (),
        limit=limit,
        offset=offset,
    )
    return emit(_read(settings, read), views.rows)


@command(app)
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
    from dbctl.inspect import views
    from dbctl.inspect.rows import find_row

    return emit(_read(settings, lambda c: find_row(c, name, key)), views.row)


@command(app)
def pool(settings: "Settings") -> ExitCode:
    """Show the server behind a connection, and how full it and the pool are."""
    from dbctl.inspect import views
    from dbctl.inspect.pool import show_pool

    return emit(_in_time(settings, show_pool), views.pool)


def _read[T](settings: "Settings", work: "Callable[[AsyncConnection], Awaitable[T]]") -> T:
    """Run `work` on a connection to the database that the settings name."""

    async def connected(manager: "DatabaseSessionManager") -> T:
        async with manager.connect() as connection:
            return await work(connection)

    return _in_time(settings, connected)


def _in_time[T](
    settings: "Settings", work: "Callable[[DatabaseSessionManager], Coroutine[Any, Any, T]]"
) -> T:
    """Run `work` on the database that the settings name, but not for ever.

    The server ends a statement that takes too long; one that went silent does not.
    """
    from dbctl.db.engine import bounded
    from dbctl.inspect.reading import STATEMENT_TIMEOUT
    from dbctl.runtime import on_database

    async def limited(manager: "DatabaseSessionManager") -> T:
        seconds = manager.connect_deadline + STATEMENT_TIMEOUT + _GRACE
        return await bounded(manager, work(manager), seconds)

    return on_database(settings, limited)
