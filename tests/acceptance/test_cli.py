"""The command line as a whole: help, formats, exit codes, and what a start may cost."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dbctl import __version__
from tests.support.cli import ROOT, environment, invoke, run_dbctl

COMMANDS = [
    [],
    ["migrate"],
    *(["migrate", name] for name in ["up", "down", "status", "history", "new", "check", "stamp"]),
    ["seed"],
    *(["seed", name] for name in ["allow", "forbid", "generate", "load"]),
    ["health"],
    ["health", "serve"],
    ["inspect"],
    *(["inspect", name] for name in ["tables", "table", "rows", "row", "query", "pool", "diagram"]),
    *(["inspect", name] for name in ["indexes", "size", "activity", "locks", "slow"]),
    ["server"],
    *(["server", name] for name in ["start", "stop", "status", "url", "destroy"]),
    ["config"],
]


def imported_by(*arguments: str, env: dict[str, str] | None = None) -> set[str]:
    """Return the modules that a run of dbctl imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "dbctl", *arguments],
        env=environment(**(env or {})),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stderr.splitlines()
    return {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: " ".join(c) or "dbctl")
def test_every_command_explains_itself_without_a_database(command: list[str]) -> None:
    # A connection string that would fail shows that none is looked at.
    done = invoke(*command, "--help", env={"DATABASE_URL": "nonsense", "ENVIRONMENT": "prod"})
    assert (done.exit_code, done.stderr) == (0, "")
    assert f"dbctl {' '.join(command)}".strip() in done.stdout


def test_the_help_of_the_root_imports_next_to_nothing() -> None:
    imported = imported_by("--help")
    heavy = {"sqlalchemy", "asyncpg", "alembic", "pydantic", "pydantic_settings", "sqlmodel"}
    assert "typer" in imported
    assert not imported & heavy
    assert not {name for name in imported if name.startswith("dbctl.migrate")}


def test_health_imports_no_model_and_nothing_that_draws(database_url: str) -> None:
    imported = imported_by("health", "--json", env={"DATABASE_URL": database_url})
    assert {"asyncpg", "sqlalchemy", "dbctl.health.report"} <= imported
    assert not imported & {"sqlmodel", "rich", "dbctl.models", "dbctl.db.embedded"}


def test_the_version_is_the_packages() -> None:
    assert run_dbctl("--version").stdout == f"dbctl {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [["migrat"], ["migrate", "upp"], ["migrate", "up", "--sqll"], ["config", "--format", "xml"]],
)
def test_a_command_line_that_does_not_parse_is_exit_2_in_either_format(
    arguments: list[str],
) -> None:
    told = invoke(*arguments)
    assert (told.exit_code, told.stdout) == (2, "")
    assert re.match(r"error: .+\nhint: `dbctl.* --help` shows what it takes\.\n", told.stderr)
    document = invoke(*arguments, "--json")
    assert (document.exit_code, document.stderr) == (2, "")
    assert document.json["error"]["code"] == "usage"


def test_a_command_that_is_nearly_there_is_suggested() -> None:
    assert "Did you mean 'migrate'?" in invoke("migrat").stderr


def test_the_root_without_a_command_shows_the_help() -> None:
    done = run_dbctl()
    assert done.exit_code == 2
    assert "Exit codes:" in done.stdout


def test_config_shows_sources_and_masks_the_password(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.dbctl]\npool-size = 7\n")
    url = "postgresql://me:h%40rd2guess@ep-x-pooler.eu-central-1.aws.neon.tech/app?sslmode=require"
    env = {"DATABASE_URL": url}
    for arguments in (["config"], ["config", "--json"], ["config", "--format", "csv"]):
        done = invoke(*arguments, env=env, cwd=tmp_path)
        assert (done.exit_code, done.stderr) == (0, "")
        assert "h%40rd2guess" not in done.stdout
        assert "h@rd2guess" not in done.stdout
    document = invoke("--environment", "staging", "config", "--json", env=env, cwd=tmp_path).json
    settings = {item["name"]: (item["value"], item["source"]) for item in document["settings"]}
    assert settings["DB_POOL_SIZE"] == (7, "pyproject.toml")
    assert settings["ENVIRONMENT"] == ("staging", "flag")
    assert settings["DB_CONNECT_DEADLINE"] == (60, "default")
    assert [(route["purpose"], route["kind"]) for route in document["routes"]] == [
        ("reads", "pooled"),
        ("migrations", "direct"),
    ]


def test_settings_that_cannot_be_used_are_exit_2_with_a_line_each() -> None:
    done = invoke("migrate", "status", env={"DB_POOL_SIZE": "x", "ENVIRONMENT": "playground"})
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("error: DB_POOL_SIZE from environment: 'x'")
    assert "\nENVIRONMENT from environment: 'playground'" in done.stderr


def test_nobody_listening_is_exit_3_and_the_password_stays_here() -> None:
    env = {
        "DATABASE_URL": "postgresql://me:h4rd2guess@127.0.0.1:1/app",
        "DB_CONNECT_DEADLINE": "0.2",
    }
    document = invoke("migrate", "status", "--json", env=env)
    assert (document.exit_code, document.json["error"]["code"]) == (3, "connection_failed")
    explained = run_dbctl("-v", "migrate", "status", env=env)
    assert (explained.exit_code, explained.stdout) == (3, "")
    assert "caused by ConnectionRefusedError" in explained.stderr
    for done in (document, explained):
        assert "h4rd2guess" not in done.stdout + done.stderr


def test_staging_without_a_database_is_refused_rather_than_embedded() -> None:
    done = invoke("migrate", "status", env={"ENVIRONMENT": "staging"})
    assert done.exit_code == 2
    assert "no DATABASE_URL is set" in done.stderr


def test_who_stops_reading_is_not_told_about_it(database_url: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "dbctl", "migrate", "history"],
            env=environment(DATABASE_URL=database_url),
            cwd=ROOT,
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_it_waits_ends_it_in_two_clean_lines(
    number: signal.Signals, code: int
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "dbctl", "migrate", "status"],
        env=environment(DATABASE_URL="postgresql://127.0.0.1:1/app", DB_CONNECT_DEADLINE="60"),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    first = process.stderr.readline()
    assert first.startswith("waiting for 127.0.0.1:1/app: nothing is listening there")
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (code, "")
    assert err == f"error: interrupted by {number.name}; nothing was changed\n"


def in_shell(line: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which `dbctl` is this one."""
    dbctl = f"{shlex.quote(sys.executable)} -m dbctl"
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line.replace('dbctl', dbctl)}"],
        env=environment(DATABASE_URL="postgresql://h/d", **variables),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("arguments", ["config", "config --json", "--help", "--version"])
def test_a_full_disk_is_one_message_and_exit_4(arguments: str) -> None:
    done = in_shell(f"dbctl {arguments} > /dev/full")
    assert done.returncode == 4
    assert re.fullmatch(
        r"error: cannot write to stdout: No space left on device\nhint: .+\n", done.stderr
    )


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("dbctl config 2>&-", 0),
        ("dbctl config 2>/dev/full", 0),
        ("dbctl config <&- >&- 2>&-", 4),
        ("dbctl migrat 2>&-", 2),
        ("dbctl migrat 2>/dev/full", 2),
        ("dbctl --help | true", 0),
        ("dbctl --version | true", 0),
    ],
)
def test_a_stream_that_nobody_reads_is_no_fault(line: str, code: int) -> None:
    done = in_shell(line)
    assert (done.returncode, done.stderr) == (code, "")


@pytest.mark.parametrize("arguments", ["config", "config --json", "--help", "--version"])
def test_a_closed_stdout_is_one_message_and_exit_4(arguments: str) -> None:
    done = in_shell(f"dbctl {arguments} >&-")
    assert done.returncode == 4
    assert re.fullmatch(
        r"error: cannot write to stdout: Bad file descriptor\nhint: .+\n", done.stderr
    )


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_narrow_encoding_shows_what_it_can(encoding: str, tmp_path: Path) -> None:
    folder = tmp_path / "zürich ✓ 🏔"
    folder.mkdir()
    (folder / "pyproject.toml").touch()
    line = f"cd {shlex.quote(str(folder))}; dbctl config"
    variables = {"PYTHONIOENCODING": encoding, "PYTHONPATH": str(ROOT)}
    assert in_shell(f"{line} > /dev/null", **variables).returncode == 0
    document = in_shell(f"{line} --json", **variables)
    assert json.loads(document.stdout)["project"] == str(folder)


def test_causes_can_be_asked_for_after_the_command() -> None:
    env = {"DATABASE_URL": "postgresql://127.0.0.1:1/app", "DB_CONNECT_DEADLINE": "0.2"}
    assert "caused by" in run_dbctl("migrate", "status", "-v", env=env).stderr


def test_what_models_print_does_not_spoil_the_json(tmp_path: Path, database_url: str) -> None:
    (tmp_path / "noisy.py").write_text("print('loading')\nfrom dbctl.models import *\n")
    env = {"DATABASE_URL": database_url, "PYTHONPATH": str(tmp_path)}
    done = run_dbctl("--models", "noisy", "migrate", "check", "--json", env=env)
    assert "loading" in done.stderr
    assert isinstance(done.json, dict)
