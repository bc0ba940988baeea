"""Where the schema of a database stands: read from the database, compared with the checkout."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.db.engine import DatabaseSessionManager
from dbctl.migrate.results import MigrationStatus, State
from dbctl.migrate.scripts import Checkout, describe

VERSION_TABLE = "alembic_version"
# dbctl's own record of who applied what; no model has it, and no drift is made of it.
LEDGER_TABLE = "dbctl_ledger"

_LOOK = text("""
    select to_regclass('alembic_version') is not null as versioned,
           exists (select from pg_class c
                   join pg_namespace n on n.oid = c.relnamespace
                   where c.relkind in ('r', 'p')
                     and c.relname not in ('alembic_version', 'dbctl_ledger')
                     and n.nspname <> 'information_schema' and n.nspname not like 'pg\\_%'
                     and not exists (select from pg_depend d
                                     where d.objid = c.oid and d.deptype = 'e')) as populated
""")


async def read_version(connection: AsyncConnection) -> tuple[tuple[str, ...], bool]:
    """Return the revisions that the database records, and whether it has tables.

    Leaves the connection in no transaction.
    """
    versioned, populated = (await connection.execute(_LOOK)).one()
    heads: tuple[str, ...] = ()
    if versioned:
        rows = await connection.execute(text("select version_num from alembic_version order by 1"))
        heads = tuple(rows.scalars())
    await connection.rollback()
    return heads, populated


async def current_version(manager: DatabaseSessionManager) -> tuple[str, ...]:
    """Return the version as a fresh connection sees it, which has taken no part in any work."""
    async with manager.connect() as connection:
        version, _ = await read_version(connection)
    return version


async def read_status(
    connection: AsyncConnection, checkout: Checkout, database: str
) -> MigrationStatus:
    """Compare the database, which is called `database` in the result, with the checkout.

    Leaves the connection in no transaction.
    """
    current, populated = await read_version(connection)
    heads = checkout.heads
    known = all(checkout.knows(revision) for revision in current)
    pending = checkout.path(current, heads) if known else []
    return MigrationStatus(
        state=_state(current, heads, known=known, populated=populated),
        database=database,
        current=current,
        heads=heads,
        pending=tuple(describe(script) for script in pending),
        scripts=checkout.scripts.dir,
    )


def _state(
    current: tuple[str, ...], heads: tuple[str, ...], *, known: bool, populated: bool
) -> State:
    if not known:
        return State.AHEAD
    if current == heads:
        return State.CURRENT
    if len(heads) > 1:
        return State.MULTIPLE_HEADS
    if current:
        return State.PENDING
    return State.UNMANAGED if populated else State.EMPTY
