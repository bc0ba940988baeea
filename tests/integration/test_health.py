"""Health against a real server: as it should be, and through a proxy that breaks in every way."""

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote, unquote

import asyncpg
import pytest

from dbctl.db import dsn
from dbctl.db.engine import DatabaseSessionManager, closing
from dbctl.db.pgbinaries import find_binaries, runnable_by
from dbctl.db.pgcluster import Cluster
from dbctl.db.pgfiles import make_service_folder
from dbctl.db.pgprocess import run as run_program
from dbctl.db.pgprocess import service_account
from dbctl.errors import ExitCode
from dbctl.health.checks import connection as connection_check
from dbctl.health.report import Request, prepare, report_health
from dbctl.health.results import Finding, HealthReport, Status, Value
from dbctl.health.waiting import PAUSE, wait_for_health
from dbctl.settings import load_settings
from tests.support.cli import ROOT, Finished, environment, invoke, run_dbctl
from tests.support.databases import TestServer, execute
from tests.support.health import checks_of, statuses_of
from tests.support.pgbouncer import Pgbouncer
from tests.support.project import Project
from tests.support.proxy import FaultProxy, Mode, Trigger
from tests.support.tls import PASSWORD, TlsServer

pytestmark = pytest.mark.usefixtures("ageless")

# The other checks have modules of their own.
NAMES = "connection,migrations,pool"
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
        return statuses_of(self.done.json)

    def check(self, name: str) -> Any:
        """Return one check of the document."""
        return checks_of(self.done.json)[name]


def health(url: str, *arguments: str, deadline: float = 2.0, **env: str) -> Looked:
    # One try may take for ever, so that nothing but the deadline ends it.
    patience = {"DB_CONNECT_TIMEOUT": "600", "DB_CONNECT_DEADLINE": str(deadline)}
    variables = {"DATABASE_URL": url} | patience | env
    started = time.monotonic()
    done = invoke("health", "--json", "--only", NAMES, *arguments, env=variables)
    return Looked(done, time.monotonic() - started)


def waiting_manager(url: str, on_wait: list[str]) -> DatabaseSessionManager:
    return DatabaseSessionManager(
        dsn.parse(url, environ={}), connect_timeout=20, on_wait=on_wait.append
    )


def request_of(seconds: float | None = None) -> Request:
    """Return a request for the checks of this module; `seconds` is what each may take."""
    request = prepare(load_settings(), only=[NAMES])
    if seconds is None:
        return request
    return replace(
        request, checks=tuple(replace(check, seconds=seconds) for check in request.checks)
    )


async def look(
    url: str,
    *,
    wait: float | None = None,
    notices: list[str] | None = None,
    request: Request | None = None,
) -> HealthReport:
    told: list[str] = [] if notices is None else notices
    request = request or request_of()
    async with closing(waiting_manager(url, told)) as manager:
        if wait is None:
            return await report_health(manager, request)
        return await wait_for_health(manager, request, seconds=wait, on_wait=told.append)


def status_of(found: HealthReport, name: str) -> Status:
    (check,) = (check for check in found.checks if check.name == name)
    return check.status


def summary_of(found: HealthReport, name: str) -> str:
    (check,) = (check for check in found.checks if check.name == name)
    return check.summary


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


def test_what_a_role_may_not_read_is_unknown_and_no_failure(
    server: TestServer, database_url: str
) -> None:
    server.execute("CREATE ROLE blind LOGIN")
    blind_url = database_url.replace("postgres@", "blind@")
    try:
        looked = health(blind_url, "--drift")
        remedy = looked.check("migrations")["remedy"]
        execute(database_url, remedy)
        granted = health(blind_url, "--drift")
        execute(database_url, granted.check("drift")["remedy"])
        compared = health(blind_url, "--drift")
    finally:
        execute(database_url, "DROP OWNED BY blind", "DROP ROLE blind")
    assert (looked.done.exit_code, looked.done.json["status"]) == (0, "unknown")
    assert looked.statuses == HEALTHY | {"migrations": "unknown", "drift": "unknown"}
    assert looked.check("migrations")["output"] == "permission denied for public.alembic_version"
    assert remedy == looked.check("drift")["remedy"]
    assert remedy == "GRANT SELECT ON public.alembic_version TO blind;"
    assert granted.statuses == HEALTHY | {"drift": "unknown"}
    assert compared.statuses == HEALTHY | {"drift": "pass"}


def test_a_version_in_a_schema_out_of_reach_is_unknown_and_not_missing(
    server: TestServer, database_url: str
) -> None:
    server.execute('CREATE ROLE "select" LOGIN')
    role_url = database_url.replace("postgres@", "select@")
    try:
        execute(database_url, "REVOKE USAGE ON SCHEMA public FROM PUBLIC")
        looked = health(role_url)
        execute(database_url, looked.check("migrations")["remedy"])
        granted = health(role_url)
    finally:
        execute(database_url, 'DROP OWNED BY "select"', 'DROP ROLE "select"')
    assert (looked.done.exit_code, looked.statuses["migrations"]) == (0, "unknown")
    assert looked.check("migrations")["remedy"] == (
        'GRANT USAGE ON SCHEMA public TO "select"; '
        'GRANT SELECT ON public.alembic_version TO "select";'
    )
    assert granted.statuses["migrations"] == "pass"


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
    done = project.run("health", "--json", "--only", NAMES, *arguments)
    found = checks_of(done.json)["migrations"]
    return done.exit_code, found["status"], found.get("output", "")


def test_pending_revisions_fail_unless_they_are_allowed(project: Project) -> None:
    assert project.run("migrate", "up", "r1").exit_code == 0
    assert migrations_of(project) == (1, "fail", "1 revision pending after r1")
    assert migrations_of(project, "--allow-pending") == (0, "warn", "1 revision pending after r1")
    assert project.run("migrate", "up").exit_code == 0
    assert migrations_of(project) == (0, "pass", "")


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
    assert migrations_of(project) == (0, "pass", "")


def test_revisions_that_cannot_be_loaded_are_a_result_and_no_crash(project: Project) -> None:
    project.write_alembic("versions/r3.py", "raise RuntimeError('[red]broken[/red]')")
    done = project.run("health", "--json", "--only", NAMES, "--wait", "60")
    assert (done.exit_code, "error" in done.json) == (1, False)
    assert statuses_of(done.json) == HEALTHY | {"migrations": "fail"}
    assert "[red]broken[/red]" in checks_of(done.json)["migrations"]["output"]


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
    assert "statement timeout" in looked.check("migrations")["output"]


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


@pytest.mark.parametrize(
    ("days", "status", "said"),
    [
        (-1, "warn", "out of support since "),
        (170, "warn", "supported until "),
        (190, "pass", None),
    ],
)
def test_a_server_whose_version_comes_to_its_end_is_a_warning(
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    days: int,
    status: str,
    said: str | None,
) -> None:
    last = datetime.now(UTC).date() + timedelta(days=days)
    every = dict.fromkeys(range(9, 99), last)
    monkeypatch.setattr(connection_check, "END_OF_LIFE", every)
    connection = health(database_url).check("connection")
    assert (connection["status"], "upgrade" in connection.get("remedy", "")) == (status, bool(said))
    assert connection["observed"]["supported_until"] == str(last)
    assert connection.get("output", "").startswith(f"{said}{last}" if said else "")


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
    assert connection["output"].startswith("standby, read-only · ")
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
    assert looked.check("connection")["output"] in document["error"]["message"]
    assert looked.seconds < HANG


def test_a_server_that_is_down_is_exit_3_at_the_deadline(
    proxy: FaultProxy, database_url: str
) -> None:
    proxy.behave(Mode.REFUSE)
    looked = health(proxy.url_of(database_url), deadline=1)
    assert_unreachable(looked)
    assert looked.check("connection")["output"] == "nothing is listening there"
    assert looked.done.json["error"]["message"].endswith(" (tried for 1 s)")
    assert looked.done.stderr.endswith(" (up to 1 s)\n")


def test_the_connection_is_told_of_where_it_was_not_asked_for(
    proxy: FaultProxy, database_url: str
) -> None:
    proxy.behave(Mode.RESET)
    variables = {"DATABASE_URL": proxy.url_of(database_url), "DB_CONNECT_DEADLINE": "0.5"}
    done = invoke("health", "--json", "--only", "clock", env=variables)
    assert (done.exit_code, statuses_of(done.json)) == (
        3,
        {"connection": "fail", "clock": "unknown"},
    )


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


# From the first byte to the last statement: the greeting, the parameters, what every connection is
# asked, and what the checks ask in each round trip.
STARTING: list[Trigger] = [None, 1, 10, 300, 500]
STATEMENTS: list[Trigger] = [
    b"server_version",
    b"set transaction read only",
    b"clock_timestamp",
    b"alembic_version",
    b"pg_is_in_recovery",
    b"version_num",
]


@pytest.mark.parametrize("after", [*STARTING, *STATEMENTS])
def test_a_server_that_stops_answering_costs_no_more_than_the_deadline(
    proxy: FaultProxy, database_url: str, after: Trigger
) -> None:
    proxy.behave(Mode.HANG, after=after)
    looked = health(proxy.url_of(database_url), deadline=1)
    assert looked.done.exit_code == 3
    assert looked.check("connection")["status"] == "fail"
    assert looked.check("migrations")["status"] == "unknown"
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
    proxy.behave(mode, after=after, every=True)
    looked = health(proxy.url_of(database_url), deadline=1)
    assert looked.done.exit_code == 3
    assert looked.check("connection")["status"] == "fail"
    assert looked.check("migrations")["status"] == "unknown"
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
    proxy.behave(Mode.RESET, after=b"version_num")
    looked = health(proxy.url_of(database_url))
    assert looked.done.exit_code == 3
    assert looked.statuses == {"connection": "fail", "migrations": "unknown", "pool": "pass"}
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


async def test_each_check_has_a_limit_of_its_own_within_a_long_deadline(
    proxy: FaultProxy, database_url: str
) -> None:
    proxy.behave(Mode.HANG, after=b"alembic_version")
    started = time.monotonic()
    found = await look(proxy.url_of(database_url), request=request_of(seconds=0.5))
    assert found.exit_code is ExitCode.UNREACHABLE
    assert "does not answer" in summary_of(found, "connection")
    assert time.monotonic() - started < HANG


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
    proxy.behave(Mode.RESET, after=b"alembic_version", every=True)
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
        looking = asyncio.create_task(
            wait_for_health(manager, request_of(), seconds=60, on_wait=on_wait)
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
    async with closing(waiting_manager(proxy.url_of(empty_url), [])) as manager:
        found = await wait_for_health(
            manager, request_of(), seconds=2, on_wait=lambda _: proxy.behave(Mode.HANG)
        )
    assert (found.exit_code, found.error) == (ExitCode.FINDING, None)
    assert observed_of(found, "migrations")["state"] == "empty"


async def test_the_time_that_is_told_is_that_of_all_looks(
    proxy: FaultProxy, database_url: str
) -> None:
    proxy.behave(Mode.HANG, after=b"alembic_version")
    notices: list[str] = []
    request = request_of(seconds=0.3)
    found = await look(proxy.url_of(database_url), wait=3, notices=notices, request=request)
    assert found.error is not None
    waited = re.search(r"does not answer \(waited (\d+) s\)$", found.error.message)
    assert waited is not None
    assert int(waited[1]) >= 2
    assert len(notices) == 1


async def test_a_number_that_changes_is_no_other_reason_to_wait_but_words_are(
    database_url: str,
) -> None:
    summaries = iter(["3 s behind", "2 s behind", "1 s behind", "not streaming"])

    async def run(_connection: object, _context: object) -> Finding:
        summary = next(summaries, None)
        status = Status.FAIL if summary else Status.PASS
        return Finding(status=status, summary=summary or "streaming")

    request = request_of()
    changing = replace(request.checks[0], run=run)
    notices: list[str] = []
    found = await look(
        database_url, wait=60, notices=notices, request=replace(request, checks=(changing,))
    )
    assert found.status is Status.PASS
    assert [notice.partition(": ")[2].partition(" (")[0] for notice in notices] == [
        "connection: 3 s behind",
        "connection: not streaming",
    ]


# From a port where nobody listens to a session that dies in the middle of a check.
FAULTS = [
    (Mode.REFUSE, None),
    (Mode.HANG, None),
    (Mode.HANG, 1),
    (Mode.HANG, b"set transaction read only"),
    (Mode.HANG, b"alembic_version"),
    (Mode.TRICKLE, None),
    (Mode.RESET, None),
    (Mode.RESET, b"alembic_version"),
    (Mode.CLOSE, None),
    (Mode.CLOSE, b"alembic_version"),
]


@pytest.mark.parametrize(("mode", "after"), FAULTS)
async def test_waiting_ends_at_its_deadline_whatever_the_server_does(
    proxy: FaultProxy, database_url: str, mode: Mode, after: Trigger
) -> None:
    proxy.behave(mode, after=after, every=True)
    started = time.monotonic()
    found = await look(proxy.url_of(database_url), wait=1.2)
    took = time.monotonic() - started
    assert found.exit_code is ExitCode.UNREACHABLE
    # The last look begins while there is time for it.
    assert 1.2 - 2 * PAUSE <= took < HANG


async def test_waiting_ends_at_its_deadline_where_the_tls_handshake_stalls(
    tls_server: TlsServer,
) -> None:
    url = tls_server.url(sslmode="require")
    with FaultProxy(dsn.parse(url, environ={})) as proxy:
        proxy.behave(Mode.HANG, after=1)  # of the server's consent to speak TLS
        started = time.monotonic()
        found = await look(proxy.url_of(url), wait=1)
        took = time.monotonic() - started
        assert proxy.accepted == 1
    assert found.exit_code is ExitCode.UNREACHABLE
    assert summary_of(found, "connection") == "no answer in time"
    assert 1 <= took < HANG


def test_waiting_ends_at_its_deadline_where_no_name_server_answers() -> None:
    # Such a one cannot be had on every machine, so the resolver itself is silent.
    silent = (
        "import socket, sys, time; socket.getaddrinfo = lambda *_, **__: time.sleep(600);"
        " from dbctl.cli import main; sys.argv = ['dbctl', 'health', '--json', '--wait', '2'];"
        " main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", silent],
        env=environment(DATABASE_URL="postgresql://db.example.com/app", DB_CONNECT_TIMEOUT="600"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
    )
    found = Finished(done.returncode, done.stdout, done.stderr)
    assert found.exit_code == 3
    assert checks_of(found.json)["connection"]["output"] == "no name server answers"
    assert "waiting for db.example.com:5432/app: no name server answers" in found.stderr
