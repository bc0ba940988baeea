"""Health over HTTP: by the command as a process, and by the router in an application."""

import asyncio
import re
import resource
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, suppress
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import Depends, FastAPI
from sqlmodel import text
from sqlmodel.ext.asyncio.session import AsyncSession

from dbctl.api import get_db, health_router
from dbctl.db import dsn
from dbctl.db.embedded import EmbeddedServer
from dbctl.db.engine import DatabaseSessionManager
from dbctl.errors import ConfigurationError
from tests.conftest import MIGRATED
from tests.support.cli import ROOT, invoke, run_dbctl
from tests.support.databases import TestServer, fetch
from tests.support.foreign import Driver
from tests.support.planning import checkout_of
from tests.support.project import Project
from tests.support.proxy import FaultProxy, Mode
from tests.support.serving import Served, serving

HEALTH, LIVE, READY = "/api/v1/health", "/api/v1/health/live", "/api/v1/health/ready"
HEALTH_JSON = "application/health+json"
TOKEN = "a-token-for-the-tests-0123456789"
DEADLINE = 1.0
# Seconds beyond a deadline that a slow machine may take.
SLACK = 5.0


@pytest.fixture(scope="module")
def migrated_url(server: TestServer) -> Iterator[str]:
    """A database at the head that the tests of this module only read."""
    with server.database(MIGRATED) as url:
        yield url


@pytest.fixture(scope="module")
def served(migrated_url: str) -> Iterator[Served]:
    """A server that gives the whole document to who bears the token, however slow the machine."""
    arguments = ("--detail", "--deadline", "30")
    with serving(migrated_url, *arguments, DBCTL_HEALTH_TOKEN=TOKEN) as running:
        yield running


@pytest.fixture
def proxy(server: TestServer) -> Iterator[FaultProxy]:
    """A proxy before the server, which can break in every way."""
    with FaultProxy(server.dsn) as running:
        yield running


def get(served: Served, path: str, **headers: str) -> httpx.Response:
    return httpx.get(f"{served.url}{path}", headers=headers, timeout=30)


# What is answered


@pytest.mark.parametrize("path", [HEALTH, READY])
def test_a_database_that_is_fit_is_answered_with_200(served: Served, path: str) -> None:
    answer = get(served, path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == HEALTH_JSON
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["status"] == "pass"
    names = {key.partition(":")[0] for key in answer.json()["checks"]}
    assert names == {"connection", "migrations"}


def test_nothing_of_the_database_is_told_to_everybody(served: Served) -> None:
    for path in (HEALTH, LIVE, READY, "/metrics"):
        answer = get(served, path)
        told = f"{answer.headers} {answer.text}"
        for secret in ("postgresql", "uvicorn", "test_", "4d6f1b0c9a27", "latency", "18."):
            assert secret not in told, path
    checks = get(served, HEALTH).json()["checks"].values()
    assert all(set(each) == {"status"} for found in checks for each in found)


def test_who_bears_the_token_is_told_everything(served: Served) -> None:
    answer = get(served, HEALTH, Authorization=f"Bearer {TOKEN}")
    assert answer.status_code == 200
    assert "4d6f1b0c9a27" in answer.text
    metrics = get(served, "/metrics", Authorization=f"Bearer {TOKEN}")
    assert re.search(
        r'^dbctl_check_value{.*check="connection".*} [0-9.]+$', metrics.text, re.MULTILINE
    )
    assert "dbctl_check_value{" not in get(served, "/metrics").text


@pytest.mark.parametrize(
    "shown", ["Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer", "Bearer \xe9"]
)
def test_a_wrong_token_is_refused(served: Served, shown: str) -> None:
    answer = httpx.get(
        f"{served.url}{HEALTH}", headers={b"Authorization": shown.encode("latin-1")}, timeout=30
    )
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "checks" not in answer.text


@pytest.mark.parametrize("path", [HEALTH, LIVE, READY, "/metrics"])
def test_head_is_answered_as_get_is_without_a_body(served: Served, path: str) -> None:
    answer = httpx.head(f"{served.url}{path}", timeout=30)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == get(served, path).headers["content-type"]


def test_other_paths_and_methods_are_refused(served: Served) -> None:
    assert get(served, "/docs").status_code == 404
    assert httpx.post(f"{served.url}{HEALTH}", timeout=30).status_code == 405


def test_no_redirect_tells_its_address_or_what_the_host_header_says(served: Served) -> None:
    answer = get(served, f"{HEALTH}/", host="elsewhere.example")
    assert (answer.status_code, "location" in answer.headers) == (404, False)


def test_what_clients_do_wrong_does_not_fill_the_log(served: Served) -> None:
    address = served.url.removeprefix("http://").rsplit(":", 1)
    with socket.create_connection((address[0], int(address[1])), timeout=30) as client:
        client.sendall(b"NONSENSE\r\n\r\n")
        assert client.recv(64).startswith(b"HTTP/1.1 400 ")
    get(served, LIVE, connection="upgrade", upgrade="websocket")
    assert "HTTP request" not in served.stderr
    assert "pgrade" not in served.stderr


def test_who_connects_and_says_nothing_does_not_keep_others_out(migrated_url: str) -> None:
    with serving(migrated_url) as running, ExitStack() as silent:
        resource.prlimit(running.pid, resource.RLIMIT_NOFILE, (200, 200))
        host, _, port = running.url.removeprefix("http://").rpartition(":")
        for _ in range(4):
            for _ in range(60):
                client = silent.enter_context(socket.create_connection((host, int(port)), 30))
                client.sendall(b"GET / HT")
            assert get(running, HEALTH).status_code == 200
        assert "Traceback" not in running.stderr
        assert "Too many open files" not in running.stderr


_LINE = b"GET /api/v1/health/live HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"transfer-encoding: chunked\r\ncontent-length: 0\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
    ],
)
def test_request_with_two_lengths_is_refused_and_the_connection_closed(
    served: Served, headers: bytes
) -> None:
    smuggled = _LINE + b"\r\n"
    with _connected(served) as connection:
        connection.sendall(_LINE + headers + b"\r\n0\r\n\r\n" + smuggled)
        answer = _until_closed(connection)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1


def test_request_with_one_length_keeps_the_connection(served: Served) -> None:
    with _connected(served) as connection:
        for rest in (b"Content-Length: 0\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"):
            connection.sendall(_LINE + rest)
            answer = HTTPResponse(connection)
            answer.begin()
            assert (answer.status, answer.read()) == (200, b'{"status": "pass"}')


def test_request_that_stays_half_open_is_ended(served: Served) -> None:
    began = time.monotonic()
    halves = (
        b"",
        b"GET /api",
        _LINE,
        _LINE + b"Content-Length: 5\r\n\r\n12",
        _LINE + b"Transfer-Encoding: chunked\r\n\r\n5\r\n12",
        _LINE + b"\r\n" + _LINE,
    )
    with ExitStack() as stack:
        connections = [stack.enter_context(_connected(served)) for _ in halves]
        for connection, half in zip(connections, halves, strict=True):
            connection.sendall(half)
        answers = [_until_closed(connection) for connection in connections]
    assert [answer.count(b"HTTP/1.1 200 ") for answer in answers] == [0, 0, 0, 1, 1, 1]
    assert time.monotonic() - began < 45


def _connected(served: Served) -> socket.socket:
    host, port = served.url.removeprefix("http://").rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=60)


def _until_closed(connection: socket.socket) -> bytes:
    """Return what comes until the other side closes or resets the connection."""
    received = b""
    with suppress(ConnectionResetError):
        while data := connection.recv(65536):
            received += data
    return received


def test_metrics_count_the_requests_by_path_and_status(served: Served) -> None:
    def counted(labels: str) -> int:
        found = re.search(
            rf"^dbctl_http_requests_total{{{labels}}} (\d+)$",
            get(served, "/metrics").text,
            re.MULTILINE,
        )
        return int(found[1]) if found else 0

    live, other = f'path="{LIVE}",status="200"', 'path="other",status="404"'
    before = counted(live), counted(other)
    get(served, LIVE)
    get(served, "/favicon.ico")
    get(served, '/"}')
    assert (counted(live), counted(other)) == (before[0] + 1, before[1] + 2)
    metrics = get(served, "/metrics").text
    assert re.search(
        r'^dbctl_check_status{.*check="connection",status="pass"} 1$', metrics, re.MULTILINE
    )
    assert 'dbctl_pool_connections{state="idle"} 1\n' in metrics


def test_a_database_behind_the_code_is_not_ready(empty_url: str) -> None:
    with serving(empty_url) as running:
        for path in (HEALTH, READY):
            answer = get(running, path)
            assert (answer.status_code, answer.json()["status"]) == (503, "fail")
        assert get(running, LIVE).status_code == 200
        assert "migrations: the database is empty" in running.wait_for("health: fail.*")[0]


def test_a_warning_is_200_and_further_checks_are_made_when_asked_for(migrated_url: str) -> None:
    with serving(migrated_url, "--also", "connections,pool") as running:
        answer = get(running, HEALTH)
        assert answer.status_code == 200
        names = [key.partition(":")[0] for key in answer.json()["checks"]]
        assert sorted(names) == ["connection", "connections", "migrations", "pool"]
        ready = get(running, READY).json()["checks"]
        assert {key.partition(":")[0] for key in ready} == {"connection", "migrations"}


# One look for all


async def test_those_who_ask_at_once_share_one_look_and_one_connection(
    server: TestServer, migrated_url: str
) -> None:
    with serving(migrated_url, "--cache", "60") as running:
        async with httpx.AsyncClient(base_url=running.url, timeout=30) as client:
            answers = await asyncio.gather(*(client.get(HEALTH) for _ in range(50)))
            assert {answer.status_code for answer in answers} == {200}
            whole = await client.get("/metrics")
        name = dsn.parse(migrated_url, environ={}).database
        backends = await asyncio.to_thread(
            fetch,
            server.url,
            f"select count(*) from pg_stat_activity where datname = '{name}'",
        )
    assert 'dbctl_pool_connections{state="idle"} 1\n' in whole.text
    # That of the module's own server may be another one.
    assert backends[0] <= 2


# When the database goes


async def statuses(
    client: httpx.AsyncClient, count: int, until: asyncio.Event, seen: Counter[int]
) -> None:
    """Ask from so many clients at once until then."""

    async def ask() -> None:
        while not until.is_set():
            async with asyncio.timeout(DEADLINE + SLACK):
                answer = await client.get(HEALTH)
            seen[answer.status_code] += 1

    await asyncio.gather(*(ask() for _ in range(count)))


def memory_of(served: Served) -> int:
    """Return the bytes of memory that the process has."""
    argv = ["ps", "-o", "rss=", "-p", str(served.pid)]
    return int(subprocess.run(argv, check=True, capture_output=True, text=True).stdout) * 1024


async def wait_for_status(client: httpx.AsyncClient, status: int) -> None:
    async with asyncio.timeout(30):
        while (await client.get(HEALTH)).status_code != status:
            pass  # each answer takes a look, or the time that it holds


async def test_it_tells_when_the_database_stops_and_when_it_is_back(state_dir: Path) -> None:
    database = EmbeddedServer(state_dir / "project", state_dir=state_dir / "state")
    url = await asyncio.to_thread(database.ensure_running)
    try:
        done = await asyncio.to_thread(run_dbctl, "migrate", "up", env={"DATABASE_URL": url})
        assert done.exit_code == 0, done.stderr
        with serving(url, "--deadline", str(DEADLINE), "--cache", "0.1") as running:
            seen: Counter[int] = Counter()
            over = asyncio.Event()
            async with (
                httpx.AsyncClient(base_url=running.url, timeout=30) as client,
                asyncio.TaskGroup() as group,
            ):
                await wait_for_status(client, 200)
                memory = memory_of(running)
                group.create_task(statuses(client, 20, over, seen))
                for _ in range(2):
                    await asyncio.to_thread(database.stop)
                    await wait_for_status(client, 503)
                    assert (await client.get(LIVE)).status_code == 200
                    await asyncio.to_thread(database.ensure_running)
                    await wait_for_status(client, 200)
                over.set()
            assert set(seen) == {200, 503}
            grown = memory_of(running) - memory
            backends = await asyncio.to_thread(
                fetch, url, "select count(*) from pg_stat_activity where datname = 'app'"
            )
            done = await asyncio.to_thread(running.stop)
        assert backends[0] <= 2  # the one that looks, and the one that counts
        assert grown < 40 * 2**20
        assert done.exit_code == 143
        assert done.stderr.count("health: fail") == done.stderr.count("health: pass") == 2
        assert "Traceback" not in done.stderr
    finally:
        await asyncio.to_thread(database.destroy)


@pytest.mark.parametrize("mode", [Mode.HANG, Mode.RESET, Mode.TRICKLE])
async def test_it_answers_within_the_deadline_whatever_the_database_does(
    proxy: FaultProxy, migrated_url: str, mode: Mode
) -> None:
    proxy.behave(mode)
    arguments = ("--deadline", str(DEADLINE), "--cache", "0")
    with serving(proxy.url_of(migrated_url), *arguments) as running:
        async with httpx.AsyncClient(base_url=running.url, timeout=30) as client:
            async with asyncio.timeout(DEADLINE + SLACK):
                answers = await asyncio.gather(*(client.get(HEALTH) for _ in range(20)))
            assert {answer.status_code for answer in answers} == {503}
            assert answers[0].json()["output"] == "there is no connection to the database"
            proxy.behave(Mode.FORWARD)
            await wait_for_status(client, 200)


async def test_a_database_that_falls_silent_under_an_open_connection_is_told(
    proxy: FaultProxy, migrated_url: str
) -> None:
    arguments = ("--deadline", str(DEADLINE), "--cache", "0")
    with serving(proxy.url_of(migrated_url), *arguments) as running:
        async with httpx.AsyncClient(base_url=running.url, timeout=30) as client:
            assert (await client.get(HEALTH)).status_code == 200
            proxy.behave(Mode.HANG)
            async with asyncio.timeout(DEADLINE + SLACK):
                assert (await client.get(HEALTH)).status_code == 503
            proxy.behave(Mode.FORWARD)
            await wait_for_status(client, 200)


# Its beginning and its end


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_it_with_one_document_and_without_an_error(
    migrated_url: str, number: signal.Signals, code: int
) -> None:
    with serving(migrated_url, "--json") as running:
        get(running, HEALTH)
        done = running.stop(number)
    assert done.exit_code == code
    assert done.json["answers"] == [{"path": HEALTH, "status": 200, "count": 1}]
    assert done.json["url"] == running.url
    assert done.stderr.count("\n") == 1


def test_what_was_asked_before_the_signal_is_answered(proxy: FaultProxy, migrated_url: str) -> None:
    proxy.behave(Mode.HANG)
    with serving(proxy.url_of(migrated_url), "--deadline", "2") as running:
        host, port = running.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=30) as client:
            client.sendall(f"GET {HEALTH} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            proxy.wait_for_connection(1)
            done = running.stop()
            assert client.recv(4096).startswith(b"HTTP/1.1 503 ")
    assert done.exit_code == 143


def test_a_port_that_is_in_use_is_told(migrated_url: str, served: Served) -> None:
    port = served.url.rpartition(":")[2]
    done = invoke("health", "serve", "--port", port, "--json", env={"DATABASE_URL": migrated_url})
    assert done.exit_code == 4
    assert "in use by another process" in done.json["error"]["message"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", "192.0.2.1"], "is no address of this machine"),
        (["--host", "no.such.host.invalid"], "is not known"),
        (["--also", "conections"], "--also: there is no check 'conections'"),
        (["--detail"], "must be 16 or more printable ASCII characters"),
    ],
)
def test_what_cannot_be_served_is_told_before_it_begins(
    migrated_url: str, arguments: list[str], message: str
) -> None:
    done = invoke("health", "serve", *arguments, "--json", env={"DATABASE_URL": migrated_url})
    assert (done.exit_code, message in done.json["error"]["message"]) == (2, True), done.stdout


def test_a_token_that_could_be_guessed_is_refused_and_not_told(migrated_url: str) -> None:
    env = {"DATABASE_URL": migrated_url, "DBCTL_HEALTH_TOKEN": "short-secret"}
    done = invoke("health", "serve", "--detail", env=env)
    assert done.exit_code == 2
    assert "short-secret" not in done.stdout + done.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "0"])  # noqa: S104
def test_that_it_is_open_to_the_whole_network_is_told(migrated_url: str, host: str) -> None:
    with serving(migrated_url, "--host", host) as running:
        assert "to the whole network" in running.stderr


def test_without_the_extra_it_tells_how_to_get_it(migrated_url: str, tmp_path: Path) -> None:
    (tmp_path / "fastapi.py").write_text("raise ImportError('gone', name='fastapi')\n")
    env = {"DATABASE_URL": migrated_url, "PYTHONPATH": str(tmp_path)}
    done = run_dbctl("health", "serve", env=env)
    assert done.exit_code == 2
    assert "fastapi, which is not installed" in done.stderr
    assert "dbctl-pg[api]" in done.stderr


def test_verbose_shows_the_requests(migrated_url: str) -> None:
    with serving(migrated_url, "-v") as running:
        get(running, LIVE)
        running.wait_for(r'"GET /api/v1/health/live HTTP/1.1" 200')


# The router


@asynccontextmanager
async def asking(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Run an application and yield what asks it."""
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://app") as client,
    ):
        yield client


async def test_an_application_has_the_same_routes_beside_its_own(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.chdir(ROOT)
    app = FastAPI()
    app.include_router(health_router(detail_token=TOKEN))

    @app.get("/revision")
    async def revision(session: AsyncSession = Depends(get_db)) -> Any:  # noqa: B008
        return (await session.exec(text("select version_num from alembic_version"))).scalar()  # type: ignore[call-overload]

    async with asking(app) as client:
        assert (await client.get("/revision")).json() == "4d6f1b0c9a27"
        for path in (HEALTH, LIVE, READY):
            assert (await client.get(path)).status_code == 200
            assert (await client.head(path)).status_code == 200
        whole = await client.get(HEALTH, headers={"Authorization": f"Bearer {TOKEN}"})
        assert "4d6f1b0c9a27" in whole.text
        assert set(app.openapi()["paths"]) == {"/revision", HEALTH, LIVE, READY}


async def test_a_pool_that_is_used_up_does_not_hide_that_the_database_is_well(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    manager = DatabaseSessionManager(
        dsn.parse(database_url, environ={}), pool_size=1, max_overflow=0
    )
    app = FastAPI()
    app.include_router(health_router("/internal", manager=manager))
    async with manager.connect(), asking(app) as client:
        answer = await client.get("/internal/health")
    await manager.close()
    assert (answer.status_code, answer.json()["status"]) == (200, "pass")


async def test_the_migrations_of_an_env_py_of_ones_own_need_no_second_connection_of_the_pool(
    tmp_path: Path, empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project.create(tmp_path, empty_url, driver=Driver.PSYCOPG)
    project.add_revision("r1", "op.execute('create table team (id int primary key)')")
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("DATABASE_URL", empty_url)
    manager = DatabaseSessionManager(
        dsn.parse(empty_url, environ={}), pool_size=1, max_overflow=0, pool_timeout=1
    )
    app = FastAPI()
    with checkout_of(project):
        app.include_router(health_router("/internal", manager=manager, detail_token=TOKEN))
        async with asking(app) as client:
            headers = {"Authorization": f"Bearer {TOKEN}"}
            answer = await client.get("/internal/health", headers=headers)
    await manager.close()
    (found,) = answer.json()["checks"]["migrations:state"]
    assert found["observedValue"] == "empty", answer.text


async def test_a_look_that_is_late_leaves_the_connections_of_the_application_alone(
    proxy: FaultProxy, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    manager = DatabaseSessionManager(dsn.parse(proxy.url_of(database_url), environ={}))
    app = FastAPI()
    app.include_router(health_router(manager=manager, deadline=DEADLINE))
    async with manager.engine.connect() as connection, asking(app) as client:
        await connection.exec_driver_sql("select 1")
        proxy.behave(Mode.HANG, after=b"alembic_version")
        assert (await client.get(HEALTH)).status_code == 503
        proxy.behave(Mode.FORWARD)
        found = await connection.exec_driver_sql("select 2")
        assert found.scalar() == 2
    await manager.close()


async def test_an_application_without_a_database_to_use_is_answered_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.chdir(tmp_path)
    app = FastAPI()
    app.include_router(health_router(detail_token=TOKEN))
    async with asking(app) as client:
        answer = await client.get(HEALTH)
        whole = await client.get(HEALTH, headers={"Authorization": f"Bearer {TOKEN}"})
    assert (answer.status_code, answer.json()["status"]) == (503, "fail")
    assert "DATABASE_URL" not in answer.text
    assert "no DATABASE_URL is set" in whole.json()["error"]["message"]


def test_the_router_refuses_a_token_that_could_be_guessed() -> None:
    with pytest.raises(ConfigurationError, match="16 or more"):
        health_router(detail_token="secret")
