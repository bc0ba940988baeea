"""The walks of docs/init.md, from an empty folder, with nothing but what the page says."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import ROOT, environment, run_dbctl

# Long: run with -m slow.
pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "init.md").read_text()
FENCE = re.compile(r"^```(console|python)\n(.+?)^```$", re.MULTILINE | re.DOTALL)
# Installing is not tried here, and a server does not end.
NOT_RUN = re.compile(r"uv (init|add)|pip install|uv run uvicorn")


def section(heading: str) -> str:
    """Return the text below a heading."""
    _, found, rest = PAGE.partition(f"## {heading}\n")
    assert found
    return rest.partition("\n## ")[0]


def follow(page: str, folder: Path, env: dict[str, str]) -> list[str]:
    """Write the files and run the commands of a section, in order; return the commands."""
    commands = []
    for language, text in FENCE.findall(page):
        if language == "python":
            write(folder, text)
            continue
        for command in re.findall(r"^\$ (.+)$", text, re.MULTILINE):
            if NOT_RUN.search(command):
                continue
            done = subprocess.run(
                ["bash", "-c", command],
                cwd=folder,
                env=env,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, (command, done.stdout, done.stderr)
            commands.append(command.partition("#")[0].strip())
    return commands


def write(folder: Path, text: str) -> None:
    """Write a block to the file that its first line names; a pattern is a revision's body."""
    first, _, rest = text.partition("\n")
    name = first.removeprefix("# ")
    if "*" not in name:
        (folder / name).write_text(text)
        return
    (file,) = folder.glob(name)
    head, _, _ = file.read_text().partition("def upgrade")
    file.write_text(head + rest)


@pytest.fixture
def env(state_dir: Path, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a user whose embedded servers live in a folder of the test's."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    variables = {"DBCTL_STATE_DIR": str(state_dir), "PATH": path}
    yield environment(**variables)
    run_dbctl("server", "destroy", "--yes", env=variables, cwd=tmp_path)


def test_the_task_application_runs_as_the_page_says(tmp_path: Path, env: dict[str, str]) -> None:
    commands = follow(section("Try it with the task application"), tmp_path, env)
    assert commands[1:] == [
        "dbctl migrate up",
        "dbctl seed --dev",
        "dbctl health",
        "dbctl inspect rows tasks",
    ]
    done = run_dbctl("migrate", "check", "--json", env=env, cwd=tmp_path)
    assert (done.exit_code, done.json["models"]) == (0, "app.models")
    again = run_dbctl("init", "--example", "--json", env=env, cwd=tmp_path)
    assert (again.exit_code, again.json["changed"], again.json["files"]) == (0, False, [])


def test_an_application_of_fastapi_runs_as_the_page_says(
    tmp_path: Path, env: dict[str, str]
) -> None:
    commands = follow(section("A new application with FastAPI and SQLModel"), tmp_path, env)
    assert commands[-2:] == ["dbctl seed --dev", "dbctl health"]
    client = (
        "from fastapi.testclient import TestClient\nfrom main import app\n"
        "with TestClient(app) as client: print(client.get('/heroes').text)"
    )
    answer = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", client],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(answer.stdout) == [{"id": 1, "name": "Deadpond"}]


def test_an_application_of_flask_migrate_runs_as_the_page_says(
    tmp_path: Path, env: dict[str, str]
) -> None:
    commands = follow(section("Adopt a Flask-Migrate application"), tmp_path, env)
    assert commands[:3] == ["flask db init", "dbctl init", "dbctl migrate new 'users'"]
    shown = run_dbctl("inspect", "rows", "user", "--format", "csv", env=env, cwd=tmp_path)
    assert shown.stdout == "id,name\n1,Ada\n", shown
