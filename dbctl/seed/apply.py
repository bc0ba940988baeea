"""Put the rows of the dev set into a database, whatever of them is there already."""

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from dbctl.db.engine import DatabaseSessionManager
from dbctl.errors import ErrorCode, FindingError, RefusedError, UsageError
from dbctl.migrate.results import State
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
            hint="Unset ENVIRONMENT or DATABASE_URL if this is not the production database.",
            code=ErrorCode.PRODUCTION_GUARD,
        )


async def seed_dev(
    manager: DatabaseSessionManager, checkout: Checkout, settings: Settings
) -> Seeded:
    """Write what is missing of the dev set, in one transaction.

    Raises RefusedError in production, UsageError where the schema is not the one that ships,
    FindingError where the database is not at its head.
    """
    refuse_production(settings)
    if settings.models != type(settings).model_fields["models"].default:
        raise UsageError(
            f"the dev set fills the tables that ship with dbctl, not those of {settings.models}",
            hint="Unset DBCTL_MODELS to use it.",
        )
    async with manager.connect() as connection:
        status = await read_status(connection, checkout, manager.label)
    if status.state is not State.CURRENT:
        raise FindingError(
            f"the schema of {manager.label} is not at the head: {status.state}",
            hint="Run `dbctl migrate up` first.",
        )
    async with manager.session() as session, session.begin():
        rows = [await _seed_user(session)]
        rows += await _seed_tasks(session)
    return Seeded(seed_set="dev", database=manager.label, rows=tuple(rows))


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
    """Return the dev user, who may have been made by hand under another key."""
    query = select(User).where(func.lower(User.email) == dev.user().email)
    return (await session.exec(query)).one()


async def _insert[Row: User | Task](session: AsyncSession, *rows: Row) -> set[object]:
    """Insert the rows that are not there and return the keys of those that were not."""
    table = type(rows[0])
    # The timestamps are the server's, whose defaults only hold where no value is given.
    statement = insert(table).values(
        [row.model_dump(exclude={"created_at", "updated_at"}) for row in rows]
    )
    written = await session.exec(statement.on_conflict_do_nothing().returning(col(table.id)))
    return set(written.scalars())
