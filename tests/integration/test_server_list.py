"""`dbctl server` and `server prune`: the clusters of every project, also of those that are gone."""

import os
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dbctl.db.embedded import EmbeddedServer
from tests.support.cli import Finished, invoke
from tests.support.folders import open_folder

type Use = Callable[[str], EmbeddedServer]


@pytest.fixture(scope="module")
def initialised() -> Iterator[Path]:
    """Make one initialised data folder, which every cluster here is a copy of."""
    with open_folder() as folder:
        template = EmbeddedServer(folder, state_dir=folder)
        template.ensure_running()
        template.stop()
        yield template.cluster.data_dir


@pytest.fixture
def use(initialised: Path, state_dir: Path, tmp_path: Path) -> Iterator[Use]:
    """Return a maker of projects with a stopped cluster, which was used."""
    servers = []

    def make(name: str) -> EmbeddedServer:
        project = tmp_path / name
        project.mkdir()
        server = EmbeddedServer(project, state_dir=state_dir)
        server.cluster_dir.mkdir(parents=True)
        subprocess.run(["cp", "-a", initialised, server.cluster_dir], check=True)
        (server.cluster_dir / "project").write_bytes(os.fsencode(project))
        servers.append(server)
        return server

    yield make
    for server in servers:
        server.destroy()


def run(state_dir: Path, project: Path, *arguments: str) -> Finished:
    env = {"DBCTL_STATE_DIR": str(state_dir), "COLUMNS": "300"}
    return invoke("server", *arguments, env=env, cwd=project)


def found(state_dir: Path, project: Path) -> dict[str, Any]:
    document = run(state_dir, project, "--json").json
    return {Path(one["project"] or "?").name: one for one in document["servers"]}


def test_every_cluster_is_listed_with_folder_size_and_last_use(
    use: Use, state_dir: Path, tmp_path: Path
) -> None:
    here, moved = use("here"), use("moved")
    month = (datetime.now(UTC) - timedelta(days=30)).timestamp()
    os.utime(moved.cluster_dir / "project", (month, month))
    moved.project.rename(tmp_path / "elsewhere")
    clusters = found(state_dir, here.project)
    assert list(clusters) == ["here", "moved"]  # the last used one first
    assert [one["project_exists"] for one in clusters.values()] == [True, False]
    assert {one["state"] for one in clusters.values()} == {"stopped"}
    assert all(one["size_bytes"] > 1_000_000 for one in clusters.values())
    assert clusters["moved"]["last_used"][:10] == f"{datetime.fromtimestamp(month, UTC):%Y-%m-%d}"
    assert Path(clusters["here"]["data_dir"]) == here.cluster.data_dir
    shown = run(state_dir, here.project).stdout
    assert "(moved or gone)" in shown
    assert "server prune" in shown


def test_a_use_is_noted_with_its_time(use: Use, state_dir: Path) -> None:
    server = use("here")
    (server.cluster_dir / "project").unlink()
    assert found(state_dir, server.project)["?"]["project_exists"] is None
    for _ in range(2):  # to start it, and to attach to it
        month = (datetime.now(UTC) - timedelta(days=30)).timestamp()
        if (server.cluster_dir / "project").exists():
            os.utime(server.cluster_dir / "project", (month, month))
        assert run(state_dir, server.project, "url").exit_code == 0
        (one,) = found(state_dir, server.project).values()
        assert (one["project"], one["state"]) == (str(server.project), "running")
        assert datetime.now(UTC) - datetime.fromisoformat(one["last_used"]) < timedelta(days=1)


def test_prune_removes_what_belongs_to_folders_that_are_gone(use: Use, state_dir: Path) -> None:
    here, gone, unknown = use("here"), use("gone"), use("unknown")
    gone.project.rmdir()
    (unknown.cluster_dir / "project").unlink()
    asked = run(state_dir, here.project, "prune")
    assert asked.exit_code == 5
    assert str(gone.project) in asked.stderr
    assert gone.cluster.data_dir.exists()
    done = run(state_dir, here.project, "prune", "--yes", "--json")
    assert done.exit_code == 0, done.stderr
    assert [one["project"] for one in done.json["servers"]] == [str(gone.project)]
    assert [here.cluster.data_dir.exists(), unknown.cluster.data_dir.exists()] == [True, True]
    assert not gone.cluster.data_dir.exists()
    assert run(state_dir, here.project, "prune", "--json").json["servers"] == []


def test_prune_ends_a_server_whose_folder_is_gone(use: Use, state_dir: Path) -> None:
    here, gone = use("here"), use("gone")
    gone.ensure_running()
    gone.project.rmdir()
    assert found(state_dir, here.project)["gone"]["state"] == "running"
    assert run(state_dir, here.project, "prune", "--yes").exit_code == 0
    assert list(found(state_dir, here.project)) == ["here"]
    assert not gone.cluster.is_alive()


def test_prune_of_unused_ones_keeps_those_that_run_or_were_used(use: Use, state_dir: Path) -> None:
    here, old, running = use("here"), use("old"), use("running")
    running.ensure_running()
    month = (datetime.now(UTC) - timedelta(days=30)).timestamp()
    for server in (old, running):
        os.utime(server.cluster_dir / "project", (month, month))
    done = run(state_dir, here.project, "prune", "--unused-for", "7", "--yes", "--json")
    assert [one["project"] for one in done.json["servers"]] == [str(old.project)]
    assert sorted(found(state_dir, here.project)) == ["here", "running"]


def test_no_cluster_is_a_sentence(state_dir: Path, tmp_path: Path) -> None:
    done = run(state_dir / "none", tmp_path)
    assert (done.exit_code, done.stdout[:18]) == (0, "no embedded server")
