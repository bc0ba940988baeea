"""The tables of dbctl's own that seeding keeps in a database: where they go, how they are made."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.db.names import quote
from dbctl.db.queries import query
from dbctl.errors import OperationFailed

# The creation of either is serialised by it: IF NOT EXISTS would not wait for another session.
_KEY = 0x6462_6374_6C03
_LOCK = text("select pg_catalog.pg_advisory_xact_lock(:key)")
_EXISTS = text("select pg_catalog.to_regclass(:table) is not null")


async def exists(connection: AsyncConnection, table: str) -> bool:
    """Tell whether there is a table of that name on the search_path."""
    return bool(await connection.scalar(_EXISTS, {"table": table}))


async def create(connection: AsyncConnection, table: str, room_query: str) -> str:
    """Create `table` from the SQL of `room_query` unless it is there; return its name as SQL.

    It goes into the schema of Alembic's own table, in the transaction of the caller. Raises
    OperationFailed where the search_path has no schema for it, DBAPIError where the server refuses.
    """
    await connection.execute(_LOCK, {"key": _KEY})
    schema = await connection.scalar(text(query("seed", "own_schema")))
    if schema is None:
        raise OperationFailed(
            f"there is no schema for {table}: the search_path of this role names none that exists",
            hint="ALTER ROLE … SET search_path, or CREATE SCHEMA.",
        )
    name = f"{quote(schema)}.{quote(table)}"
    if not await exists(connection, name):
        await connection.exec_driver_sql(query("seed", room_query).format(table=name))
    return name


def encodable(value: str) -> str:
    """Return text of a command line, which need not be Unicode, as text that the server takes."""
    return value.encode("utf-8", "backslashreplace").decode()
