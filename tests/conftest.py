"""The servers and databases that the tests run on; every one is real and started here."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlmodel import SQLModel

from dbctl.db import dsn
from dbctl.db.embedded import EmbeddedServer
from dbctl.db.engine import DatabaseSessionManager
from tests.support.cli import environment, invoke
from tests.support.databases import TestServer
from tests.support.folders import open_folder
from tests.support.foreign import Driver, TcpServer, run_tcp_server
from tests.support.locales import run_locale_server, translated_binaries
from tests.support.pgbouncer import Pgbouncer, find_pgbouncer, run_pgbouncer
from tests.support.tls import TlsServer, run_tls_server, tls_binaries

MIGRATED = "template_migrated"
# Read before the environment of the machine is kept out.
_BINDIR = os.environ.get("DBCTL_TEST_PG_BINDIR")


@pytest.fixture(scope="session")
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that stands for the user's cache."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, _cache: Path) -> None:
    """Keep the settings of the machine out of the tests, and their traces out of the machine."""
    for name in os.environ.keys() - environment().keys():
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(_cache))


@pytest.fixture(autouse=True)
def _no_models_left() -> Iterator[None]:
    """Forget the models that a test's project has put into the metadata that SQLModel shares."""
    import dbctl.models  # noqa: F401 - the example's own stay

    before = set(SQLModel.metadata.tables)
    yield
    for name in SQLModel.metadata.tables.keys() - before:
        SQLModel.metadata.remove(SQLModel.metadata.tables[name])


@pytest.fixture(scope="session")
def server() -> Iterator[TestServer]:
    """The server that most tests run on, with one database at the head.

    It is the wheel's, or that of the folder of programs that DBCTL_TEST_PG_BINDIR names.
    """
    with open_folder() as folder:
        embedded = EmbeddedServer(
            folder / "project",
            state_dir=folder / "state",
            pg_bindir=Path(_BINDIR) if _BINDIR else None,
        )
        server = TestServer(embedded.ensure_running())
        try:
            server.execute(f"CREATE DATABASE {MIGRATED}")
            done = invoke("migrate", "up", env={"DATABASE_URL": server.url_of(MIGRATED)})
            assert done.exit_code == 0, done.stderr
            yield server
        finally:
            embedded.destroy()


@pytest.fixture(scope="session")
def tcp_server(server: TestServer) -> Iterator[TcpServer]:
    """The same server, reached by host and port and with a password."""
    with run_tcp_server(server) as running:
        yield running


@pytest.fixture
def tcp_url(tcp_server: TcpServer) -> Iterator[str]:
    """The URL of a database without a table, by host and port and with a password."""
    with tcp_server.database() as url:
        yield url


@pytest.fixture
def tcp_urls(tcp_server: TcpServer) -> Iterator[tuple[str, str]]:
    """The URLs of two such databases."""
    with tcp_server.database() as first, tcp_server.database() as second:
        yield first, second


@pytest.fixture(scope="session")
def pgbouncer(server: TestServer) -> Iterator[Pgbouncer]:
    """A pgbouncer in transaction mode before the embedded server."""
    program = find_pgbouncer()
    if program is None:
        pytest.skip("no pgbouncer is installed here (Debian: apt-get install pgbouncer)")
    with open_folder() as folder, run_pgbouncer(program, folder, server.dsn) as running:
        yield running


@pytest.fixture(scope="session")
def tls_server() -> Iterator[TlsServer]:
    """A server that takes nothing but TLS, with a password or a client certificate."""
    binaries = tls_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL built with TLS is installed here (the wheel's has none)")
    with open_folder() as folder, run_tls_server(folder, binaries) as running:
        yield running


@pytest.fixture(scope="session")
def locale_server() -> Iterator[TestServer]:
    """A server whose messages are Latin-1, with the databases of tests.support.locales."""
    binaries = translated_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL with translations and ICU, or no localedef, is installed here")
    with open_folder() as folder, run_locale_server(folder, binaries) as running:
        yield running


@pytest.fixture
def state_dir() -> Iterator[Path]:
    """A folder in which embedded servers can live."""
    with open_folder() as folder:
        yield folder


@pytest.fixture
def empty_url(server: TestServer) -> Iterator[str]:
    """The URL of a database without a table."""
    with server.database() as url:
        yield url


@pytest.fixture
def empty_urls(server: TestServer) -> Iterator[tuple[str, str]]:
    """The URLs of two databases without a table."""
    with server.database() as first, server.database() as second:
        yield first, second


@pytest.fixture
def database_url(server: TestServer) -> Iterator[str]:
    """The URL of a database at the head, without a row."""
    with server.database(MIGRATED) as url:
        yield url


@pytest.fixture
def driver(request: pytest.FixtureRequest) -> Driver | None:
    """The driver of the project's own env.py, None for the env.py that dbctl ships.

    `tests.support.project.every_driver` runs a test on each.
    """
    found: Driver | None = getattr(request, "param", None)
    return found


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[DatabaseSessionManager]:
    """A manager of a database at the head."""
    manager = DatabaseSessionManager(dsn.parse(database_url), connect_deadline=5)
    yield manager
    await manager.close()


@pytest.fixture
def ageless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no version of PostgreSQL come to its end, so that every one tells the same."""
    monkeypatch.setattr("dbctl.health.checks.connection.END_OF_LIFE", {})
