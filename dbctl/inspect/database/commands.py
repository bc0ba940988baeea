"""The commands of `dbctl inspect` about the database itself."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dbctl.errors import ExitCode, UsageError
from dbctl.inspect.options import (
    AllowProductionOption,
    LiteralsOption,
    RevealOption,
    TablesArgument,
    TimeoutOption,
)
from dbctl.options import WatchOption
from dbctl.output import emit, notice

if TYPE_CHECKING:
    from rich.console import RenderableType

    from dbctl.db.engine import DatabaseSessionManager
    from dbctl.inspect.database.results.pool import PoolResult
    from dbctl.settings import Settings


class TableOrder(StrEnum):
    """What tables can be sorted by."""

    NAME = "name"
    SIZE = "size"
    ROWS = "rows"
    DEAD = "dead"


class StatementOrder(StrEnum):
    """What statements can be sorted by."""

    TOTAL = "total"
    MEAN = "mean"
    CALLS = "calls"
    IO = "io"


SchemaOption = Annotated[
    str | None,
    typer.Option("--schema", metavar="NAME", help="Only those of one schema.", show_default=False),
]
LimitOption = Annotated[int, typer.Option(min=1, metavar="N", help="How many to show.")]


def tables(
    settings: "Settings",
    schema: SchemaOption = None,
    sort: Annotated[TableOrder, typer.Option(help="What comes first.")] = TableOrder.NAME,
    partitions: Annotated[
        bool, typer.Option("--partitions", help="List the partitions below their table, too.")
    ] = False,
    exact: Annotated[
        bool, typer.Option("--exact", help="Count the rows, as far as --timeout lets it.")
    ] = False,
    timeout: TimeoutOption = 30.0,
    watch: WatchOption = None,
) -> ExitCode:
    """List the tables and views: rows (estimated), dead rows, sizes, last vacuum and analyze."""
    from dbctl.inspect.database.tables import list_tables
    from dbctl.inspect.database.views import tables as views
    from dbctl.inspect.watching import look

    return look(
        settings,
        lambda connection: list_tables(
            connection,
            schema=schema,
            sort=sort,
            partitions=partitions,
            exact=exact,
            statement_timeout=timeout,
        ),
        views.tables,
        title="tables",
        every=watch,
        statement_timeout=timeout,
    )


def table(
    settings: "Settings",
    names: TablesArgument,
    ddl: Annotated[
        bool, typer.Option("--ddl", help="Print the SQL that makes it anew; takes several tables.")
    ] = False,
    reveal: RevealOption = False,
    allow_production: AllowProductionOption = False,
    watch: WatchOption = None,
) -> ExitCode:
    """Describe one table: columns, indexes and their use, constraints, triggers, policies."""
    from dbctl.inspect.database.views import table as views
    from dbctl.inspect.masking import masks_of
    from dbctl.inspect.watching import look

    masks = masks_of(settings, reveal=reveal, allow_production=allow_production, tell=notice)
    if not ddl:
        from dbctl.inspect.database.table import describe_table

        if len(names) > 1:
            raise UsageError(
                f"one table is described at a time, not {len(names)}",
                hint="Name one, or give --ddl for the SQL that makes them all.",
            )
        return look(
            settings,
            lambda connection: describe_table(connection, names[0], masks=masks),
            views.table,
            title=f"table {names[0]}",
            every=watch,
        )
    if watch is not None:
        raise UsageError(
            "--ddl and --watch do not go together",
            hint="Leave one out: what SQL makes a table changes with migrations only.",
        )
    from dbctl.inspect.connected import read
    from dbctl.inspect.database.ddl import write_ddl

    return emit(
        read(settings, lambda connection: write_ddl(connection, *names, masks=masks)), views.ddl
    )


def indexes(
    settings: "Settings",
    only: Annotated[
        str | None,
        typer.Option(
            metavar="FINDINGS",
            help="Only what is unused, duplicate, invalid or missing: one or more, with commas.",
            show_default=False,
        ),
    ] = None,
    schema: SchemaOption = None,
    unused_after: Annotated[
        float,
        typer.Option(
            min=0, metavar="DAYS", help="How long scans must have been counted to call one unused."
        ),
    ] = 7.0,
    reveal: RevealOption = False,
    allow_production: AllowProductionOption = False,
    watch: WatchOption = None,
) -> ExitCode:
    """List the indexes with their use, what is wrong with them, and the SQL that mends it."""
    from dbctl.inspect.database.indexes import list_indexes, parse_faults
    from dbctl.inspect.database.views import indexes as views
    from dbctl.inspect.masking import masks_of
    from dbctl.inspect.watching import look

    masks = masks_of(settings, reveal=reveal, allow_production=allow_production, tell=notice)
    faults = parse_faults(only)
    return look(
        settings,
        lambda connection: list_indexes(
            connection, schema=schema, only=faults, unused_after=unused_after, masks=masks
        ),
        views.indexes,
        title="indexes",
        every=watch,
    )


def activity(
    settings: "Settings",
    every: Annotated[
        bool, typer.Option("--all", help="Idle sessions and the server's own processes, too.")
    ] = False,
    reveal: LiteralsOption = False,
    allow_production: AllowProductionOption = False,
    watch: WatchOption = None,
) -> ExitCode:
    """Show who runs what and since when, each session below the one that blocks it."""
    from dbctl.inspect.database.activity import list_activity
    from dbctl.inspect.database.views import activity as views

    read = partial(list_activity, every=every)
    return _show_statements(
        settings,
        read,
        views.activity,
        "activity",
        watch,
        reveal=reveal,
        allow_production=allow_production,
    )


def locks(
    settings: "Settings",
    reveal: LiteralsOption = False,
    allow_production: AllowProductionOption = False,
    watch: WatchOption = None,
) -> ExitCode:
    """Show the locks that are held or waited for, the strongest first."""
    from dbctl.inspect.database.locks import list_locks
    from dbctl.inspect.database.views import locks as views

    return _show_statements(
        settings,
        list_locks,
        views.locks,
        "locks",
        watch,
        reveal=reveal,
        allow_production=allow_production,
    )


def size(
    settings: "Settings",
    limit: LimitOption = 20,
    watch: WatchOption = None,
) -> ExitCode:
    """Show what takes the room: schemas, tables, indexes and the other databases, as bars."""
    from dbctl.inspect.database.size import measure
    from dbctl.inspect.database.views import size as views
    from dbctl.inspect.reading import with_foreign_text
    from dbctl.inspect.watching import look

    return look(
        settings,
        partial(with_foreign_text, read=partial(measure, limit=limit)),
        views.sizes,
        title="size",
        every=watch,
    )


def slow(
    settings: "Settings",
    sort: Annotated[StatementOrder, typer.Option(help="What comes first.")] = StatementOrder.TOTAL,
    limit: LimitOption = 20,
    reveal: LiteralsOption = False,
    allow_production: AllowProductionOption = False,
    watch: WatchOption = None,
) -> ExitCode:
    """Show the statements that take the most, where pg_stat_statements sums them up."""
    from dbctl.inspect.database.slow import list_statements
    from dbctl.inspect.database.views import slow as views

    read = partial(list_statements, sort=sort, limit=limit)
    return _show_statements(
        settings, read, views.slow, "slow", watch, reveal=reveal, allow_production=allow_production
    )


def _show_statements(
    settings: "Settings",
    read: Callable[..., Awaitable[Any]],
    view: Callable[[Any], "RenderableType"],
    title: str,
    watch: float | None,
    *,
    reveal: bool,
    allow_production: bool,
) -> ExitCode:
    """Show statements of other sessions, in whatever encoding, with their literals for `reveal`."""
    from dbctl.inspect.masking import check_reveal
    from dbctl.inspect.reading import with_foreign_text
    from dbctl.inspect.watching import look

    if reveal:
        check_reveal(settings, allow_production=allow_production, tell=notice)
    shown = partial(with_foreign_text, read=partial(read, reveal=reveal))
    return look(settings, shown, view, title=title, every=watch)


def pool(settings: "Settings", watch: WatchOption = None) -> ExitCode:
    """Show the server behind a connection, and how full it and the pool are."""
    from dbctl.db.session import bounded
    from dbctl.inspect.connected import patience
    from dbctl.inspect.database.pool import show_pool
    from dbctl.inspect.database.views import pool as views
    from dbctl.runtime import Target

    async def limited(manager: "DatabaseSessionManager") -> "PoolResult":
        return await bounded(manager, show_pool(manager), patience(manager.connect_deadline))

    if watch is None:
        return emit(Target(settings).run(limited), views.pool)
    from dbctl.watching import watch as watched

    @asynccontextmanager
    async def reader(
        manager: "DatabaseSessionManager",
    ) -> AsyncIterator[Callable[[], Awaitable["PoolResult"]]]:
        yield lambda: limited(manager)

    return watched(
        Target(settings).run, reader, views.pool, title="dbctl inspect pool", seconds=watch
    )
