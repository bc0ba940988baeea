"""`dbctl health` as its users and their probes run it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support.cli import ROOT, environment, invoke, run_dbctl
from tests.support.databases import TestServer
from tests.support.proxy import FaultProxy, Mode, Trigger


@pytest.fixture
def proxy(server: TestServer) -> Iterator[FaultProxy]:
    """A proxy before the embedded server that forwards until it is told otherwise."""
    with FaultProxy(server.dsn) as running:
        yield running


def test_a_healthy_database_is_exit_0_in_every_format(database_url: str) -> None:
    env = {"DATABASE_URL": database_url}

    document = run_dbctl("health", "--json", env=env)
    assert (document.exit_code, document.stderr) == (0, "")
    assert document.json["status"] == "pass"
    assert [check["name"] for check in document.json["checks"]] == [
        "connection",
        "migrations",
        "pool",
    ]

    table = invoke("health", env=env)
    assert (table.exit_code, table.stderr) == (0, "")
    verdict, *lines = table.stdout.splitlines()
    assert verdict.startswith("✓ ")
    assert verdict.endswith(" is healthy")
    assert [line.split()[:2] for line in lines] == [
        ["✓", "connection"],
        ["✓", "migrations"],
        ["✓", "pool"],
    ]

    rows = invoke("health", "--format", "csv", env=env)
    assert (rows.exit_code, rows.stderr) == (0, "")
    header, *records = rows.stdout.splitlines()
    assert header == "name,status,summary,observed,remedy"
    assert [record.split(",")[:2] for record in records] == [
        ["connection", "pass"],
        ["migrations", "pass"],
        ["pool", "pass"],
    ]


def test_a_database_that_lacks_migrations_is_exit_1_and_names_the_command(empty_url: str) -> None:
    table = invoke("health", env={"DATABASE_URL": empty_url})
    assert (table.exit_code, table.stderr) == (1, "")
    assert table.stdout.splitlines()[0].endswith(" is not healthy")
    assert "→ dbctl migrate up" in table.stdout


def test_a_server_that_never_answers_is_exit_3_with_the_hint_on_stderr(
    proxy: FaultProxy, database_url: str
) -> None:
    proxy.behave(Mode.HANG)
    env = {"DATABASE_URL": proxy.url_of(database_url), "DB_CONNECT_DEADLINE": "0.5"}

    document = run_dbctl("health", "--json", env=env)
    assert (document.exit_code, document.stderr) == (3, "")
    assert document.json["error"]["code"] == "connection_failed"

    table = run_dbctl("health", env=env)
    assert table.exit_code == 3
    assert table.stdout.splitlines()[0].endswith(" cannot be reached")
    assert table.stderr.startswith("error: cannot connect to 127.0.0.1:")
    assert "\nhint: " in table.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("after", [1, b"alembic_version"])
def test_a_signal_ends_it_at_once_while_the_server_does_not_answer(
    proxy: FaultProxy, database_url: str, number: signal.Signals, after: Trigger
) -> None:
    proxy.behave(Mode.HANG, after=after)
    process = subprocess.Popen(
        [sys.executable, "-m", "dbctl", "health", "--json", "--wait", "600"],
        env=environment(DATABASE_URL=proxy.url_of(database_url), DB_CONNECT_TIMEOUT="600"),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            proxy.wait_for_fault()
            os.kill(process.pid, number)
            stdout, stderr = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 128 + number
    assert json.loads(stdout)["error"]["code"] == "interrupted"
    assert stderr == ""


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "soon"])
def test_a_time_to_wait_that_is_none_is_exit_2(seconds: str) -> None:
    done = invoke("health", "--json", "--wait", seconds, env={"DATABASE_URL": "nonsense"})
    assert (done.exit_code, done.json["error"]["code"]) == (2, "usage")
