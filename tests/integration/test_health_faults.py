"""`dbctl health --json` as a process, with all its checks: each fault told, in time, no secret."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote, unquote

import asyncpg
import pytest

from dbctl.db import dsn
from dbctl.db.pgbinaries import find_binaries, runnable_by
from dbctl.db.pgcluster import Cluster
from dbctl.db.pgfiles import make_service_folder
from dbctl.db.pgprocess import service_account
from tests.support.cli import ROOT, Finished, environment
from tests.support.databases import TestServer, execute
from tests.support.folders import open_folder
from tests.support.health import checks_of, statuses_of, validate
from tests.support.processes import Running
from tests.support.project import use_example
from tests.support.proxy import FaultProxy, Mode, Trigger
from tests.support.replica import replicating_binaries, run_replication
from tests.support.tls import PASSWORD, TlsServer, run_tls_server, tls_binaries

# Seconds that everything may take, and that telling why may take beyond.
DEADLINE = 1.0
GRACE = 0.5
# A machine with much to do needs so many times longer for a process than it did before.
SLACK = 6


@dataclass(frozen=True)
class Looked:
    """A run of `dbctl health --json` and the seconds it took."""

    done: Finished
    seconds: float

    @property
    def statuses(self) -> dict[str, str]:
        """The status of each check."""
        return statuses_of(self.done.json)

    @property
    def message(self) -> str:
        """Why there was no connection."""
        return str(self.done.json["error"]["message"])

    def check(self, name: str) -> Any:
        """Return one check of the document."""
        return checks_of(self.done.json)[name]


def with_password(url: str, user: str = "postgres") -> str:
    """Return `url` with a password, which a server that trusts does not ask for."""
    return url.replace("postgres@", f"{user}:{quote(PASSWORD, safe='')}@", 1)


def health(url: str, *arguments: str, **env: str) -> Looked:
    """Look at the database; what is printed fits the schema and has no password."""
    # One try may take for ever, so that nothing but the deadline ends it.
    variables = {
        "DATABASE_URL": url,
        "DB_CONNECT_TIMEOUT": "600",
        "DB_CONNECT_DEADLINE": str(DEADLINE),
    }
    started = time.monotonic()
    with TemporaryDirectory() as folder:
        project = use_example(Path(folder))  # whose schema is the one to be at
        running = Running("health", "--json", *arguments, env=variables | env, cwd=project)
        done = running.finish()
    looked = Looked(done, time.monotonic() - started)
    assert_clean(done)
    return looked


def assert_clean(done: Finished) -> None:
    printed = done.stdout + done.stderr
    for secret in (PASSWORD, quote(PASSWORD, safe=""), quote(PASSWORD)):
        assert secret not in printed
        assert secret not in unquote(printed)
    assert "Traceback" not in printed
    validate(done.json)


def assert_unreachable(looked: Looked, told: str) -> None:
    assert looked.done.exit_code == 3
    assert told in looked.message
    assert looked.check("connection")["status"] == "fail"
    assert looked.done.json["error"]["hint"] == looked.check("connection")["remedy"]


@pytest.fixture(scope="module")
def usual(server: TestServer) -> float:
    """The seconds that a look without a fault takes, the start of the process included."""
    with server.database("template_migrated") as url:
        looked = health(with_password(url))
    assert looked.done.exit_code == 0, looked.done.stdout
    assert set(looked.statuses.values()) == {"pass"}
    return looked.seconds


@pytest.fixture
def proxy(server: TestServer) -> Iterator[FaultProxy]:
    """A proxy before the embedded server that forwards until it is told otherwise."""
    with FaultProxy(server.dsn) as running:
        yield running


# The network


@pytest.mark.parametrize(
    ("mode", "after", "told"),
    [
        (Mode.REFUSE, None, "nothing is listening there"),
        (Mode.HANG, None, "no answer in time"),
        (Mode.HANG, b"version_num", "it accepts connections but does not answer"),
        (Mode.TRICKLE, None, "no answer in time"),
        (Mode.RESET, None, "connection was "),
        (Mode.CLOSE, b"version_num", "the connection was lost"),
    ],
)
def test_a_fault_of_the_network_is_told_by_the_deadline(
    proxy: FaultProxy, database_url: str, usual: float, mode: Mode, after: Trigger, told: str
) -> None:
    proxy.behave(mode, after=after)
    looked = health(with_password(proxy.url_of(database_url)))
    assert_unreachable(looked, told)
    assert looked.seconds < DEADLINE + GRACE + SLACK * usual
    found = {name for name, status in looked.statuses.items() if status == "pass"}
    assert ("slots" in found) == (after is not None)  # what was found before it stays
    assert looked.check("migrations")["status"] == "unknown"


def test_a_tls_handshake_that_stalls_is_told_by_the_deadline(
    tls_server: TlsServer, usual: float
) -> None:
    url = tls_server.url(sslmode="require")
    with FaultProxy(dsn.parse(url, environ={})) as proxy:
        proxy.behave(Mode.HANG, after=1)  # the server's consent to speak TLS
        looked = health(url.replace(f":{tls_server.port}/", f":{proxy.port}/"))
        assert proxy.accepted >= 1
    assert_unreachable(looked, "no answer in time")
    assert looked.seconds < DEADLINE + GRACE + SLACK * usual


def test_a_name_server_that_hangs_is_told_by_the_deadline(usual: float) -> None:
    # Such a one cannot be had on every machine, so the resolver itself is silent.
    silent = (
        "import socket, sys, time; socket.getaddrinfo = lambda *_, **__: time.sleep(600);"
        " from dbctl.cli import main; sys.argv = ['dbctl', 'health', '--json']; main()"
    )
    variables = {
        "DATABASE_URL": f"postgresql://u:{quote(PASSWORD, safe='')}@db.example.com/app",
        "DB_CONNECT_DEADLINE": str(DEADLINE),
    }
    started = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-c", silent],
        env=environment(**variables),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    looked = Looked(
        Finished(ended.returncode, ended.stdout, ended.stderr), time.monotonic() - started
    )
    assert_clean(looked.done)
    assert_unreachable(looked, "no name server answers")
    assert looked.seconds < DEADLINE + GRACE + SLACK * usual


# The login


def test_a_wrong_password_is_told_at_once_and_not_shown(
    tls_server: TlsServer, usual: float
) -> None:
    url = tls_server.url(password=f"{PASSWORD}!", sslmode="require")
    looked = health(url, "--wait", "600", DB_CONNECT_DEADLINE="600")
    assert_unreachable(looked, "password authentication failed")
    assert looked.seconds < DEADLINE + SLACK * usual


@pytest.mark.parametrize(
    ("database", "user", "told"),
    [
        ("no_such", "postgres", 'database "no_such" does not exist'),
        ("postgres", "nobody", 'role "nobody" does not exist'),
    ],
)
def test_a_name_that_does_not_exist_is_told_at_once(
    server: TestServer, usual: float, database: str, user: str, told: str
) -> None:
    url = with_password(server.url_of(database), user)
    looked = health(url, "--wait", "600", DB_CONNECT_DEADLINE="600")
    assert_unreachable(looked, told)
    assert looked.seconds < DEADLINE + SLACK * usual


def test_a_server_that_requires_tls_says_so_to_who_comes_without(tls_server: TlsServer) -> None:
    looked = health(tls_server.url(sslmode="disable"))
    assert_unreachable(looked, "no encryption")
    assert "TLS" in looked.check("connection")["remedy"]


def test_an_expired_certificate_is_told_at_once() -> None:
    binaries = tls_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL built with TLS is installed here (the wheel's has none)")
    yesterday = datetime.now(UTC) - timedelta(days=1)
    with (
        open_folder() as folder,
        run_tls_server(folder, binaries, expires=yesterday) as server,
    ):
        url = server.url(sslmode="verify-full", sslrootcert=server.authority)
        looked = health(url, "--wait", "600", DB_CONNECT_DEADLINE="600")
    assert_unreachable(looked, "its TLS certificate is not trusted: certificate has expired")


# The server


@contextmanager
def small_server(connections: int) -> Iterator[str]:
    """Run a server for so many sessions, one of them a superuser's; yield its superuser's URL."""
    account = service_account()
    with open_folder() as folder:
        sockets = folder / "socket"
        make_service_folder(sockets, account)
        cluster = Cluster(
            data_dir=folder / "data",
            socket_dir=sockets,
            binaries=runnable_by(find_binaries(), account, folder),
            account=account,
            settings={
                "max_connections": str(connections),
                "superuser_reserved_connections": "1",
                "fsync": "off",
                "shared_buffers": "16MB",
            },
        )
        cluster.initialise(database="app")
        try:
            cluster.start()
            yield f"postgresql://postgres@/app?host={quote(str(sockets), safe='')}"
        finally:
            cluster.stop()


@contextmanager
def crowd(url: str, size: int) -> Iterator[None]:
    """Keep so many connections open."""
    keywords = dsn.parse(url, environ={}).connect_kwargs()
    with asyncio.Runner() as runner:
        opened = [runner.run(asyncpg.connect(**keywords)) for _ in range(size)]
        try:
            yield
        finally:
            for connection in opened:
                runner.run(connection.close())


def test_a_server_that_fills_up_fails_and_one_that_is_full_cannot_be_reached() -> None:
    with small_server(8) as url:
        with crowd(url, 6):  # the seventh is the one that looks
            filled = health(with_password(url), "--skip", "migrations")
        with crowd(url, 8):
            full = health(with_password(url))
    assert filled.done.exit_code == 1
    assert filled.check("connections")["status"] == "fail"
    assert filled.check("connections")["observedValue"] == 100
    assert filled.check("pool")["status"] == "warn"
    assert "the server has only 0 of 7 left" in filled.check("pool")["output"]
    assert_unreachable(full, "too many clients")
    assert full.message.endswith(" (tried for 1 s)")


def test_every_check_can_be_made_on_a_standby_and_writing_there_is_warned_of() -> None:
    binaries = replicating_binaries()
    if binaries is None:
        pytest.skip("this PostgreSQL comes without pg_basebackup")
    with open_folder() as folder, run_replication(folder, binaries) as replication:
        looked = health(with_password(replication.standby.url), "--skip", "migrations")
    assert (looked.done.exit_code, looked.done.json["status"]) == (0, "warn")
    not_passed = {name: it for name, it in looked.statuses.items() if it != "pass"}
    assert not_passed == {"connection": "warn"}
    assert looked.check("connection")["output"].startswith("standby, read-only")
    assert looked.check("replication")["observed"]["role"] == "standby"


def test_a_column_dropped_behind_a_stamped_head_is_drift(database_url: str) -> None:
    execute(database_url, "alter table tasks drop column title")
    plain = health(with_password(database_url))
    looked = health(with_password(database_url), "--drift", DB_CONNECT_DEADLINE="30")
    assert plain.check("migrations")["status"] == "pass"
    assert "drift" not in plain.statuses
    assert (looked.done.exit_code, looked.check("migrations")["status"]) == (1, "pass")
    drift = looked.check("drift")
    assert (drift["status"], drift["remedy"]) == ("fail", "dbctl migrate check")
    assert any(each["table"] == "tasks" and "title" in str(each) for each in drift["evidence"])


def test_what_an_unprivileged_role_may_not_see_is_unknown_and_no_pass(
    server: TestServer, database_url: str
) -> None:
    server.execute("CREATE ROLE unprivileged LOGIN")
    url = with_password(database_url, "unprivileged")
    try:
        looked = health(url)
        strict = health(url, "--strict")
    finally:
        server.execute("DROP ROLE unprivileged")
    assert (looked.done.exit_code, looked.done.json["status"]) == (0, "unknown")
    assert (strict.done.exit_code, strict.done.json["status"]) == (1, "unknown")
    unknown = {name for name, status in looked.statuses.items() if status == "unknown"}
    assert "migrations" in unknown
    assert not {"connection", "pool", "clock", "slots", "replication"} & unknown
    for name in unknown:
        assert "GRANT " in looked.check(name)["remedy"]
