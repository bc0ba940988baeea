"""The commands of `dbctl inspect` about the database itself."""

from typing import TYPE_CHECKING

from dbctl.errors import ExitCode
from dbctl.inspect.options import TableArgument
from dbctl.output import emit

if TYPE_CHECKING:
    from dbctl.db.engine import DatabaseSessionManager
    from dbctl.inspect.database.results import PoolResult
    from dbctl.settings import Settings


def tables(settings: "Settings") -> ExitCode:
    """List the tables and views, with estimated rows and sizes."""
    from dbctl.inspect.connected import read
    from dbctl.inspect.database import views
    from dbctl.inspect.database.tables import list_tables

    return emit(read(settings, list_tables), views.tables)


def table(settings: "Settings", name: TableArgument) -> ExitCode:
    """Describe one table: columns, indexes, constraints, foreign keys both ways, sizes."""
    from dbctl.inspect.connected import read
    from dbctl.inspect.database import views
    from dbctl.inspect.database.tables import describe_table

    return emit(read(settings, lambda c: describe_table(c, name)), views.table)


def pool(settings: "Settings") -> ExitCode:
    """Show the server behind a connection, and how full it and the pool are."""
    from dbctl.db.session import bounded
    from dbctl.inspect.connected import patience
    from dbctl.inspect.database import views
    from dbctl.inspect.database.pool import show_pool
    from dbctl.runtime import on_database

    async def limited(manager: "DatabaseSessionManager") -> "PoolResult":
        return await bounded(manager, show_pool(manager), patience(manager.connect_deadline))

    return emit(on_database(settings, limited), views.pool)
