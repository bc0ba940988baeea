"""The version that a database records, and whether there is anything beside it."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.db.engine import DatabaseSessionManager
from dbctl.db.own_tables import OWN_TABLES, VERSION_TABLE

_LOOK = text("""
    select to_regclass('alembic_version') is not null as versioned,
           exists (select from pg_class c
                   join pg_namespace n on n.oid = c.relnamespace
                   where c.relkind in ('r', 'p')
                     and c.relname <> all (:own)
                     and n.nspname <> 'information_schema' and n.nspname not like 'pg\\_%'
                     and not exists (select from pg_depend d
                                     where d.objid = c.oid and d.deptype = 'e')) as populated
""")


async def read_version(connection: AsyncConnection) -> tuple[tuple[str, ...], bool]:
    """Return the revisions that the database records, and whether it has tables.

    Leaves the connection in no transaction.
    """
    ours = {"own": [VERSION_TABLE, *OWN_TABLES]}
    versioned, populated = (await connection.execute(_LOOK, ours)).one()
    heads: tuple[str, ...] = ()
    if versioned:
        rows = await connection.execute(text("select version_num from alembic_version"))
        heads = tuple(sorted(rows.scalars()))
    await connection.rollback()
    return heads, populated


async def current_version(manager: DatabaseSessionManager) -> tuple[str, ...]:
    """Return the version as a fresh connection sees it, which has taken no part in any work."""
    async with manager.connect() as connection:
        version, _ = await read_version(connection)
    return version
