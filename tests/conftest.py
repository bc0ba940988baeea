"""The servers and databases that the tests run on; every one is real and started here."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from dbctl.db import dsn
from dbctl.db.embedded import EmbeddedServer
from dbctl.db.engine import DatabaseSessionManager
from tests.support.cli import environment, run_dbctl
from tests.support.databases import TestServer

MIGRATED = "template_migrated"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the settings of the machine out of the tests."""
    for name in os.environ.keys() - environment().keys():
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    """The embedded server that most tests run on, with one database at the head."""
    folder = _reachable(tmp_path_factory.mktemp("server"))
    embedded = EmbeddedServer(folder / "project", state_dir=folder / "state")
    server = TestServer(embedded.ensure_running())
    try:
        server.execute(f"CREATE DATABASE {MIGRATED}")
        done = run_dbctl("migrate", "up", env={"DATABASE_URL": server.url_of(MIGRATED)})
        assert done.exit_code == 0, done.stderr
        yield server
    finally:
        embedded.destroy()


def _reachable(folder: Path) -> Path:
    """Let the account that runs the server into pytest's folder, which is the owner's alone."""
    for part in (folder, *folder.parents[:2]):
        part.chmod(0o755)
    return folder


@pytest.fixture
def empty_url(server: TestServer) -> Iterator[str]:
    """The URL of a database without a table."""
    with server.database() as url:
        yield url


@pytest.fixture
def database_url(server: TestServer) -> Iterator[str]:
    """The URL of a database at the head, without a row."""
    with server.database(MIGRATED) as url:
        yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[DatabaseSessionManager]:
    """A manager of a database at the head."""
    manager = DatabaseSessionManager(dsn.parse(database_url), connect_deadline=5)
    yield manager
    await manager.close()
