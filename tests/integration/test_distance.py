"""A server that is far away: how many round trips a command takes, and what it says meanwhile."""

import asyncio
import dataclasses
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from dbctl.db import dsn
from dbctl.db.engine import DatabaseSessionManager, closing
from dbctl.db.failures import statement_failed
from dbctl.db.queries import inlined
from dbctl.db.round_trip import BatchReader, read_together
from dbctl.errors import ConnectionFailed
from dbctl.health.report import prepare, report_health
from dbctl.health.results import Finding, Status
from dbctl.settings import load_settings
from tests.support.cli import Finished, invoke
from tests.support.databases import TestServer, connected, execute, holding, wait_for
from tests.support.foreign import Driver
from tests.support.health import checks_of, statuses_of
from tests.support.project import Project, use_example
from tests.support.proxy import FaultProxy, Mode

CUT_OFF = re.compile(r"not reached: the deadline of ([\d.]+) s ended after (\d+) of (\d+) checks")
# Of dbctl's own, once it is logged in.
HEALTH, STATUS = 8, 4


@pytest.fixture
def proxy(server: TestServer) -> Iterator[FaultProxy]:
    """A proxy that counts the round trips to the embedded server."""
    with FaultProxy(server.dsn) as running:
        yield running


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The folder of a project that uses the example."""
    return use_example(tmp_path)


def run(project: Path, url: str, *arguments: str, **env: str) -> Finished:
    return invoke(*arguments, env={"DATABASE_URL": url} | env, cwd=project)


# Round trips


@pytest.mark.parametrize(
    ("arguments", "most"),
    [
        (("health", "--json"), HEALTH),
        (("health", "--json", "--only", "connection,migrations"), HEALTH),
        (("migrate", "status"), STATUS),
        (("migrate", "verify"), 5),
        (("migrate", "log"), STATUS),
        (("migrate", "up"), 7),
        (("config", "--check"), 4),
        (("inspect", "tables"), 12),
        (("inspect", "table", "users"), 38),
        (("inspect", "rows", "users"), 22),
        (("inspect", "query", "select 1 as n"), 32),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_command_on_a_database_at_the_head_takes_few_round_trips(
    proxy: FaultProxy, database_url: str, example: Path, arguments: tuple[str, ...], most: int
) -> None:
    done = run(example, proxy.url_of(database_url), *arguments)
    assert done.exit_code == 0, done.stderr
    assert 0 < sum(proxy.round_trips) <= most, proxy.round_trips


def test_status_of_one_database_takes_one_connection(
    proxy: FaultProxy, database_url: str, example: Path
) -> None:
    assert run(example, proxy.url_of(database_url), "migrate", "status").exit_code == 0
    assert proxy.accepted == 1


@pytest.mark.parametrize(
    ("command", "most"),
    [("health", HEALTH), ("status", STATUS), ("config", 6)],
    ids=["health", "status", "config"],
)
@pytest.mark.parametrize("driver", [Driver.PSYCOPG, Driver.ASYNCPG])
def test_command_beside_an_env_py_of_its_own_engine_takes_as_few(
    proxy: FaultProxy, empty_url: str, tmp_path: Path, driver: Driver, command: str, most: int
) -> None:
    project = Project.create(tmp_path, empty_url, "create table t (id int)", driver=driver)
    assert project.run("migrate", "up").exit_code == 0
    arguments = {
        "health": ("health", "--json"),
        "status": ("migrate", "status"),
        "config": ("config", "--check"),
    }[command]
    done = project.run(*arguments, DATABASE_URL=proxy.url_of(empty_url))
    assert done.exit_code == 0, done.stderr
    # What env.py's engine asks is its own; that connection is the one with the most.
    assert len(proxy.round_trips) > 1
    assert 0 < sum(proxy.round_trips) - max(proxy.round_trips) <= most, proxy.round_trips


async def test_first_connection_of_an_engine_takes_one_round_trip_and_none_after_it(
    proxy: FaultProxy, database_url: str
) -> None:
    url = proxy.url_of(database_url)
    manager = DatabaseSessionManager(dsn.parse(url, environ={}), pooling=False)
    async with closing(manager):
        for number in (1, 2):
            async with manager.connect() as connection:
                assert connection.dialect.server_version_info is not None
                assert connection.dialect.default_schema_name == "public"
                assert await connection.get_isolation_level() == "READ COMMITTED"
            assert len(proxy.round_trips) == number
    first, second = proxy.round_trips
    assert (first - second) == 1


# Far away


@pytest.mark.parametrize("milliseconds", [50, 100, 300])
def test_health_of_a_far_server_passes_within_the_default_deadline(
    server: TestServer, database_url: str, example: Path, milliseconds: int
) -> None:
    with FaultProxy(server.dsn, delay=milliseconds / 1000) as proxy:
        # Some thresholds are about the distance itself.
        near = ("--threshold", "connection.warn=2s", "--threshold", "connection.fail=2s")
        done = run(example, proxy.url_of(database_url), "health", "--json", *near)
    assert done.exit_code == 0, done.stdout
    found = checks_of(done.json)
    assert {name for name, check in found.items() if check["status"] != "pass"} <= {"connection"}
    # The server's own version may have come to its end.
    assert found["connection"]["status"] in {"pass", "warn"}
    assert found["connection"]["observedValue"] >= milliseconds
    assert found["clock"]["observedValue"] == 0


def test_status_of_a_far_server_is_answered(
    server: TestServer, database_url: str, example: Path
) -> None:
    with FaultProxy(server.dsn, delay=0.1) as proxy:
        done = run(example, proxy.url_of(database_url), "migrate", "status", "--json")
    assert (done.exit_code, done.json["state"]) == (0, "current")


@pytest.mark.parametrize("deadline", [0.8, 1.1], ids=["before the first answer", "after it"])
def test_a_check_that_the_deadline_cut_off_is_unknown_and_the_server_not_called_dead(
    server: TestServer, database_url: str, example: Path, deadline: float
) -> None:
    with FaultProxy(server.dsn, delay=0.3) as proxy:
        url = proxy.url_of(database_url)
        done = run(example, url, "health", "--json", DB_CONNECT_DEADLINE=str(deadline))
    assert done.exit_code == 0
    assert "error" not in done.json
    assert "does not answer" not in done.stdout + done.stderr
    found = checks_of(done.json)
    unknown = [check for check in found.values() if check["status"] == "unknown"]
    told = {check["output"] for check in unknown}
    (reason,) = told
    cut = CUT_OFF.fullmatch(reason)
    assert cut is not None, reason
    assert (float(cut[1]), int(cut[3])) == (deadline, len(found))
    assert int(cut[2]) == len(found) - len(unknown)
    assert found["migrations"]["status"] == "unknown"


def test_a_silent_server_is_still_called_so_however_far_it_is(
    server: TestServer, database_url: str, example: Path
) -> None:
    with FaultProxy(server.dsn, delay=0.05) as proxy:
        proxy.behave(Mode.HANG, after=b"pg_is_in_recovery")
        url = proxy.url_of(database_url)
        done = run(example, url, "health", "--json", DB_CONNECT_DEADLINE="1.5")
    assert done.exit_code == 3
    assert "does not answer" in done.json["error"]["message"]
    assert statuses_of(done.json)["connection"] == "fail"


def test_inspect_on_a_far_server_takes_the_time_that_it_takes(
    server: TestServer, database_url: str, example: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # For one statement; all of them together take longer.
    monkeypatch.setattr("dbctl.inspect.connected.patience", lambda *_: 1.5)
    with FaultProxy(server.dsn, delay=0.1) as proxy:
        done = run(example, proxy.url_of(database_url), "inspect", "table", "users")
        assert sum(proxy.round_trips) > 10
    assert done.exit_code == 0, done.stderr


# One that cannot be read among those that are read together


@pytest.mark.parametrize(
    ("revoked", "unreadable"),
    [
        (("pg_replication_slots",), {"slots"}),
        (("pg_locks",), {"blockers", "indexes", "sequences", "transactions"}),
        (("pg_replication_slots", "pg_available_extensions()"), {"slots", "extensions"}),
    ],
    ids=["slots", "locks", "two"],
)
def test_a_check_that_cannot_be_read_is_unknown_and_the_others_are_made(
    proxy: FaultProxy,
    database_url: str,
    example: Path,
    revoked: tuple[str, ...],
    unreadable: set[str],
) -> None:
    name = f"reader_{dsn.parse(database_url, environ={}).database}"
    execute(
        database_url,
        f"create role {name} login",
        f"grant select on all tables in schema public to {name}",
        *(f"revoke all on {kind(each)} pg_catalog.{each} from public" for each in revoked),
    )
    try:
        url = proxy.url_of(database_url).replace("postgres@", f"{name}@")
        done = run(example, url, "health", "--json")
    finally:
        execute(database_url, f"drop owned by {name}", f"drop role {name}")
    assert done.exit_code in (0, 1)
    found = checks_of(done.json)
    denied = {n for n, check in found.items() if "permission denied" in check.get("output", "")}
    assert denied == unreadable
    assert {found[each]["status"] for each in unreadable} == {"unknown"}
    for each in ("connection", "pool", "wraparound", "clock", "settings", "migrations"):
        assert found[each]["status"] in {"pass", "warn"}, found[each]


def kind(name: str) -> str:
    return "function" if name.endswith(")") else "table"


def test_a_check_that_waits_for_a_lock_fails_alone(database_url: str, example: Path) -> None:
    with holding(database_url, "lock table alembic_version in access exclusive mode"):
        done = run(example, database_url, "health", "--json", DB_CONNECT_DEADLINE="2")
    assert done.exit_code == 1
    found = checks_of(done.json)
    assert "statement timeout" in found["migrations"]["output"]
    assert {check["status"] for name, check in found.items() if name != "migrations"} <= {
        "pass",
        "warn",
    }


async def test_a_connection_that_a_check_opens_besides_says_nothing_of_the_one_that_is_checked(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(use_example(tmp_path))
    request = prepare(load_settings(), only=["connection", "pool"])
    connection, pool = request.checks
    nowhere = "postgresql://localhost:1/nowhere"

    async def refused(_reader: object, _context: object) -> Finding:
        other = DatabaseSessionManager(dsn.parse(nowhere), connect_deadline=0.1)
        async with closing(other), other.connect():
            raise AssertionError("somebody listens there")

    pool = dataclasses.replace(pool, run=refused)
    changed = dataclasses.replace(request, checks=(connection, pool))
    async with closing(DatabaseSessionManager(dsn.parse(database_url, environ={}))) as manager:
        report = await report_health(manager, changed)
    assert report.error is None
    found = {check.name: check for check in report.checks}
    assert found["connection"].status is not Status.FAIL
    assert found["pool"].status is Status.UNKNOWN
    assert "nothing is listening there" in found["pool"].summary


# What is read together


@asynccontextmanager
async def reader(url: str) -> AsyncIterator[BatchReader]:
    async with connected(url) as connection:
        yield BatchReader(connection)


async def test_reader_asked_at_one_time_takes_one_round_trip_and_asks_once(
    proxy: FaultProxy, empty_url: str
) -> None:
    async with reader(proxy.url_of(empty_url)) as both:
        await asyncio.gather(*(both.rows(f"select {number} as n") for number in range(5)))
        (before,) = proxy.round_trips
        one, other, same, none = await asyncio.gather(
            both.rows("select 1 as n, 'a' as \"A b\" union all select 2, null"),
            asyncio.create_task(both.rows("select pg_catalog.random() as n")),
            both.rows("select pg_catalog.random() as n"),
            both.rows("select 1 as n where false"),
        )
        (after,) = proxy.round_trips
    assert after == before + 1
    assert one == [{"n": 1, "A b": "a"}, {"n": 2, "A b": None}]
    assert other == same
    assert none == []


async def test_reader_one_statement_fails_the_others_return(empty_url: str) -> None:
    async with reader(empty_url) as both:
        statements = ("select 1 as n", "select 1 / 0", "select n from nowhere", "select 2 as n")
        found = await asyncio.gather(*map(both.rows, statements), return_exceptions=True)
        assert found[0] == [{"n": 1}]
        assert isinstance(found[1], asyncpg.DivisionByZeroError)
        assert isinstance(found[2], asyncpg.UndefinedTableError)
        assert found[3] == [{"n": 2}]
        assert await both.rows("select 3 as n") == [{"n": 3}]


@pytest.mark.parametrize("end", ["terminated", "lost"])
async def test_reader_without_a_connection_fails_for_all_who_wait(
    proxy: FaultProxy, empty_url: str, end: str
) -> None:
    if end == "lost":
        proxy.behave(Mode.RESET, after=b"pg_sleep")
    async with connected(proxy.url_of(empty_url)) as connection:
        both = BatchReader(connection)
        sleeping = "select 1 as n from pg_catalog.pg_sleep(600)"
        waiting = [asyncio.create_task(both.rows(sql)) for sql in (sleeping, "select 2 as n")]
        if end == "terminated":
            await asyncio.to_thread(
                wait_for,
                empty_url,
                "exists (select from pg_stat_activity where query like '%pg_sleep(600)%'"
                " and pid <> pg_backend_pid())",
            )
            connection.terminate()
        found = await asyncio.gather(*waiting, return_exceptions=True)
    for each in found:
        assert isinstance(each, Exception), each
        assert isinstance(statement_failed(each), ConnectionFailed)


async def test_read_together_cannot_write_nor_outlast_its_limit(empty_url: str) -> None:
    async with connected(empty_url) as connection:
        await connection.execute("create table t (id serial)")
        writing = "select pg_catalog.nextval('public.t_id_seq') as n"
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await read_together(connection, [writing])
        with pytest.raises(asyncpg.QueryCanceledError):
            await read_together(connection, ["select pg_catalog.pg_sleep(600)::text as n"], 0.05)
        # Nothing is left of the settings.
        assert await connection.fetchval(writing) == 1
        assert await connection.fetchval("show statement_timeout") == "0"
        async with connection.transaction():
            assert await read_together(connection, [writing]) == [[{"n": 2}]]


def test_read_together_shows_bytes_that_are_not_utf_8(server: TestServer) -> None:
    name = 'caf\xe9 \\ "q"'
    quoted = '"' + name.replace('"', '""') + '"'
    server.execute("create database latin encoding latin1 locale 'C' template template0")

    async def read() -> object:
        async with connected(server.url) as connection:
            sql = "select rolname as role from pg_catalog.pg_roles where rolname like 'caf%'"
            return await read_together(connection, [sql])

    try:
        server.execute(f"create role {quoted}", database="latin")
        assert asyncio.run(read()) == [[{"role": 'caf\\xe9 \\ "q"'}]]
    finally:
        server.execute(f"drop role if exists {quoted}", database="latin")
        server.execute("drop database latin")


@pytest.mark.parametrize("conforming", ["on", "off"])
async def test_inlined_value_arrives_as_it_is(empty_url: str, conforming: str) -> None:
    odd = "it's \\ a \\' b -- \n; drop table t; /* \r $1 :name %s {x} “ü”"
    sql = inlined("db", "own_tables", name=odd, schema=odd, usual_version_table=odd)
    async with connected(empty_url) as connection:
        await connection.execute(f"set standard_conforming_strings = {conforming}")
        await connection.execute("set escape_string_warning = off")
        assert await read_together(connection, [sql]) == [[]]
        literal = re.search(r"c\.relname = cast\(cast\((.*) as text\) as name\)\n", sql)
        assert literal is not None
        assert await connection.fetchval(f"select {literal[1]}") == odd
