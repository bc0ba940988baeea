"""The engine against real servers: its pool, its sessions, and every way to fail to connect."""

import asyncio
import logging
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from dbctl.db import dsn
from dbctl.db.engine import (
    DatabaseSessionManager,
    PoolStatus,
    close_db,
    closing,
    get_db,
    session_manager,
)
from dbctl.db.session import bounded
from dbctl.errors import ConnectionFailed, ErrorCode, ExitCode, OperationFailed
from dbctl.models import User
from tests.support.cli import ROOT, environment
from tests.support.databases import TestServer
from tests.support.pgbouncer import Pgbouncer
from tests.support.proxy import FaultProxy, Mode
from tests.support.tls import TlsServer, free_port
from tests.support.versions import HAS_LAST_WORD

PASSWORD = "Distinctive-Pa55word"
PATIENCE = 30  # seconds that tell a hang from a slow machine


async def pid_of(connection: AsyncConnection) -> int:
    """Return the server's process behind a connection."""
    pid: int = (await connection.execute(text("select pg_backend_pid()"))).scalar_one()
    return pid


async def used_pid(manager: DatabaseSessionManager) -> int:
    """Use a connection for a moment and return the server's process behind it."""
    async with manager.engine.connect() as connection:
        return await pid_of(connection)


async def users_in(manager: DatabaseSessionManager) -> int:
    async with manager.session() as session:
        return (await session.exec(select(func.count(col(User.id))))).one()


async def in_time[T](work: Awaitable[T]) -> T:
    async with asyncio.timeout(PATIENCE):
        return await work


@asynccontextmanager
async def managing(url: str, **options: Any) -> AsyncIterator[DatabaseSessionManager]:
    manager = DatabaseSessionManager(dsn.parse(url, environ={}), connect_deadline=20, **options)
    try:
        yield manager
    finally:
        await manager.close()


async def failure_of(url: str, *, deadline: float = 20) -> tuple[ConnectionFailed, list[str]]:
    """Fail to connect to `url`; return the error and what was told of waiting meanwhile."""
    waits: list[str] = []
    manager = DatabaseSessionManager(
        dsn.parse(url, environ={}), connect_deadline=deadline, on_wait=waits.append
    )
    with pytest.raises(ConnectionFailed) as failed:
        async with manager.connect():
            pytest.fail("it connected")
    error = failed.value
    assert (error.exit_code, error.code) == (ExitCode.UNREACHABLE, ErrorCode.CONNECTION_FAILED)
    assert error.hint
    assert manager.pool_status().checked_out == 0
    assert PASSWORD not in f"{error} {error.hint} {waits} {manager.dsn!r}"
    return error, waits


class TestPool:
    async def test_fifteen_connect_at_once_and_the_sixteenth_gets_what_is_given_back(
        self, database: DatabaseSessionManager
    ) -> None:
        async def sixteenth() -> int:
            async with database.engine.connect() as connection:
                order.append("taken")
                return await pid_of(connection)

        order: list[str] = []
        async with AsyncExitStack() as stack:
            held = [await stack.enter_async_context(database.engine.connect()) for _ in range(15)]
            pids = [await pid_of(connection) for connection in held]
            assert len(set(pids)) == 15
            in_use = PoolStatus(5, 10, checked_in=0, checked_out=15, overflow=10, recycle=3600)
            assert database.pool_status() == in_use

            waiting = asyncio.create_task(sixteenth())
            for connection in held:  # it had the time of many round trips
                await pid_of(connection)
            assert order == []
            assert database.pool_status() == in_use

            order.append("given back")
            await held[7].close()
            assert await in_time(waiting) == pids[7]
            assert order == ["given back", "taken"]
        assert database.pool_status() == PoolStatus(
            5, 10, checked_in=5, checked_out=0, overflow=0, recycle=3600
        )

    async def test_whoever_waits_too_long_is_told_that_the_pool_is_used_up(
        self, database_url: str
    ) -> None:
        options = {"pool_size": 1, "max_overflow": 1, "pool_timeout": 0.05, "label": "my/app"}
        async with managing(database_url, **options) as manager:
            async with manager.connect(), manager.connect():
                with pytest.raises(ConnectionFailed) as of_connection:
                    async with manager.connect():
                        pytest.fail("there was a third")
                with pytest.raises(ConnectionFailed) as of_session:
                    async with manager.session() as session:
                        await session.exec(select(1))
            assert await used_pid(manager)
        assert str(of_connection.value) == str(of_session.value)
        assert str(of_connection.value) == (
            "all 2 connections of the pool to my/app are in use, "
            "and none was given back within 0.05 s"
        )
        assert "DB_POOL_SIZE" in (of_connection.value.hint or "")

    async def test_while_none_comes_about_the_pool_is_not_called_used_up(self) -> None:
        nowhere = f"postgresql://app@127.0.0.1:{free_port()}/app"
        options = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 0.3}
        async with managing(nowhere, on_wait=lambda _: None, **options) as manager:
            first = asyncio.create_task(used_pid(manager))
            await asyncio.sleep(0)
            with pytest.raises(ConnectionFailed, match="nothing is listening") as failed:
                await in_time(used_pid(manager))
            assert "still trying after 0.3 s" in str(failed.value)
            first.cancel()
            await asyncio.wait({first})

    async def test_closing_leaves_a_connection_alone_that_is_in_use(
        self, database: DatabaseSessionManager
    ) -> None:
        async with database.engine.connect() as connection:
            await used_pid(database)
            pid = await pid_of(connection)
            assert database.pool_status().checked_in == 1
            await database.close()
            await asyncio.sleep(0.5)  # longer than the idle ones may take
            assert await pid_of(connection) == pid
            driver: Any = (await connection.get_raw_connection()).driver_connection
        assert driver.is_closed()

    async def test_a_connection_older_than_recycle_is_replaced_and_a_younger_one_is_not(
        self, database: DatabaseSessionManager
    ) -> None:
        records: list[Any] = []

        @event.listens_for(database.engine.sync_engine, "connect")
        def remember(_connection: object, record: object) -> None:
            records.append(record)

        first = await used_pid(database)
        records[0].starttime -= 3000
        assert await used_pid(database) == first
        records[0].starttime -= 700
        assert await used_pid(database) != first
        assert database.pool_status().checked_in == 1

    async def test_a_connection_whose_backend_is_gone_is_replaced_before_it_is_used(
        self, database: DatabaseSessionManager
    ) -> None:
        async with database.engine.connect() as other:
            lost = await used_pid(database)
            await other.execute(text("select pg_terminate_backend(:pid, 30000)"), {"pid": lost})
            assert await used_pid(database) != lost

    async def test_without_pooling_every_use_has_a_connection_of_its_own(
        self, database_url: str
    ) -> None:
        async with managing(database_url, pooling=False) as manager:
            assert await used_pid(manager) != await used_pid(manager)
            async with manager.engine.connect() as connection:
                assert not connection.in_transaction()
                assert manager.pool_status() == PoolStatus(0, 0, 0, 0, 0, -1)

    async def test_nothing_connects_before_the_first_use(self) -> None:
        nowhere = f"postgresql://app@127.0.0.1:{free_port()}/app"
        async with managing(nowhere) as manager:
            assert manager.server is None
            assert manager.pool_status().checked_out == 0


class TestSessions:
    async def test_only_what_is_committed_stays(self, database: DatabaseSessionManager) -> None:
        async with database.session() as session:
            session.add(User(email="forgotten@example.com", name="Forgotten"))
            await session.flush()
        assert await users_in(database) == 0
        async with database.session() as session:
            session.add(User(email="kept@example.com", name="Kept"))
            await session.commit()
        assert await users_in(database) == 1

    async def test_an_error_rolls_back_and_gives_the_connection_back(
        self, database: DatabaseSessionManager
    ) -> None:
        async def fail_half_way() -> None:
            async with database.session() as session:
                session.add(User(email="half@example.com", name="Half"))
                await session.flush()
                raise RuntimeError("half-way")

        with pytest.raises(RuntimeError, match="half-way"):
            await fail_half_way()
        assert await users_in(database) == 0
        assert database.pool_status().checked_out == 0

    async def test_a_connection_commits_nothing_by_itself(
        self, database: DatabaseSessionManager
    ) -> None:
        async with database.engine.connect() as connection:
            await connection.execute(text("insert into users values (gen_random_uuid(), 'a', 'A')"))
        assert await users_in(database) == 0


class TestGetDb:
    @pytest.fixture(autouse=True)
    def _database_url(self, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DATABASE_URL", database_url)

    async def test_one_session_lives_as_long_as_the_request(self) -> None:
        requests = get_db()
        session = await anext(requests)
        assert isinstance(session, AsyncSession)
        session.add(User(email="new@example.com", name="New"))
        await session.commit()
        await session.exec(select(User))
        manager = await session_manager()
        assert manager.pool_status().checked_out == 1
        with suppress(StopAsyncIteration):
            await anext(requests)
        assert manager.pool_status().checked_out == 0
        assert not session.in_transaction()
        assert await users_in(manager) == 1
        await close_db()
        assert manager.pool_status().checked_in == 0

    async def test_an_error_in_the_endpoint_rolls_back(self) -> None:
        requests = get_db()
        session = await anext(requests)
        session.add(User(email="new@example.com", name="New"))
        await session.flush()
        with pytest.raises(RuntimeError, match="endpoint"):
            await requests.athrow(RuntimeError("endpoint"))
        manager = await session_manager()
        assert manager.pool_status().checked_out == 0
        assert await users_in(manager) == 0
        await close_db()

    async def test_the_manager_is_made_once_and_anew_after_it_was_closed(self) -> None:
        first, second = await asyncio.gather(session_manager(), session_manager())
        assert first is second
        await close_db()
        await close_db()
        assert await session_manager() is not first

    def test_each_event_loop_has_a_pool_of_its_own_that_ends_with_it(self) -> None:
        async def request() -> DatabaseSessionManager:
            async for session in get_db():
                await session.exec(select(User))
            return await session_manager()

        first, second = asyncio.run(request()), asyncio.run(request())
        assert first is not second
        assert first.pool_status().checked_in == second.pool_status().checked_in == 0


async def test_the_first_connection_is_logged_once_and_without_the_password(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    target = replace(dsn.parse(database_url, environ={}), password=PASSWORD)
    manager = DatabaseSessionManager(target)
    await asyncio.gather(*(used_pid(manager) for _ in range(15)))
    await manager.close()
    assert await used_pid(manager)
    await manager.close()

    records = [each for each in caplog.records if "connection established" in each.getMessage()]
    server = manager.server
    assert server is not None
    assert [(each.name, each.levelname, each.getMessage()) for each in records] == [
        (
            "dbctl.db",
            "INFO",
            "Database connection established: "
            f"host={target.servers} database={target.database} server={server.version} "
            "tls=off endpoint=direct",
        )
    ]
    assert server.version[0].isdigit()
    assert PASSWORD not in caplog.text
    assert PASSWORD not in f"{manager.dsn!r} {manager.label} {server} {manager.engine.url}"


class TestFailuresToConnect:
    def test_a_name_server_that_is_silent_does_not_outlast_the_deadline(self) -> None:
        # It cannot be had on every machine, so the resolver itself is silent.
        code = (
            "import socket, sys, time; socket.getaddrinfo = lambda *_, **__: time.sleep(600);"
            "from dbctl.cli import main; sys.argv = ['dbctl', 'inspect', 'tables']; main()"
        )
        url = "postgresql://app@db.example.com/app"
        variables = environment(DATABASE_URL=url, DB_CONNECT_DEADLINE="1")
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=variables,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == ExitCode.UNREACHABLE, done.stderr
        assert "no name server answers" in done.stderr

    async def test_the_environment_does_not_reach_a_connection_that_was_not_to_read_it(
        self, database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PGTARGETSESSIONATTRS", "standby")
        async with managing(database_url) as manager:
            assert await used_pid(manager)

    async def test_an_unknown_database_is_told_at_once(self, server: TestServer) -> None:
        error, waits = await failure_of(server.url_of("absent"))
        assert 'database "absent" does not exist' in error.message
        assert "createdb absent" in (error.hint or "")
        assert waits == []

    async def test_an_unknown_role_is_told_at_once(self, server: TestServer) -> None:
        url = server.url.replace("postgres@", f"nobody_here:{PASSWORD}@")
        error, waits = await failure_of(url)
        assert 'role "nobody_here" does not exist' in error.message
        assert waits == []

    async def test_a_server_without_tls_is_told_at_once(self, pgbouncer: Pgbouncer) -> None:
        error, waits = await failure_of(pgbouncer.url_of("app", "?sslmode=require"))
        assert error.message.endswith("the server does not speak TLS")
        assert "sslmode=disable" in (error.hint or "")
        assert waits == []

    async def test_the_wrong_kind_of_server_is_told_at_once(self, server: TestServer) -> None:
        error, waits = await failure_of(f"{server.url}&target_session_attrs=standby")
        assert "no server there is a standby one" in error.message
        assert "target_session_attrs" in (error.hint or "")
        assert waits == []

    @pytest.mark.parametrize("host", ["no..where", f"{'x' * 70}.example.com", "nowhere.invalid"])
    async def test_a_host_that_does_not_exist_is_told(self, host: str) -> None:
        error, _ = await failure_of(f"postgresql://app:{PASSWORD}@{host}/app", deadline=1)
        assert "the host name is not known" in error.message or "no name server" in error.message

    async def test_where_nothing_listens_it_waits_until_the_deadline_and_says_so_once(self) -> None:
        port = free_port()
        url = f"postgresql://app:{PASSWORD}@127.0.0.1:{port}/app"
        error, waits = await in_time(failure_of(url, deadline=0.5))
        label = f"127.0.0.1:{port}/app"
        assert error.message == f"cannot connect to {label}: nothing is listening there"
        assert waits == [f"waiting for {label}: nothing is listening there (up to 0.5 s)"]

    async def test_where_no_socket_is_it_waits_as_well(self, tmp_path: Path) -> None:
        error, waits = await in_time(
            failure_of(f"postgresql://app@/app?host={tmp_path}", deadline=0.5)
        )
        assert "nothing is listening there" in error.message
        assert len(waits) == 1

    async def test_of_several_hosts_the_first_that_answers_serves(
        self, pgbouncer: Pgbouncer
    ) -> None:
        both = f"127.0.0.1:{free_port()},127.0.0.1:{pgbouncer.port}"
        async with managing(f"postgresql://app@{both}/app") as manager:
            assert await used_pid(manager)

    async def test_a_server_that_comes_up_meanwhile_is_connected_to(
        self, tls_server: TlsServer
    ) -> None:
        waits: list[str] = []
        down = asyncio.Event()

        def on_wait(reason: str) -> None:
            waits.append(reason)
            down.set()

        cluster = tls_server.cluster
        await asyncio.to_thread(cluster.stop)
        try:
            async with managing(tls_server.url(sslmode="require"), on_wait=on_wait) as manager:
                connecting = asyncio.create_task(used_pid(manager))
                await in_time(down.wait())
                assert "nothing is listening there" in waits[0]
                await asyncio.to_thread(cluster.start)
                assert await in_time(connecting)
        finally:
            await asyncio.to_thread(cluster.start)
        assert len(waits) == len(set(waits))

    async def test_a_server_with_no_free_slot_is_connected_to_once_one_is_free(
        self, server: TestServer
    ) -> None:
        waits: list[str] = []
        full = asyncio.Event()

        def on_wait(reason: str) -> None:
            waits.append(reason)
            full.set()

        await asyncio.to_thread(server.execute, "CREATE ROLE single LOGIN CONNECTION LIMIT 1")
        url = server.url.replace("postgres@", "single@")
        try:
            async with (
                managing(url, pooling=False) as first,
                managing(url, pooling=False, on_wait=on_wait) as second,
            ):
                async with first.connect():
                    connecting = asyncio.create_task(used_pid(second))
                    await in_time(full.wait())
                assert await in_time(connecting)
        finally:
            await asyncio.to_thread(server.execute, "DROP ROLE single")
        assert len(waits) == 1
        assert 'too many connections for role "single"' in waits[0]


async def killed_while_it_sleeps(
    manager: DatabaseSessionManager, observer: DatabaseSessionManager, *, raw: bool
) -> None:
    """Run a statement that sleeps, as a command does, and terminate its backend meanwhile."""
    sleeping = "select nextval('runs'), pg_sleep(600)"
    runs = text("select state = 'active' from pg_stat_activity where pid = :pid")
    async with (
        closing(manager),
        manager.engine.connect() as connection,
        observer.engine.connect() as other,
    ):
        pid = await pid_of(connection)
        driver: Any = (await connection.get_raw_connection()).driver_connection
        run: Callable[[Any], Awaitable[object]] = driver.execute if raw else connection.execute
        statement = asyncio.ensure_future(run(sleeping if raw else text(sleeping)))
        async with asyncio.timeout(PATIENCE):
            while not (await other.execute(runs, {"pid": pid})).scalar_one():
                await other.rollback()  # one look at the activity per transaction
            await other.execute(text("select pg_terminate_backend(:pid)"), {"pid": pid})
            await statement


class TestFailuresOfStatements:
    @pytest.mark.parametrize("raw", [False, True], ids=["through SQLAlchemy", "on asyncpg"])
    async def test_a_backend_killed_mid_statement_leaves_the_outcome_open_and_is_not_retried(
        self, database: DatabaseSessionManager, database_url: str, raw: bool
    ) -> None:
        async with database.engine.connect() as connection:
            await connection.execute(text("create sequence runs"))
            await connection.commit()
        waits: list[str] = []
        manager = DatabaseSessionManager(dsn.parse(database_url, environ={}), on_wait=waits.append)
        with pytest.raises(ConnectionFailed) as lost:
            await killed_while_it_sleeps(manager, database, raw=raw)
        error = lost.value
        assert error.exit_code is ExitCode.UNREACHABLE
        assert error.message.startswith("the connection was lost while a statement ran")
        assert error.message.endswith("; whether it took effect is unknown")
        said = "(terminating connection due to administrator command)" in error.message
        assert raw or said == HAS_LAST_WORD
        assert error.hint
        assert waits == []
        async with database.engine.connect() as connection:
            runs = await connection.execute(text("select last_value from runs"))
            assert runs.scalar_one() == 1

    async def test_the_pool_goes_on_after_a_connection_was_lost(
        self, database: DatabaseSessionManager
    ) -> None:
        told = "terminating connection" if HAS_LAST_WORD else "connection was closed in the middle"
        with pytest.raises(DBAPIError, match=told):
            async with database.engine.connect() as connection:
                await connection.execute(text("select pg_terminate_backend(pg_backend_pid())"))
        assert await used_pid(database)
        assert database.pool_status().checked_out == 0

    async def test_what_the_driver_refuses_to_send_is_no_lost_connection(
        self, database: DatabaseSessionManager
    ) -> None:
        async def command() -> None:
            async with closing(database), database.engine.connect() as connection:
                driver: Any = (await connection.get_raw_connection()).driver_connection
                await driver.fetchval("select $1::integer")

        with pytest.raises(OperationFailed, match="the server expects 1 argument"):
            await command()

    async def test_a_connection_that_the_server_lost_is_not_ours(
        self, database: DatabaseSessionManager
    ) -> None:
        remote = "do $$ begin raise 'the other server is gone' using errcode = '08006'; end $$"
        with pytest.raises(OperationFailed, match=r"the other server is gone \(SQLSTATE 08006\)"):
            async with closing(database), database.engine.connect() as connection:
                await connection.execute(text(remote))

    async def test_what_the_server_refuses_is_told_with_its_sqlstate(
        self, database: DatabaseSessionManager
    ) -> None:
        with pytest.raises(OperationFailed) as failed:
            async with closing(database), database.engine.connect() as connection:
                await connection.execute(text("select * from absent"))
        assert failed.value.message == 'relation "absent" does not exist (SQLSTATE 42P01)'
        assert failed.value.code is ErrorCode.QUERY_FAILED

    @pytest.mark.parametrize("error", [BrokenPipeError(), FileNotFoundError("rows.csv")], ids=repr)
    async def test_what_is_not_the_servers_leaves_as_it_is(
        self, database: DatabaseSessionManager, error: OSError
    ) -> None:
        with pytest.raises(type(error)):
            async with closing(database):
                raise error


class TestNetwork:
    @pytest.fixture
    def proxy(self, database_url: str) -> Iterator[FaultProxy]:
        with FaultProxy(dsn.parse(database_url, environ={}), pace=0.002) as proxy:
            yield proxy

    @pytest.fixture
    def url(self, proxy: FaultProxy, database_url: str) -> str:
        return proxy.url_of(database_url)

    async def test_a_server_that_accepts_and_hangs_is_given_up_at_the_deadline(
        self, proxy: FaultProxy, url: str
    ) -> None:
        proxy.behave(Mode.HANG)
        waits: list[str] = []
        options: dict[str, Any] = {"connect_timeout": 0.1, "connect_deadline": 0.8}
        manager = DatabaseSessionManager(
            dsn.parse(url, environ={}), on_wait=waits.append, **options
        )
        with pytest.raises(ConnectionFailed, match="no answer in time"):
            await in_time(used_pid(manager))
        assert len(waits) == 1
        await manager.close()

    async def test_one_that_answers_at_last_is_connected_to(
        self, proxy: FaultProxy, url: str
    ) -> None:
        proxy.behave(Mode.HANG)
        waits: list[str] = []

        def on_wait(reason: str) -> None:
            waits.append(reason)
            proxy.behave(Mode.FORWARD)

        async with managing(url, connect_timeout=0.2, on_wait=on_wait) as manager:
            assert await in_time(used_pid(manager))
        assert [reason for reason in waits if "no answer in time" in reason] == waits
        assert len(waits) == 1

    @pytest.mark.parametrize("mode", [Mode.RESET, Mode.CLOSE])
    async def test_one_that_hangs_up_is_tried_again(
        self, proxy: FaultProxy, url: str, mode: Mode
    ) -> None:
        proxy.behave(mode)
        waits: list[str] = []

        def on_wait(reason: str) -> None:
            waits.append(reason)
            proxy.behave(Mode.FORWARD)

        async with managing(url, on_wait=on_wait) as manager:
            assert await in_time(used_pid(manager))
        assert len(waits) == 1

    async def test_a_slow_one_is_waited_for(self, proxy: FaultProxy, url: str) -> None:
        async with managing(url) as manager, manager.engine.connect() as connection:
            proxy.behave(Mode.TRICKLE)
            answer = await in_time(connection.execute(text("select repeat('x', 20)")))
            assert answer.scalar_one() == "x" * 20
            proxy.behave(Mode.FORWARD)

    @pytest.mark.parametrize("mode", [Mode.RESET, Mode.CLOSE])
    async def test_one_that_dies_mid_statement_leaves_the_outcome_open(
        self, proxy: FaultProxy, url: str, mode: Mode
    ) -> None:
        async def command() -> None:
            manager = DatabaseSessionManager(dsn.parse(url, environ={}), on_wait=waits.append)
            async with closing(manager), manager.engine.connect() as connection:
                await pid_of(connection)
                proxy.behave(mode, after=b"pg_sleep")
                await connection.execute(text("select pg_sleep(600)"))

        waits: list[str] = []
        with pytest.raises(ConnectionFailed, match="whether it took effect is unknown"):
            await in_time(command())
        assert waits == []

    async def test_a_connection_cut_while_idle_is_replaced(
        self, proxy: FaultProxy, url: str
    ) -> None:
        async with managing(url) as manager:
            first = await used_pid(manager)
            proxy.behave(Mode.RESET)
            proxy.behave(Mode.FORWARD)
            assert await in_time(used_pid(manager)) != first

    async def test_a_connection_that_went_silent_is_replaced_together_with_its_pool(
        self, proxy: FaultProxy, url: str
    ) -> None:
        async with managing(url) as manager:
            manager.connect_deadline = 1
            async with manager.engine.connect() as first, manager.engine.connect() as second:
                lost = {await pid_of(first), await pid_of(second)}
            proxy.behave(Mode.HANG, after=b"select\0")  # the ping, and nothing of a login
            assert await in_time(used_pid(manager)) not in lost
            proxy.wait_for_fault()
            proxy.behave(Mode.FORWARD)
            async with manager.engine.connect() as first, manager.engine.connect() as second:
                assert lost.isdisjoint({await pid_of(first), await pid_of(second)})

    async def test_where_the_server_stays_silent_the_deadline_ends_the_next_use(
        self, proxy: FaultProxy, url: str
    ) -> None:
        async with managing(url, on_wait=lambda _: None) as manager:
            await used_pid(manager)
            proxy.behave(Mode.HANG)
            manager.connect_deadline = 0.5
            with pytest.raises(ConnectionFailed, match="no answer in time"):
                await in_time(used_pid(manager))

    async def test_a_silent_server_is_told_before_the_attempt_is_over(
        self, proxy: FaultProxy, url: str
    ) -> None:
        proxy.behave(Mode.HANG)
        error, waits = await in_time(failure_of(url, deadline=1.5))
        assert "no answer in time" in error.message
        assert [wait.partition(": ")[2] for wait in waits] == ["no answer yet (up to 1.5 s)"]

    async def test_bounded_work_ends_where_the_server_goes_silent(
        self, proxy: FaultProxy, url: str
    ) -> None:
        async def work() -> None:
            async with manager.engine.connect() as connection:
                await pid_of(connection)
                proxy.behave(Mode.HANG)
                await pid_of(connection)

        async with managing(url) as manager:
            with pytest.raises(ConnectionFailed, match="but does not answer"):
                await in_time(bounded(manager, work(), 0.5))
            assert manager.pool_status().checked_out == 0

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_ends_a_look_at_a_server_that_went_silent(
        self, proxy: FaultProxy, url: str, number: signal.Signals
    ) -> None:
        proxy.behave(Mode.HANG, after=b"idle_in_transaction_session_timeout")
        process = subprocess.Popen(
            [sys.executable, "-m", "dbctl", "inspect", "tables"],
            env=environment(DATABASE_URL=url),
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            proxy.wait_for_fault()
            started = time.monotonic()
            process.send_signal(number)
            process.communicate(timeout=PATIENCE)
            assert time.monotonic() - started < 10  # the bound is at 40 s
        finally:
            process.kill()
            process.communicate()
        assert process.returncode == 128 + number
