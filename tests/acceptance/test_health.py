"""`dbctl health` as its users and their probes run it."""

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from dbctl.health.registry import CHECKS
from tests.support.cli import ROOT, environment, invoke, run_dbctl
from tests.support.databases import TestServer, execute
from tests.support.health import checks_of, statuses_of
from tests.support.proxy import FaultProxy, Mode, Trigger


@pytest.fixture
def proxy(server: TestServer) -> Iterator[FaultProxy]:
    """A proxy before the embedded server that forwards until it is told otherwise."""
    with FaultProxy(server.dsn) as running:
        yield running


pytestmark = pytest.mark.usefixtures("ageless")

DEFAULT = [check.name for check in CHECKS if check.default]


def test_a_healthy_database_is_exit_0_in_every_format(database_url: str) -> None:
    env = {"DATABASE_URL": database_url}

    document = invoke("health", "--json", env=env)
    assert (document.exit_code, document.stderr) == (0, "")
    assert document.json["status"] == "pass"
    assert list(checks_of(document.json)) == DEFAULT

    table = invoke("health", env=env)
    assert (table.exit_code, table.stderr) == (0, "")
    verdict, *lines = table.stdout.splitlines()
    assert verdict.startswith("✓ ")
    assert verdict.endswith(" is healthy")
    assert [line.split()[:2] for line in lines] == [["✓", name] for name in DEFAULT]

    rows = invoke("health", "--format", "csv", env=env)
    assert (rows.exit_code, rows.stderr) == (0, "")
    header, *records = csv.reader(rows.stdout.splitlines())
    assert header[:5] == ["name", "measurement", "component", "status", "summary"]
    assert [record[0] for record in records] == DEFAULT
    assert {record[3] for record in records} == {"pass"}

    lines = invoke("health", "--format", "ndjson", env=env).stdout.splitlines()
    assert [json.loads(line)["name"] for line in lines] == DEFAULT

    blocks = invoke("health", "-x", "--only", "connection", env=env)
    assert blocks.stdout.startswith("name ")

    metrics = invoke("health", "--format", "prometheus", env=env)
    assert (metrics.exit_code, metrics.stderr) == (0, "")
    assert metrics.stdout.count('status="pass"} 1\n') == len(DEFAULT) + 1

    cases = invoke("health", "--format", "junit", env=env)
    assert (cases.exit_code, cases.stderr) == (0, "")
    suite = ElementTree.fromstring(cases.stdout)  # noqa: S314 - our own
    assert [case.attrib["name"] for case in suite.iter("testcase")] == DEFAULT


def test_a_file_is_written_in_the_format_of_its_name(database_url: str, tmp_path: Path) -> None:
    env = {"DATABASE_URL": database_url}
    begins = {
        "health.prom": "# HELP dbctl_health_status ",
        "health.xml": "<?xml ",
        "health.json": "{",
        "health.csv": "name,",
        "health.txt": "✓ ",
    }
    for name, begin in begins.items():
        done = invoke("health", "--only", "pool", "--output", str(tmp_path / name), env=env)
        assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")
        assert (tmp_path / name).read_text().startswith(begin)


def test_a_file_says_that_the_database_is_gone(
    proxy: FaultProxy, database_url: str, tmp_path: Path
) -> None:
    proxy.behave(Mode.REFUSE)
    env = {"DATABASE_URL": proxy.url_of(database_url), "DB_CONNECT_DEADLINE": "0.2"}
    for name, said in {
        "a.prom": 'status="fail"} 1',
        "a.xml": "<failure ",
        "a.json": "error",
    }.items():
        file = tmp_path / name
        file.write_text("of yesterday")
        done = invoke("health", "--output", str(file), env=env)
        assert (done.exit_code, done.stdout) == (3, "")
        assert "error: cannot connect" in done.stderr
        assert said in file.read_text()


def test_the_schema_can_be_had_without_a_database() -> None:
    printed = invoke("health", "--schema", env={"DATABASE_URL": "postgresql://nobody.invalid/app"})
    assert (printed.exit_code, printed.stderr) == (0, "")
    assert printed.json["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert printed.json["title"] == "dbctl health"


@pytest.mark.parametrize(
    ("arguments", "exit_code", "status"),
    [
        ([], 0, "warn"),
        (["--strict"], 1, "warn"),
        (["--threshold", "connection.fail=0"], 1, "fail"),
        (["--threshold", "connection.warn=off"], 0, "pass"),
        (["--strict", "--skip", "connection"], 0, "pass"),
    ],
)
def test_thresholds_and_strictness_decide_the_exit_code(
    database_url: str, arguments: list[str], exit_code: int, status: str
) -> None:
    done = invoke(
        *("health", "--json", "--only", "connection,pool", "--threshold", "connection.warn=0"),
        *arguments,
        env={"DATABASE_URL": database_url},
    )
    assert (done.exit_code, done.json["status"]) == (exit_code, status)


def test_waiting_strictly_is_for_a_warning_too_and_tells_it_once(database_url: str) -> None:
    done = invoke(
        *("health", "--only", "connection", "--threshold", "connection.warn=0"),
        *("--strict", "--wait", "2"),
        env={"DATABASE_URL": database_url},
    )
    assert done.exit_code == 1
    assert done.stderr.count("waiting for") == 1
    assert ": connection: slow · " in done.stderr


def test_thresholds_of_the_project_hold_and_a_flag_is_stronger(
    database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.dbctl.health]\nconnection.warn = '0 ms'\n")
    command = ("health", "--json", "--only", "connection")
    env = {"DATABASE_URL": database_url}
    held = checks_of(invoke(*command, env=env, cwd=tmp_path).json)["connection"]
    assert (held["status"], held["thresholds"]) == ("warn", {"warn": 0, "fail": 1000})
    flag = ("--threshold", "connection.warn=1s")
    assert invoke(*command, *flag, env=env, cwd=tmp_path).json["status"] == "pass"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--only", "migration"], "there is no check 'migration'"),
        (["--skip", "pools"], "there is no check 'pools'"),
        (["--threshold", "conection.warn=1"], "there is no check 'conection'"),
        (["--threshold", "connection.warn=soon"], "'soon' is no threshold"),
        (["--format", "yaml"], "yaml"),
        (["--output", "health.json", "serve"], "the options before serve are not its own"),
    ],
)
def test_what_does_not_exist_is_exit_2_before_anything_is_looked_at(
    arguments: list[str], told: str
) -> None:
    done = invoke("health", "--json", *arguments, env={"DATABASE_URL": "nonsense"})
    assert (done.exit_code, done.json["error"]["code"]) == (2, "usage")
    assert told in done.json["error"]["message"]
    assert done.json["error"]["hint"]


def test_a_fault_in_the_projects_table_is_exit_2_and_names_the_key(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.dbctl.health]\nblokers.warn = 1\n")
    done = invoke("health", "--json", env={"DATABASE_URL": "nonsense"}, cwd=tmp_path)
    assert (done.exit_code, done.json["error"]["code"]) == (2, "configuration")
    assert "blokers in [tool.dbctl.health]" in done.json["error"]["message"]
    assert done.json["error"]["hint"] == "Did you mean blockers?"


def test_drift_is_looked_for_where_it_is_asked_for(database_url: str) -> None:
    env = {"DATABASE_URL": database_url}
    command = ("health", "--json", "--only", "migrations", "--drift")
    same = invoke(*command, env=env)
    assert (same.exit_code, statuses_of(same.json)["drift"]) == (0, "pass")
    execute(database_url, "alter table tasks drop column title")
    gone = run_dbctl(*command, env=env)
    drift = checks_of(gone.json)["drift"]
    assert (gone.exit_code, statuses_of(gone.json)["migrations"]) == (1, "pass")
    assert (drift["status"], drift["remedy"]) == ("fail", "dbctl migrate check")
    assert drift["observedValue"] == drift["evidenceTotal"] >= 1
    assert {"table": "tasks", "name": "title"}.items() <= drift["evidence"][0].items()


def test_drift_is_not_told_of_a_database_that_is_behind(empty_url: str) -> None:
    done = invoke("health", "--json", "--only", "drift", env={"DATABASE_URL": empty_url})
    assert (done.exit_code, done.json["status"]) == (0, "unknown")
    assert checks_of(done.json)["drift"]["remedy"] == "dbctl migrate up"


def test_models_that_cannot_be_imported_stop_drift_alone(database_url: str) -> None:
    env = {"DATABASE_URL": database_url, "DBCTL_MODELS": "no_such_module"}
    done = invoke("health", "--json", "--drift", "--only", "connection", "--wait", "60", env=env)
    assert (done.exit_code, done.json["error"]["code"]) == (2, "models_import")
    assert "no_such_module" in done.json["error"]["message"]
    plain = invoke("health", "--json", env=env)
    assert (plain.exit_code, statuses_of(plain.json)["extensions"]) == (0, "unknown")
    (notice,) = plain.stderr.splitlines()
    assert "no_such_module" in notice


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
