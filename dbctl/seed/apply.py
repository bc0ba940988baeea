"""Put the rows of the dev set into a database, whatever of them is there already."""

from sqlalchemy import Connection, func, inspect
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from dbctl.db.engine import DatabaseSessionManager
from dbctl.errors import ErrorCode, FindingError, RefusedError, UsageError
from dbctl.migrate.scripts import Checkout
from dbctl.migrate.status import read_status
from dbctl.models import Task, User
from dbctl.seed import dev
from dbctl.seed.results import RowState, Seeded, SeededRow
from dbctl.settings import Environment, Settings


def refuse_production(settings: Settings) -> None:
    """Raise RefusedError where seeds have no business, before anything connects."""
    if settings.environment is Environment.PRODUCTION:
        raise RefusedError(
            "seeds are not written in production "
            f"(ENVIRONMENT from {settings.source_of('environment')})",
            hint="If this database is not production's, set ENVIRONMENT to what it is.",
            code=ErrorCode.PRODUCTION_GUARD,
        )


async def seed_dev(
    manager: DatabaseSessionManager, checkout: Checkout, settings: Settings
) -> Seeded:
    """Write what is missing of the dev set, in one transaction.

    Raises RefusedError in production, UsageError where the models are not those that ship,
    FindingError where the database is not at the head or has not the tables.
    """
    refuse_production(settings)
    if settings.has_own_models:
        raise UsageError(
            f"the dev set fills the tables that ship with dbctl, not those of {settings.models}",
            hint="Unset DBCTL_MODELS to use it.",
        )
    async with manager.connect() as connection:
        status = await read_status(connection, checkout, manager.label)
        missing = await connection.run_sync(_missing_tables)
    if not status.is_at_head:
        raise FindingError(
            f"the schema of {manager.label} {status.state.sentence}", hint=status.state.remedy
        )
    if missing:
        raise FindingError(
            f"{manager.label} is at the head of {checkout.scripts.dir}, "
            f"but does not have what the dev set fills: {', '.join(missing)}",
            hint="The dev set is for the revisions that ship with dbctl; "
            "`dbctl migrate check` shows how the database differs from their models.",
        )
    async with manager.session() as session, session.begin():
        rows = [await _seed_user(session)]
        rows += await _seed_tasks(session)
    return Seeded(seed_set="dev", database=manager.label, rows=tuple(rows))


def _missing_tables(connection: Connection) -> list[str]:
    inspector = inspect(connection)
    return [table for table in ("users", "tasks") if not inspector.has_table(table)]


async def _seed_user(session: AsyncSession) -> SeededRow:
    user = dev.user()
    state = RowState.CREATED if await _insert(session, user) else RowState.ALREADY_THERE
    found = await _owner(session)
    return SeededRow(table="users", id=found.id, title=found.email, state=state)


async def _seed_tasks(session: AsyncSession) -> list[SeededRow]:
    tasks = dev.tasks((await _owner(session)).id)
    created = await _insert(session, *tasks)
    query = select(Task).where(col(Task.id).in_([task.id for task in tasks]))
    found = {task.id: task for task in await session.exec(query)}
    return [
        SeededRow(
            table="tasks",
            id=row.id,
            title=row.title,
            state=RowState.CREATED if row.id in created else RowState.ALREADY_THERE,
            status=row.status,
            priority=row.priority,
            due_at=row.due_at,
            tags=tuple(row.tags),
        )
        for row in (found[task.id] for task in tasks)
    ]


async def _owner(session: AsyncSession) -> User:
    """Return the dev user, who may have a new address or have been made under another key."""
    user = dev.user()
    has_key = col(User.id) == user.id
    query = select(User).where(has_key | (func.lower(User.email) == user.email))
    # Where one user has the key and another the address, the key decides.
    return (await session.exec(query.order_by(has_key.desc()).limit(1))).one()


async def _insert[Row: User | Task](session: AsyncSession, *rows: Row) -> set[object]:
    """Insert the rows that are not there and return the keys of those that were not."""
    table = type(rows[0])
    # The timestamps are the server's, whose defaults only hold where no value is given.
    statement = insert(table).values(
        [row.model_dump(exclude={"created_at", "updated_at"}) for row in rows]
    )
    written = await session.exec(statement.on_conflict_do_nothing().returning(col(table.id)))
    return set(written.scalars())
