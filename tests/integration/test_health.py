"""Health against a real server: as it should be, and through a proxy that breaks in every way."""

import asyncio
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote, unquote

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.db import dsn
from dbctl.db.engine import DatabaseSessionManager, closing
from dbctl.db.pgbinaries import find_binaries, runnable_by
from dbctl.db.pgcluster import Cluster
from dbctl.db.pgfiles import make_service_folder
from dbctl.db.pgprocess import run as run_program
from dbctl.db.pgprocess import service_account
from dbctl.errors import ExitCode
from dbctl.health import report
from dbctl.health.checks import check_pool, load_revisions
from dbctl.health.results import HealthReport, Status, Value
from dbctl.settings import load_settings
from tests.support.cli import Finished, invoke, run_dbctl
from tests.support.databases import TestServer, execute
from tests.support.pgbouncer import Pgbouncer
from tests.support.project import Project
from tests.support.proxy import FaultProxy, Mode, Trigger
from tests.support.tls import PASSWORD, TlsServer

# Seconds that tell a run that ends, on however slow a machine, from one that hangs.
HANG = 60.0
NO_CONNECTION = {"connection": "fail", "migrations": "unknown", "pool": "unknown"}
HEALTHY = {"connection": "pass", "migrations": "pass", "pool": "pass"}


@dataclass(frozen=True)
class Looked:
    """A run of `dbctl health --json` and the seconds it took."""

    done: Finished
    seconds: float

    @property
    def statuses(self) -> dict[str, str]:
        """The status of each check."""
        return {check["name"]: check["status"] for check in self.done.json["checks"]}

    def check(self, name: str) -> Any:
        """Return one check of the document."""
        (found,) = (check for check in self.done.json["checks"] if check["name"] == name)
        return found


def health(url: str, *arguments: str, deadline: float = 2.0, **env: str) -> Looked:
    # One try may take for ever, so that nothing but the deadline ends it.
    patience = {"DB_CONNECT_TIMEOUT": "600", "DB_CONNECT_DEADLINE": str(deadline)}
    variables = {"DATABASE_URL": url} | patience | env
    started = time.monotonic()
    done = invoke("health", "--json", *arguments, env=variables)
    return Looked(done, time.monotonic() - started)


def waiting_manager(url: str, on_wait: list[str]) -> DatabaseSessionManager:
    return DatabaseSessionManager(
        dsn.parse(url, environ={}), connect_timeout=20, on_wait=on_wait.append
    )


async def look(
    url: str, *, wait: float | None = None, notices: list[str] | None = None
) -> HealthReport:
    told: list[str] = [] if notices is None else notices
    settings = load_settings()
    revisions = load_revisions(settings)
    async with closing(waiting_manager(url, told)) as manager:
        return await report.report_health(
            manager, settings, revisions, wait=wait, on_wait=told.append
        )


def status_of(found: HealthReport, name: str) -> Status:
    (check,) = (check for check in found.checks if check.name == name)
    return check.status


def observed_of(found: HealthReport, name: str) -> Mapping[str, Value]:
    (check,) = (check for check in found.checks if check.name == name)
    return check.observed


@pytest.fixture
def proxy(server: TestServer) -> Iterator[FaultProxy]:
    """A proxy before the embedded server that forwards until it is told otherwise."""
    with FaultProxy(server.dsn) as running:
        yield running


def test_a_database_at_the_head_is_healthy(database_url: str) -> None:
    looked = health(database_url)
    document = looked.done.json
    assert (looked.done.exit_code, looked.done.stderr) == (0, "")
    assert document["status"] == "pass"
    assert "error" not in document
    assert document["environment"] == "development"
    assert looked.statuses == HEALTHY
    connection = looked.check("connection")["observed"]
    assert 0 < connection["latency_ms"] < 1000
    assert connection["database"] in database_url
    assert (connection["tls"], connection["endpoint"]) == ("off", "direct")
    assert (connection["user"], connection["in_recovery"]) == ("postgres", False)
    migrations = looked.check("migrations")["observed"]
    assert migrations["current"] == migrations["head"] != []
    assert migrations["pending"] == []


def test_the_pool_is_counted_with_its_settings_and_the_servers(database_url: str) -> None:
    looked = health(database_url, DB_POOL_SIZE="7", DB_MAX_OVERFLOW="2", DB_POOL_RECYCLE="-1")
    observed = looked.check("pool")["observed"]
    assert (observed["size"], observed["max_overflow"], observed["checked_out"]) == (7, 2, 1)
    assert observed["recycle_seconds"] is None
    usable = observed["max_connections"] - observed["reserved_connections"]
    assert observed["server_connections_usable"] == usable
    assert 1 <= observed["server_connections_used"] < usable


def test_a_pool_that_the_server_has_no_room_for_is_a_warning(database_url: str) -> None:
    looked = health(database_url, DB_POOL_SIZE="90", DB_MAX_OVERFLOW="30")
    assert (looked.done.exit_code, looked.done.json["status"]) == (0, "warn")
    pool = looked.check("pool")
    assert pool["status"] == "warn"
    assert "DB_POOL_SIZE" in pool["remedy"]


@pytest.mark.parametrize(
    ("percent", "status", "exit_code"), [(60, "pass", 0), (85, "warn", 0), (97, "fail", 1)]
)
async def test_a_server_that_runs_out_of_connections_warns_and_then_fails(
    database_url: str, percent: int, status: str, exit_code: int
) -> None:
    keywords = dsn.parse(database_url, environ={}).connect_kwargs()
    usable = observed_of(await look(database_url), "pool")["server_connections_usable"]
    assert isinstance(usable, int)
    crowd = [await asyncpg.connect(**keywords) for _ in range(usable * percent // 100)]
    try:
        found = await look(database_url)
    finally:
        await asyncio.gather(*(connection.close() for connection in crowd))
    assert (status_of(found, "pool"), found.exit_code) == (status, exit_code)


async def test_a_role_without_privileges_counts_the_same_connections(
    database: DatabaseSessionManager,
) -> None:
    async def counted(connection: AsyncConnection, role: str) -> Value:
        await connection.exec_driver_sql(f"set role {role}")
        found = await check_pool(connection, database.pool_status())
        return found.observed["server_connections_used"]

    async with database.connect() as connection:
        await connection.exec_driver_sql("create role nobody_special")
        # Sessions of the tests before this one may be going at this very moment.
        pairs = [
            (await counted(connection, "postgres"), await counted(connection, "nobody_special"))
            for _ in range(50)
        ]
        await connection.rollback()
    assert any(mine == theirs for mine, theirs in pairs), pairs


def test_what_a_role_may_not_read_is_unknown_and_no_failure(
    server: TestServer, database_url: str
) -> None:
    server.execute("CREATE ROLE blind LOGIN")
    try:
        looked = health(database_url.replace("postgres@", "blind@"))
    finally:
        server.execute("DROP ROLE blind")
    assert (looked.done.exit_code, looked.done.json["status"]) == (0, "warn")
    assert looked.statuses == HEALTHY | {"migrations": "unknown"}
    assert "permission denied" in looked.check("migrations")["summary"]


def test_an_empty_database_fails_and_the_remedy_is_a_command(empty_url: str) -> None:
    looked = health(empty_url)
    assert (looked.done.exit_code, "error" in looked.done.json) == (1, False)
    assert looked.statuses == HEALTHY | {"migrations": "fail"}
    assert looked.check("migrations")["observed"]["state"] == "empty"
    assert looked.check("migrations")["remedy"] == "dbctl migrate up"
    assert looked.done.stderr == ""


@pytest.fixture
def project(tmp_path: Path, empty_url: str) -> Project:
    """A project with two revisions, none of them applied."""
    return Project.create(tmp_path, empty_url, "create table a ()", "create table b ()")


def migrations_of(project: Project, *arguments: str) -> tuple[int, str, str]:
    done = project.run("health", "--json", *arguments)
    (found,) = (check for check in done.json["checks"] if check["name"] == "migrations")
    return done.exit_code, found["status"], found["summary"]


def test_pending_revisions_fail_unless_they_are_allowed(project: Project) -> None:
    assert project.run("migrate", "up", "r1").exit_code == 0
    assert migrations_of(project) == (1, "fail", "1 revision pending after r1")
    assert migrations_of(project, "--allow-pending") == (0, "warn", "1 revision pending after r1")
    assert project.run("migrate", "up").exit_code == 0
    assert migrations_of(project) == (0, "pass", "at the head, r2")


def test_old_code_on_a_newer_database_is_a_warning(project: Project) -> None:
    assert project.run("migrate", "up").exit_code == 0
    (project.root / "alembic" / "versions" / "r2.py").unlink()
    code, status, summary = migrations_of(project)
    assert (code, status) == (0, "warn")
    assert "at r2, which this checkout does not have" in summary


def test_tables_without_a_version_fail_even_where_pending_is_allowed(project: Project) -> None:
    execute(project.url, "create table a ()")
    code, status, summary = migrations_of(project, "--allow-pending")
    assert (code, status, summary) == (1, "fail", "the database has tables but no version")


def test_two_heads_fail_until_the_database_is_at_both(project: Project) -> None:
    assert project.run("migrate", "up").exit_code == 0
    project.add_revision("r3", "pass", after=["r1"])
    assert migrations_of(project) == (1, "fail", "the revisions have 2 heads")
    assert project.run("migrate", "up", "heads").exit_code == 0
    assert migrations_of(project) == (0, "pass", "at the head, r2, r3")


def test_revisions_that_cannot_be_loaded_are_a_result_and_no_crash(project: Project) -> None:
    project.write_alembic("versions/r3.py", "raise RuntimeError('[red]broken[/red]')")
    done = project.run("health", "--json", "--wait", "60")
    assert (done.exit_code, "error" in done.json) == (1, False)
    connection, migrations, pool = done.json["checks"]
    assert (connection["status"], pool["status"]) == ("pass", "pass")
    assert migrations["status"] == "fail"
    assert "[red]broken[/red]" in migrations["summary"]


@contextmanager
def locked(url: str, table: str) -> Iterator[None]:
    """Keep everybody from reading a table of the database."""
    with asyncio.Runner() as runner:
        other = runner.run(asyncpg.connect(**dsn.parse(url, environ={}).connect_kwargs()))
        runner.run(other.execute(f"begin; lock table {table} in access exclusive mode"))
        yield
        runner.run(other.close())


@pytest.mark.parametrize("arguments", [[], ["--wait", "2"]])
def test_a_statement_that_waits_for_a_lock_fails_its_check_and_not_the_connection(
    database_url: str, arguments: list[str]
) -> None:
    with locked(database_url, "alembic_version"):
        looked = health(database_url, *arguments)
    assert (looked.done.exit_code, "error" in looked.done.json) == (1, False)
    assert looked.statuses == HEALTHY | {"migrations": "fail"}
    assert "statement timeout" in looked.check("migrations")["summary"]


def test_revisions_are_loaded_once_and_their_time_is_not_the_servers(project: Project) -> None:
    loads = project.root / "loads"
    project.write_alembic(
        "versions/slow.py",
        "import pathlib, time\n"
        "revision, down_revision = 'slow', 'r2'\n"
        f"with pathlib.Path({str(loads)!r}).open('a') as file:\n    file.write('x')\n"
        "time.sleep(3)\n",
    )
    done = project.run("health", "--json", "--wait", "2")
    assert (done.exit_code, "error" in done.json) == (1, False)
    assert done.stderr.count("waiting for") == 1
    assert loads.read_text() == "x"


def test_tls_and_its_version_are_told(tls_server: TlsServer) -> None:
    looked = health(tls_server.url(sslmode="verify-full", sslrootcert=tls_server.authority))
    assert looked.check("connection")["observed"]["tls"].startswith("TLSv1.")


@pytest.fixture
def standby_url() -> Iterator[str]:
    """The URL of a server that is in recovery, as one that was demoted after a failover."""
    account = service_account()
    with TemporaryDirectory(prefix="dbctl-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        sockets, data = folder / "socket", folder / "data"
        make_service_folder(sockets, account)
        binaries = runnable_by(find_binaries(), account, folder)
        cluster = Cluster(data_dir=data, socket_dir=sockets, binaries=binaries, account=account)
        cluster.initialise(database="app")
        (data / "standby.signal").touch()
        options = f"-k {sockets} -p {cluster.port} -c listen_addresses=''"
        control: list[str | Path] = [binaries / "pg_ctl", "-D", data, "-w"]
        log = data / "standby.log"
        started = run_program([*control, "-o", options, "-l", log, "start"], account)
        assert started.returncode == 0, started.output
        try:
            yield f"postgresql://postgres@/app?host={quote(str(sockets), safe='')}"
        finally:
            run_program([*control, "-m", "fast", "stop"], account)


def test_a_standby_is_a_warning_for_whoever_writes(standby_url: str) -> None:
    connection = health(standby_url).check("connection")
    assert (connection["status"], connection["observed"]["in_recovery"]) == ("warn", True)
    assert connection["summary"].startswith("standby, read-only · ")
    assert "primary" in connection["remedy"]


def test_a_pooler_is_told_and_its_clients_are_not_the_servers(
    pgbouncer: Pgbouncer, database_url: str
) -> None:
    name = dsn.parse(database_url, environ={}).database
    assert name is not None
    looked = health(pgbouncer.url_of(name), DB_POOL_SIZE="500")
    assert looked.statuses == HEALTHY
    assert looked.check("connection")["observed"]["endpoint"] == "pooled"


# No connection


def assert_unreachable(looked: Looked) -> None:
    document = looked.done.json
    assert looked.done.exit_code == 3
    assert looked.statuses == NO_CONNECTION
    assert (document["status"], document["error"]["code"]) == ("fail", "connection_failed")
    assert document["error"]["hint"] == looked.check("connection")["remedy"]
    assert looked.check("connection")["summary"] in document["error"]["message"]
    assert looked.seconds < HANG


def test_a_server_that_is_down_is_exit_3_at_the_deadline(
    proxy: FaultProxy, database_url: str
) -> None:
    proxy.behave(Mode.REFUSE)
    looked = health(proxy.url_of(database_url), deadline=1)
    assert_unreachable(looked)
    assert looked.check("connection")["summary"] == "nothing is listening there"
    assert looked.done.json["error"]["message"].endswith(" (tried for 1 s)")
    assert looked.done.stderr.endswith(" (up to 1 s)\n")


def test_a_wrong_password_fails_at_once_however_long_one_would_wait(
    tls_server: TlsServer,
) -> None:
    url = tls_server.url(password=f"not-{PASSWORD}", sslmode="require")
    looked = health(url, "--wait", "600", deadline=600)
    assert_unreachable(looked)
    assert "password authentication failed" in looked.done.json["error"]["message"]
    assert PASSWORD not in looked.done.stdout + looked.done.stderr
    assert PASSWORD not in unquote(looked.done.stdout + looked.done.stderr)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [("/test_", "/no_such_", "does not exist"), ("postgres@", "nobody@", "does not exist")],
)
def test_a_name_that_does_not_exist_fails_at_once_however_long_one_would_wait(
    database_url: str, old: str, new: str, told: str
) -> None:
    looked = health(database_url.replace(old, new), "--wait", "600", deadline=600)
    assert_unreachable(looked)
    assert told in looked.done.json["error"]["message"]
    assert looked.done.stderr == ""


def test_a_connection_string_that_is_none_is_an_ordinary_error() -> None:
    looked = health("nonsense")
    assert (looked.done.exit_code, looked.done.json.keys()) == (2, {"error"})


# From the first byte to the last statement: the greeting, the parameters, what asyncpg, SQLAlchemy
# and each check ask.
STARTING: list[Trigger] = [None, 1, 10, 300, 500]
STATEMENTS: list[Trigger] = [
    b"server_version",
    b"standard_conforming_strings",
    b"set_config",
    b"select 1",
    b"alembic_version",
]


@pytest.mark.parametrize("after", [*STARTING, *STATEMENTS])
def test_a_server_that_stops_answering_costs_no_more_than_the_deadline(
    proxy: FaultProxy, database_url: str, after: Trigger
) -> None:
    proxy.behave(Mode.HANG, after=after)
    looked = health(proxy.url_of(database_url), deadline=1)
    assert looked.done.exit_code == 3
    assert looked.check("connection")["status"] == "fail"
    assert looked.check("pool")["status"] == "unknown"
    assert looked.done.json["error"]["code"] == "connection_failed"
    assert 1 <= looked.seconds < HANG


def test_a_server_that_stops_answering_is_cut_off_and_not_asked_to_cancel(
    proxy: FaultProxy, database_url: str
) -> None:
    proxy.behave(Mode.HANG, after=b"alembic_version")
    looked = health(proxy.url_of(database_url), deadline=1)
    proxy.wait_for_fault()
    assert looked.done.exit_code == 3
    assert proxy.accepted == 1  # asking takes a connection of its own


@pytest.mark.parametrize("mode", [Mode.RESET, Mode.CLOSE])
@pytest.mark.parametrize("after", [*STARTING, *STATEMENTS])
def test_a_connection_that_breaks_is_told_wherever_it_does(
    proxy: FaultProxy, database_url: str, mode: Mode, after: Trigger
) -> None:
    proxy.behave(mode, after=after)
    looked = health(proxy.url_of(database_url), deadline=1)
    assert looked.done.exit_code == 3
    assert looked.check("connection")["status"] == "fail"
    assert looked.check("pool")["status"] == "unknown"
    assert looked.seconds < HANG
    assert "Transaction" not in looked.done.stdout  # what the driver says of its own clean-up


def test_answers_byte_by_byte_do_not_stretch_the_deadline(
    proxy: FaultProxy, database_url: str
) -> None:
    proxy.behave(Mode.TRICKLE)
    assert_unreachable(health(proxy.url_of(database_url), deadline=1))


def test_what_was_found_before_the_connection_broke_stays(
    proxy: FaultProxy, database_url: str
) -> None:
    proxy.behave(Mode.RESET, after=b"pg_stat_activity")
    looked = health(proxy.url_of(database_url))
    assert looked.done.exit_code == 3
    assert looked.statuses == {"connection": "fail", "migrations": "pass", "pool": "unknown"}
    assert looked.check("connection")["observed"]["latency_ms"] > 0


def test_a_server_that_does_not_take_its_leave_changes_nothing(
    proxy: FaultProxy, database_url: str
) -> None:
    farewell = b"X\x00\x00\x00\x04"
    proxy.behave(Mode.HANG, after=farewell)
    looked = health(proxy.url_of(database_url), deadline=600)
    proxy.wait_for_fault()
    assert (looked.done.exit_code, looked.statuses) == (0, HEALTHY)
    assert looked.done.stderr == ""
    assert looked.seconds < HANG


def test_the_checks_have_a_limit_of_their_own_within_a_long_deadline(
    proxy: FaultProxy, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "CHECKS_TIMEOUT", 0.5)
    proxy.behave(Mode.HANG, after=b"alembic_version")
    looked = health(proxy.url_of(database_url), deadline=600)
    assert looked.done.exit_code == 3
    assert "does not answer" in looked.check("connection")["summary"]
    assert looked.seconds < HANG


# --wait


@pytest.mark.parametrize(("mode", "attempts"), [(Mode.HANG, 1), (Mode.RESET, 5), (Mode.CLOSE, 5)])
async def test_waiting_ends_when_the_server_comes_to_itself(
    proxy: FaultProxy, database_url: str, mode: Mode, attempts: int
) -> None:
    proxy.behave(mode)
    notices: list[str] = []
    looking = asyncio.create_task(look(proxy.url_of(database_url), wait=60, notices=notices))
    await asyncio.to_thread(proxy.wait_for_connection, attempts)
    proxy.behave(Mode.FORWARD)
    assert (await looking).status is Status.PASS
    assert notices or mode is Mode.HANG
    assert sorted(set(notices)) == sorted(notices)


async def test_waiting_ends_when_the_server_comes_up(proxy: FaultProxy, database_url: str) -> None:
    proxy.behave(Mode.REFUSE)
    refused = asyncio.Event()

    class Notices(list[str]):
        def append(self, text: str) -> None:
            super().append(text)
            refused.set()

    notices = Notices()
    looking = asyncio.create_task(look(proxy.url_of(database_url), wait=60, notices=notices))
    await asyncio.wait_for(refused.wait(), 30)
    proxy.behave(Mode.FORWARD)
    assert (await looking).status is Status.PASS
    (notice,) = notices
    assert "nothing is listening there" in notice


async def test_waiting_survives_a_connection_that_is_lost_in_a_check(
    proxy: FaultProxy, database_url: str
) -> None:
    proxy.behave(Mode.RESET, after=b"alembic_version")
    notices: list[str] = []
    looking = asyncio.create_task(look(proxy.url_of(database_url), wait=60, notices=notices))
    await asyncio.to_thread(proxy.wait_for_fault, 2)
    proxy.behave(Mode.FORWARD)
    assert (await looking).status is Status.PASS
    (notice,) = notices
    assert "connection was lost" in notice


async def test_waiting_sees_the_migrations_that_another_job_applies(
    empty_url: str,
) -> None:
    seen = asyncio.Event()
    told: list[str] = []

    def on_wait(text: str) -> None:
        told.append(text)
        seen.set()

    async with closing(waiting_manager(empty_url, [])) as manager:
        settings = load_settings()
        looking = asyncio.create_task(
            report.report_health(
                manager, settings, load_revisions(settings), wait=60, on_wait=on_wait
            )
        )
        await asyncio.wait_for(seen.wait(), 30)
        done = await asyncio.to_thread(run_dbctl, "migrate", "up", env={"DATABASE_URL": empty_url})
        assert done.exit_code == 0
        assert (await looking).status is Status.PASS
    (notice,) = told
    assert "migrations: the database is empty, 1 revision pending" in notice


def test_waiting_ends_with_the_last_finding_when_nothing_changes(empty_url: str) -> None:
    looked = health(empty_url, "--wait", "2")
    assert (looked.done.exit_code, "error" in looked.done.json) == (1, False)
    assert looked.check("migrations")["observed"]["state"] == "empty"
    assert looked.done.stderr.count("waiting for") == 1
    assert looked.seconds < HANG


def test_waiting_is_longer_than_the_deadline_of_the_settings(
    proxy: FaultProxy, database_url: str
) -> None:
    proxy.behave(Mode.REFUSE)
    looked = health(proxy.url_of(database_url), "--wait", "3", deadline=0.1)
    assert_unreachable(looked)
    assert looked.seconds > 2


async def test_a_last_look_that_is_cut_short_leaves_the_finding_before_it(
    proxy: FaultProxy, empty_url: str
) -> None:
    settings = load_settings()
    async with closing(waiting_manager(proxy.url_of(empty_url), [])) as manager:
        found = await report.report_health(
            manager,
            settings,
            load_revisions(settings),
            wait=2,
            on_wait=lambda _: proxy.behave(Mode.HANG),
        )
    assert (found.exit_code, found.error) == (ExitCode.FINDING, None)
    assert observed_of(found, "migrations")["state"] == "empty"


async def test_the_time_that_is_told_is_that_of_all_looks(
    proxy: FaultProxy, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "CHECKS_TIMEOUT", 0.3)
    proxy.behave(Mode.HANG, after=b"alembic_version")
    notices: list[str] = []
    found = await look(proxy.url_of(database_url), wait=3, notices=notices)
    assert found.error is not None
    waited = re.search(r"does not answer \(waited (\d+) s\)$", found.error.message)
    assert waited is not None
    assert int(waited[1]) >= 2
    assert len(notices) == 1
