"""Behind a real pgbouncer in transaction mode: found out, and right however often it is used."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, func, select

from dbctl.db import dsn
from dbctl.db.engine import DatabaseSessionManager
from dbctl.db.failures import driver_error
from dbctl.models import Task, User
from tests.support.cli import run_dbctl
from tests.support.pgbouncer import POOL_SIZE, Pgbouncer

SESSIONS = 24
ROUNDS = 8


@pytest.fixture
def database_name(database_url: str) -> str:
    name = dsn.parse(database_url, environ={}).database
    assert name is not None
    return name


@pytest.fixture
def pooled_url(pgbouncer: Pgbouncer, database_name: str) -> str:
    """The URL of a database at the head, through pgbouncer."""
    return pgbouncer.url_of(database_name)


@asynccontextmanager
async def managing(url: str) -> AsyncIterator[DatabaseSessionManager]:
    parsed = dsn.parse(url, environ={})
    manager = DatabaseSessionManager(parsed, max_overflow=SESSIONS, connect_deadline=20)
    try:
        yield manager
    finally:
        await manager.close()


async def ask_all_at_once(manager: DatabaseSessionManager) -> None:
    """Let many sessions ask many different questions over few server connections."""
    together = asyncio.Barrier(SESSIONS)

    async def ask(number: int) -> None:
        async with manager.engine.connect() as connection:
            await together.wait()  # each holds a connection of its own
            for turn in range(ROUNDS):
                varied = text(f"select :given + {number} * 1000, '{number}/{turn % 3}'")
                answer = (await connection.execute(varied, {"given": turn})).one()
                assert tuple(answer) == (number * 1000 + turn, f"{number}/{turn % 3}")
                await connection.commit()  # another client may get the server connection

    async with asyncio.TaskGroup() as group:
        for number in range(SESSIONS):
            group.create_task(ask(number))


async def ask_twice_on_different_servers(manager: DatabaseSessionManager) -> None:
    """Let one session repeat a statement on a server connection that has never seen it."""
    ask = text("select pg_backend_pid()")
    async with manager.engine.connect() as session, AsyncExitStack() as stack:
        first = (await session.execute(ask)).scalar_one()
        await session.commit()
        others = [
            await stack.enter_async_context(manager.engine.connect()) for _ in range(POOL_SIZE)
        ]
        held = {(await other.execute(ask)).scalar_one(): other for other in others}
        assert first in held, "the others hold every server connection"
        _, free = next(each for each in held.items() if each[0] != first)
        await free.rollback()
        assert (await session.execute(ask)).scalar_one() != first


async def server_connections(manager: DatabaseSessionManager) -> int:
    async with manager.engine.connect() as connection:
        count = await connection.execute(
            text("select count(*) from pg_stat_activity where datname = current_database()")
        )
        return int(count.scalar_one())


@pytest.mark.parametrize("hint", ["", "?pgbouncer=true"], ids=["found out", "told"])
async def test_many_sessions_at_once_get_their_own_answers(pooled_url: str, hint: str) -> None:
    async with managing(pooled_url + hint) as manager:
        await ask_all_at_once(manager)
        assert manager.server is not None
        assert manager.server.pooled
        assert await server_connections(manager) <= POOL_SIZE, "the pooler shared them"


async def test_a_statement_can_be_repeated_on_another_server_connection(pooled_url: str) -> None:
    async with managing(pooled_url) as manager:
        await ask_twice_on_different_servers(manager)


async def test_with_a_statement_cache_it_could_not(
    pooled_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = asyncpg.connect

    async def with_cache(**keywords: object) -> object:
        return await plain(**keywords | {"statement_cache_size": 100})

    monkeypatch.setattr(asyncpg, "connect", with_cache)
    async with managing(pooled_url) as manager:
        with pytest.raises(DBAPIError) as failed:
            await ask_twice_on_different_servers(manager)
    error = driver_error(failed.value)
    assert isinstance(error, asyncpg.InvalidSQLStatementNameError), "26000"


@pytest.mark.parametrize("hint", ["", "?pgbouncer=true"], ids=["found out", "told"])
async def test_no_statement_stays_behind_on_the_server(pooled_url: str, hint: str) -> None:
    async with managing(pooled_url + hint) as manager:
        await ask_all_at_once(manager)
        async with manager.engine.connect() as connection:
            left = await connection.execute(text("select name from pg_prepared_statements"))
            assert left.scalars().all() == []


async def test_the_schema_works_through_it(pooled_url: str) -> None:
    async with managing(pooled_url) as manager:

        async def work(number: int) -> None:
            async with manager.session() as session:
                user = User(email=f"user{number}@example.com", name=f"User {number}")
                session.add(user)
                session.add(Task(user_id=user.id, title=f"Task {number}", tags=[str(number)]))
                await session.commit()
            async with manager.session() as session:
                found = await session.exec(select(Task).where(Task.user_id == user.id))
                assert found.one().title == f"Task {number}"
                await session.delete(await session.get_one(User, user.id))
                await session.commit()

        async with asyncio.TaskGroup() as group:
            for number in range(SESSIONS):
                group.create_task(work(number))
        async with manager.session() as session:
            assert (await session.exec(select(func.count(col(Task.id))))).one() == 0


async def test_a_direct_server_is_not_taken_for_a_pooler(database: DatabaseSessionManager) -> None:
    async with database.engine.connect() as connection:
        marked = await connection.execute(text("select current_setting('dbctl.session')"))
        assert marked.scalar_one() == "direct"
        prepared = await connection.execute(text("select count(*) from pg_prepared_statements"))
        assert prepared.scalar_one() > 0, "statements are cached where that is safe"
    assert database.server is not None
    assert not database.server.pooled


def test_migrations_run_through_it(pgbouncer: Pgbouncer, empty_url: str) -> None:
    name = dsn.parse(empty_url, environ={}).database
    assert name is not None
    env = {"DATABASE_URL": pgbouncer.url_of(name)}
    up = run_dbctl("migrate", "up", "--json", "--allow-pooler", env=env)
    assert (up.exit_code, up.stderr) == (0, "")
    assert up.json["after"] != []
