"""The recipes of docs/: each is what its reader takes it for, and what it runs, dbctl runs."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.support.cli import ROOT, environment, run_dbctl
from tests.support.project import use_example
from tests.support.serving import serving

DOCS = ROOT / "docs"
ACTIONS = DOCS / "health-github-actions.yml"
KUBERNETES = DOCS / "health-kubernetes.yaml"
DOCKER = DOCS / "health-docker.Dockerfile"


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def instructions() -> dict[str, list[str]]:
    """Return the instructions of the Dockerfile by name, their lines joined."""
    lines = [line for line in DOCKER.read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    found: dict[str, list[str]] = {}
    for line in joined.splitlines():
        if line.strip():
            name, _, rest = line.partition(" ")
            found.setdefault(name, []).append(" ".join(rest.split()))
    return found


def pod() -> Any:
    return read(KUBERNETES)["spec"]["template"]["spec"]


def commands() -> list[list[str]]:
    """Return every dbctl command line that the recipes run."""
    steps = read(ACTIONS)["jobs"]["deploy"]["steps"]
    shells = [step["run"] for step in steps if "run" in step]
    shells += [line.partition("CMD ")[2] for line in instructions()["HEALTHCHECK"]]
    lines = [found[0] for shell in shells for found in re.finditer(r"dbctl [^>|&]+", shell)]
    containers = [*pod()["initContainers"], *pod()["containers"]]
    return [
        *(shlex.split(line) for line in lines),
        *(container["command"] for container in containers if "command" in container),
        json.loads(instructions()["CMD"][0]),
    ]


def run_shell(command: str, database_url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as the recipe's shell does, where dbctl is installed."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["/bin/sh", "-c", command],
        env=environment(DATABASE_URL=database_url, PATH=path, DB_CONNECT_DEADLINE="5"),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_option_of_a_recipe_is_one_that_the_help_shows(command: list[str]) -> None:
    assert command[0] == "dbctl"
    path = [word for word in command[1:3] if not word.startswith("-")]
    shown = run_dbctl(*path, "--help").stdout
    for option in (word for word in command if word.startswith("--")):
        assert re.search(rf"{option}\b", shown), option


def test_every_recipe_runs_dbctl() -> None:
    assert len(commands()) == 5


def test_the_step_of_github_actions_writes_the_report(database_url: str, tmp_path: Path) -> None:
    steps = read(ACTIONS)["jobs"]["deploy"]["steps"]
    (step,) = (step for step in steps if "dbctl" in step.get("run", ""))
    done = run_shell(step["run"].replace("uv run ", ""), database_url, tmp_path)
    assert done.returncode == 0, done.stderr
    (kept,) = (step["with"]["path"] for step in steps if "upload-artifact" in step.get("uses", ""))
    assert (tmp_path / kept).read_text().startswith("<?xml")
    assert set(step["env"]) == {"DATABASE_URL", "ENVIRONMENT"}


def test_the_health_check_of_docker_tells_a_good_database_from_a_bad_one(
    database_url: str, empty_url: str, tmp_path: Path
) -> None:
    (line,) = instructions()["HEALTHCHECK"]
    use_example(tmp_path)
    options, _, command = line.partition("CMD ")
    assert re.fullmatch(r"(--(interval|timeout|start-period|retries)=\d+s? )+", options)
    assert run_shell(command, database_url, tmp_path).returncode == 0
    assert run_shell(command, empty_url, tmp_path).returncode == 1
    nowhere = "postgresql://nobody@127.0.0.1:1/none"
    assert run_shell(command, nowhere, tmp_path).returncode == 1


def test_the_init_container_ends_when_the_database_is_fit(database_url: str) -> None:
    (container,) = pod()["initContainers"]
    done = run_dbctl(*container["command"][1:], env={"DATABASE_URL": database_url})
    assert done.exit_code == 0, done.stderr


def test_the_probes_of_kubernetes_are_answered(database_url: str) -> None:
    (container,) = (found for found in pod()["containers"] if found["name"] == "health")
    arguments = container["command"][1:]
    assert arguments[:2] == ["health", "serve"]
    assert arguments[arguments.index("--port") + 1] == str(container["ports"][0]["containerPort"])
    host = arguments[arguments.index("--host") + 1]
    probes = [container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")]
    assert {probe["port"] for probe in probes} == {container["ports"][0]["name"]}
    with serving(database_url, "--host", host) as running:
        port = running.url.rpartition(":")[2]
        for probe in probes:
            answer = httpx.get(f"http://127.0.0.1:{port}{probe['path']}", timeout=30)
            assert answer.status_code == 200
