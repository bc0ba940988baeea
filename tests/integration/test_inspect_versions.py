"""Every command of `dbctl inspect` on each major version of PostgreSQL that this machine has.

DBCTL_TEST_PG_BINDIR runs it, as any other test, on one more.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from dbctl.db.embedded import EmbeddedServer
from dbctl.db.pgbinaries import system_binaries
from tests.conftest import MIGRATED
from tests.support.cli import invoke
from tests.support.databases import TestServer, execute
from tests.support.folders import open_folder
from tests.support.pgbouncer import Pgbouncer

USER = "16194304-04d3-548b-9807-7b9509d3302b"
INSTALLED = {binaries.major: binaries.bindir for binaries in reversed(system_binaries())}
COMMANDS = [
    ["tables"],
    ["tables", "--exact"],
    ["table", "tasks"],
    ["table", "tasks", "--ddl"],
    ["rows", "tasks", "status=todo", "tags@>urgent", "--order", "due_at:desc", "--limit", "2"],
    ["rows", "tasks", "--count"],
    ["rows", "tasks", "--sample", "2"],
    ["row", "users", USER],
    ["row", "users", USER, "--follow"],
    ["query", "SELECT title FROM tasks WHERE status = :status", "-p", "status=todo"],
    ["query", "EXPLAIN ANALYZE SELECT * FROM tasks"],
    ["query", "SHOW server_version"],
    ["indexes"],
    ["activity", "--all"],
    ["locks"],
    ["size"],
    ["pool"],
    ["diagram"],
]


@pytest.fixture(scope="module", params=["chosen", *INSTALLED.values()], ids=str)
def seeded(request: pytest.FixtureRequest, server: TestServer) -> Iterator[str]:
    """The URL of a database with the dev set, on each of the servers."""
    if request.param == "chosen":
        with server.database(MIGRATED) as url:
            assert invoke("seed", "--dev", env={"DATABASE_URL": url}).exit_code == 0
            yield url
        return
    bindir: Path = request.param
    with open_folder() as folder:
        embedded = EmbeddedServer(folder / "project", state_dir=folder / "state", pg_bindir=bindir)
        url = embedded.ensure_running()
        try:
            for command in (["migrate", "up"], ["seed", "--dev"]):
                done = invoke(*command, env={"DATABASE_URL": url})
                assert done.exit_code == 0, done.stderr
            yield url
        finally:
            embedded.destroy()


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_command_answers_on_every_version(seeded: str, arguments: list[str]) -> None:
    env = {"DATABASE_URL": seeded}
    document = invoke("inspect", *arguments, "--json", env=env)
    assert document.exit_code == 0, document.stdout + document.stderr
    assert "error" not in document.json
    shown = invoke("inspect", *arguments, env=env)
    assert shown.exit_code == 0, shown.stderr
    assert shown.stdout.strip()


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_command_answers_through_a_transaction_pooler(
    pgbouncer: Pgbouncer, pooled_database: str, arguments: list[str]
) -> None:
    url = pgbouncer.url_of(pooled_database)
    document = invoke("inspect", *arguments, "--json", env={"DATABASE_URL": url})
    assert document.exit_code == 0, document.stdout + document.stderr
    assert json.loads(document.stdout)


def test_pages_go_on_by_text_of_a_collation_that_has_no_patterns(seeded: str) -> None:
    try:
        execute(
            seeded,
            "CREATE COLLATION caseless (provider = icu, locale = 'und-u-ks-level2',"
            " deterministic = false)",
            "CREATE TABLE words (word text COLLATE caseless PRIMARY KEY)",
            "INSERT INTO words VALUES ('b'), ('A'), ('c')",
        )
    except asyncpg.FeatureNotSupportedError:
        pytest.skip("this server is built without ICU")
    env = {"DATABASE_URL": seeded}
    page = invoke("inspect", "rows", "words", "--limit", "1", "--json", env=env).json
    assert (page["rows"], page["next"]) == ([{"word": "A"}], "A")
    after = invoke("inspect", "rows", "words", "--after", "a", "--json", env=env).json
    assert after["rows"] == [{"word": "b"}, {"word": "c"}]


@pytest.fixture(scope="module")
def pooled_database(server: TestServer) -> Iterator[str]:
    """The name of a database with the dev set."""
    with server.database(MIGRATED) as url:
        assert invoke("seed", "--dev", env={"DATABASE_URL": url}).exit_code == 0
        execute(url, "ANALYZE")
        yield url.partition("?")[0].rpartition("/")[2]
