"""Not one revision file found: a state of its own, never `current`."""

from pathlib import Path

import pytest

from tests.support.cli import Finished
from tests.support.databases import execute, fetch
from tests.support.health import checks_of
from tests.support.project import INI, Project


@pytest.fixture
def project(tmp_path: Path, empty_url: str) -> Project:
    """A project that looks for its revisions in two folders, neither of which has any."""
    project = Project.create(tmp_path, empty_url)
    locations = "version_locations = %(here)s/one:%(here)s/two\n"
    (tmp_path / "alembic.ini").write_text(INI + locations)
    (tmp_path / "one").mkdir()
    return project


def searched(project: Project) -> list[str]:
    return [str(project.root / "one"), str(project.root / "two")]


def refused(done: Finished, project: Project) -> None:
    error = done.json["error"]
    assert (done.exit_code, error["code"]) == (1, "migration_scripts")
    assert error["message"] == f"no revisions were found in {' and '.join(searched(project))}"
    assert "version_locations" in error["hint"]


@pytest.mark.parametrize("version", [None, "r1"])
def test_status_is_no_revisions_with_the_folders(project: Project, version: str | None) -> None:
    if version:
        execute(
            project.url,
            "create table alembic_version (version_num text)",
            f"insert into alembic_version values ('{version}')",
        )
    done = project.run("migrate", "status", "--json", "--wait", "30")
    assert (done.exit_code, done.json["state"]) == (1, "no_revisions")
    assert done.json["searched"] == searched(project)
    assert "migrate new" in done.json["hint"]
    table = project.run("migrate", "status").stdout
    assert "no revisions were found" in table
    assert all(folder in table.replace("\n", "") for folder in searched(project))


def test_history_finds_nothing_and_names_the_folders(project: Project) -> None:
    done = project.run("migrate", "history", "--json")
    assert (done.exit_code, done.json["revisions"]) == (1, [])
    assert done.json["searched"] == searched(project)
    text = project.run("migrate", "history").stdout.replace("\n", "")
    assert all(folder in text for folder in searched(project))


@pytest.mark.parametrize(
    "arguments",
    [("up",), ("plan",), ("lint",), ("down", "--yes"), ("stamp", "head"), ("check",)],
    ids=lambda arguments: arguments[0],
)
def test_what_needs_a_revision_exits_1_and_names_the_folders(
    project: Project, arguments: tuple[str, ...]
) -> None:
    refused(project.run("migrate", *arguments, "--json"), project)
    assert fetch(project.url, "select to_regclass('alembic_version')::text") == [None]


def test_health_fails_and_does_not_wait(project: Project) -> None:
    done = project.run("health", "--json", "--wait", "30")
    check = checks_of(done.json)["migrations"]
    assert (done.exit_code, check["status"]) == (1, "fail")
    assert check["observed"]["state"] == "no_revisions"
    assert all(folder in check["output"] for folder in searched(project))
    assert "waiting" not in done.stderr


def test_the_first_revision_can_be_written_and_a_version_taken_back(
    tmp_path: Path, empty_url: str
) -> None:
    project = Project.create(tmp_path, empty_url)
    assert project.run("migrate", "stamp", "base").exit_code == 0
    done = project.run("migrate", "new", "first", "--json")
    assert done.exit_code == 0
    assert project.run("migrate", "status", "--json").json["state"] == "empty"
