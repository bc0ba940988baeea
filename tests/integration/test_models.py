"""The schema as the database enforces it, whoever writes: constraints, cascades, timestamps."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, StatementError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from dbctl.db.engine import DatabaseSessionManager
from dbctl.db.failures import driver_error
from dbctl.models import Task, TaskPriority, TaskStatus, User, metadata
from tests.conftest import MIGRATED
from tests.support.databases import TestServer

NOON = datetime(2027, 1, 2, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def database_url(server: TestServer) -> Iterator[str]:
    """The URL of one database for all these tests, as making one takes longer than any of them."""
    with server.database(MIGRATED) as url:
        yield url


@pytest.fixture(autouse=True)
async def _no_rows(database: DatabaseSessionManager) -> None:
    async with database.engine.connect() as connection:
        await connection.execute(text("delete from users"))
        await connection.commit()


@pytest.fixture
async def session(database: DatabaseSessionManager) -> AsyncIterator[AsyncSession]:
    async with database.session() as session:
        yield session


@pytest.fixture
async def user(session: AsyncSession) -> User:
    user = User(email="Ada@Example.com", name="Ada")
    session.add(user)
    await session.commit()
    return user


async def value_of(session: AsyncSession, sql: str, **values: object) -> Any:
    """Ask in SQL, past the models, and return one value."""
    return (await session.exec(text(sql), params=values)).scalar_one()  # type: ignore[call-overload]


async def refusal_of(session: AsyncSession, *rows: User | Task) -> tuple[str, str]:
    """Fail to add `rows`; return the SQLSTATE and the constraint that the server names."""
    session.add_all(rows)
    with pytest.raises(DBAPIError) as refused:
        await session.commit()
    await session.rollback()
    error = driver_error(refused.value)
    assert isinstance(error, asyncpg.PostgresError)
    return error.sqlstate, error.constraint_name or error.column_name or ""


class TestUsers:
    @pytest.mark.parametrize("email", ["Ada@Example.com", "ada@example.com", "ADA@EXAMPLE.COM"])
    async def test_an_address_is_taken_in_every_case(
        self, session: AsyncSession, user: User, email: str
    ) -> None:
        assert user.email == "Ada@Example.com", "it is kept as it was written"
        refused = await refusal_of(session, User(email=email, name="Other"))
        assert refused == ("23505", "uq_users_email_lower")

    async def test_another_address_is_free(self, session: AsyncSession, user: User) -> None:
        session.add(User(email=f"x{user.email}", name="Other"))
        await session.commit()
        assert await value_of(session, "select count(*) from users") == 2

    async def test_a_row_written_in_sql_gets_the_defaults(self, session: AsyncSession) -> None:
        await session.exec(
            text("insert into users (id, email, name) values (gen_random_uuid(), 'a@b', 'A')")  # type: ignore[call-overload]
        )
        found = (await session.exec(select(User))).one()
        assert found.is_active is True
        assert found.created_at is not None
        assert found.created_at == found.updated_at


class TestTasks:
    @pytest.mark.parametrize("length", [1, 200])
    async def test_a_title_may_have_1_to_200_characters(
        self, session: AsyncSession, user: User, length: int
    ) -> None:
        session.add(Task(user_id=user.id, title="ü" * length))
        await session.commit()
        assert await value_of(session, "select char_length(title) from tasks") == length

    @pytest.mark.parametrize("length", [0, 201])
    async def test_no_title_is_shorter_or_longer(
        self, session: AsyncSession, user: User, length: int
    ) -> None:
        refused = await refusal_of(session, Task(user_id=user.id, title="x" * length))
        assert refused == ("23514", "ck_tasks_title_length")

    @pytest.mark.parametrize(
        ("status", "completed_at"),
        [(TaskStatus.DONE, None), (TaskStatus.TODO, NOON), (TaskStatus.IN_PROGRESS, NOON)],
    )
    async def test_a_task_is_completed_exactly_when_it_is_done(
        self, session: AsyncSession, user: User, status: TaskStatus, completed_at: datetime | None
    ) -> None:
        wrong = Task(user_id=user.id, title="T", status=status, completed_at=completed_at)
        right = Task(user_id=user.id, title="T", status=TaskStatus.DONE, completed_at=NOON)
        refused = await refusal_of(session, wrong)
        assert refused == ("23514", "ck_tasks_completed_at_when_done")
        session.add(right)
        await session.commit()

    async def test_a_task_needs_a_user_who_exists(self, session: AsyncSession, user: User) -> None:
        orphan = Task(user_id=Task(user_id=user.id, title="T").id, title="T")
        assert await refusal_of(session, orphan) == ("23503", "fk_tasks_user_id_users")

    async def test_tags_cannot_be_null(self, session: AsyncSession, user: User) -> None:
        task = Task(user_id=user.id, title="T")
        session.add(task)
        await session.commit()
        task.tags = None  # type: ignore[assignment]
        assert await refusal_of(session) == ("23502", "tags")

    async def test_a_row_written_in_sql_gets_the_defaults(
        self, session: AsyncSession, user: User
    ) -> None:
        insert = text("insert into tasks (id, user_id, title) values (gen_random_uuid(), :u, 'T')")
        await session.exec(insert, params={"u": user.id})  # type: ignore[call-overload]
        task = (await session.exec(select(Task))).one()
        assert (task.status, task.priority) == (TaskStatus.TODO, TaskPriority.MEDIUM)
        assert task.tags == []

    async def test_enums_are_stored_by_value(self, session: AsyncSession, user: User) -> None:
        session.add(
            Task(
                user_id=user.id,
                title="T",
                status=TaskStatus.IN_PROGRESS,
                priority=TaskPriority.URGENT,
            )
        )
        await session.commit()
        stored = await value_of(session, "select status || ' ' || priority from tasks")
        assert stored == "in_progress urgent"
        session.expire_all()
        task = (await session.exec(select(Task))).one()
        assert task.status is TaskStatus.IN_PROGRESS
        assert task.priority is TaskPriority.URGENT

    @pytest.mark.parametrize("enum", [TaskStatus, TaskPriority])
    async def test_the_database_knows_the_values_of_an_enum_in_their_order(
        self, session: AsyncSession, enum: type[TaskStatus | TaskPriority]
    ) -> None:
        name = {TaskStatus: "task_status", TaskPriority: "task_priority"}[enum]
        known = await value_of(session, f"select enum_range(null::{name})::text[]")
        assert known == [member.value for member in enum]

    async def test_the_gin_index_finds_tags(self, session: AsyncSession, user: User) -> None:
        session.add(Task(user_id=user.id, title="Tagged", tags=["home", "garden"]))
        session.add(Task(user_id=user.id, title="Other", tags=["garden"]))
        await session.commit()
        tagged = select(Task.title).where(col(Task.tags).contains(["home"]))
        assert (await session.exec(tagged)).all() == ["Tagged"]
        await session.exec(text("set local enable_seqscan = off"))  # type: ignore[call-overload]
        explain = text("explain select * from tasks where tags @> array['home']")
        plan = await session.exec(explain)  # type: ignore[call-overload]
        assert "ix_tasks_tags" in "\n".join(plan.scalars())


class TestCascades:
    @pytest.fixture(autouse=True)
    async def _tasks(self, session: AsyncSession, user: User) -> None:
        other = User(email="other@example.com", name="Other")
        session.add(other)
        session.add_all(Task(user_id=user.id, title=title) for title in ("One", "Two"))
        session.add(Task(user_id=other.id, title="Stays"))
        await session.commit()

    async def test_tasks_go_with_their_user_in_sql(self, session: AsyncSession, user: User) -> None:
        delete = text("delete from users where id = :id")
        await session.exec(delete, params={"id": user.id})  # type: ignore[call-overload]
        assert await value_of(session, "select string_agg(title, ',') from tasks") == "Stays"

    async def test_tasks_go_with_their_user_through_the_models(
        self, session: AsyncSession, user: User
    ) -> None:
        await session.delete(user)
        await session.commit()
        assert await value_of(session, "select string_agg(title, ',') from tasks") == "Stays"

    async def test_tasks_that_are_loaded_go_as_well(
        self, session: AsyncSession, user: User
    ) -> None:
        await session.refresh(user, ["tasks"])
        assert {task.title for task in user.tasks} == {"One", "Two"}
        assert user.tasks[0].user is user
        await session.delete(user)
        await session.commit()
        assert await value_of(session, "select string_agg(title, ',') from tasks") == "Stays"

    async def test_a_task_that_is_taken_from_its_user_is_deleted(
        self, session: AsyncSession, user: User
    ) -> None:
        await session.refresh(user, ["tasks"])
        user.tasks.remove(next(task for task in user.tasks if task.title == "One"))
        await session.commit()
        left = await value_of(session, "select string_agg(title, ',' order by title) from tasks")
        assert left == "Stays,Two"


class TestTimestamps:
    @pytest.mark.parametrize("commit", [True, False], ids=["commit", "flush"])
    async def test_updated_at_moves_with_an_update_and_can_be_read_at_once(
        self, database: DatabaseSessionManager, user: User, commit: bool
    ) -> None:
        async with database.session() as session:
            found = await session.get_one(User, user.id)
            created, updated = found.created_at, found.updated_at
            assert updated is not None
            await session.rollback()  # the server's clock stands still in a transaction
            found = await session.get_one(User, user.id)
            found.name = "Augusta Ada"
            await (session.commit() if commit else session.flush())
            assert found.updated_at is not None
            assert found.updated_at > updated
            assert found.created_at == created

    async def test_a_new_row_has_its_timestamps_without_another_query(
        self, session: AsyncSession, user: User
    ) -> None:
        task = Task(user_id=user.id, title="T")
        session.add(task)
        await session.flush()
        now = await value_of(session, "select now()")
        assert (task.created_at, task.updated_at) == (now, now)
        assert now.utcoffset() == timedelta(0)

    async def test_both_are_not_null_for_whoever_writes(self, session: AsyncSession) -> None:
        nullable = text(
            "select count(*) from information_schema.columns where table_name in ('users', 'tasks')"
            " and column_name in ('created_at', 'updated_at')"
            " and is_nullable = 'NO' and data_type = 'timestamp with time zone'"
        )
        assert (await session.exec(nullable)).scalar_one() == 4  # type: ignore[call-overload]

    async def test_a_time_without_a_zone_is_refused(
        self, session: AsyncSession, user: User
    ) -> None:
        session.add(Task(user_id=user.id, title="when?", due_at=NOON.replace(tzinfo=None)))
        with pytest.raises(StatementError, match="timezone"):
            await session.commit()

    async def test_a_time_of_another_zone_is_the_same_moment(
        self, session: AsyncSession, user: User
    ) -> None:
        there = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
        session.add(Task(user_id=user.id, title="T", due_at=there))
        await session.commit()
        session.expire_all()
        task = (await session.exec(select(Task))).one()
        assert task.due_at == NOON
        assert task.due_at.tzinfo is not None


async def test_concurrent_writers_cannot_both_take_an_address(
    database: DatabaseSessionManager,
) -> None:
    async def register(email: str) -> bool:
        async with database.session() as session:
            session.add(User(email=email, name="N"))
            await session.flush()
            await session.commit()
            return True

    outcomes = await asyncio.gather(
        register("same@example.com"), register("SAME@example.com"), return_exceptions=True
    )
    assert [outcome for outcome in outcomes if outcome is True] == [True]


def test_every_constraint_has_a_name_that_a_revision_can_drop() -> None:
    tables = [metadata.tables[name] for name in ("users", "tasks")]
    assert all(constraint.name for table in tables for constraint in table.constraints)
