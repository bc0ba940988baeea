"""Every command as a process: exit code, one JSON document on stdout, nothing on stderr."""

import csv
import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dbctl.db.embedded import EmbeddedServer
from tests.conftest import MIGRATED
from tests.support.cli import ROOT, invoke, run_dbctl
from tests.support.databases import TestServer
from tests.support.project import use_example

USER = "16194304-04d3-548b-9807-7b9509d3302b"
USERS = str(ROOT / "tests" / "acceptance" / "users.csv")


@pytest.fixture(scope="module")
def seeded_url(server: TestServer) -> Iterator[str]:
    """A database at the head with the dev set; the tests of this module only read it."""
    with server.database(MIGRATED) as url:
        assert run_dbctl("seed", "--dev", env={"DATABASE_URL": url}).exit_code == 0
        yield url


@pytest.mark.parametrize(
    ("arguments", "key", "value"),
    [
        (["migrate", "up"], "applied", []),
        (["migrate", "plan"], "revisions", []),
        (["migrate", "down", "head", "--yes"], "applied", []),
        (["migrate", "status"], "state", "current"),
        (["migrate", "history"], "current", ["4d6f1b0c9a27"]),
        (["migrate", "check"], "differences", []),
        (["migrate", "stamp", "head"], "after", ["4d6f1b0c9a27"]),
        (["migrate", "log"], "total", 1),
        (["migrate", "verify"], None, None),
        (["migrate", "repair", "--yes"], "accepted", []),
        (["migrate", "lint"], "passed", True),
        (["seed"], None, None),
        (["seed", "--dev"], "set", "dev"),
        (["seed", "--dev", "--reset", "--plan"], "deleted", 6),
        (["seed", "generate", "tasks=10", "--plan"], "plan", True),
        (["seed", "load", USERS, "--into", "users", "--plan"], "rows", 1),
        (["seed", "allow", "--revoke"], "changed", False),
        (["health"], "environment", "development"),
        (["inspect", "tables"], None, None),
        (["inspect", "table", "tasks"], None, None),
        (["inspect", "rows", "users"], "table", "public.users"),
        (["inspect", "row", "users", USER], "table", "public.users"),
        (["inspect", "table", "tasks", "--ddl"], "name", "tasks"),
        (["inspect", "indexes"], "standby", False),
        (["inspect", "activity", "--all"], "every", True),
        (["inspect", "locks"], None, None),
        (["inspect", "size"], "limit", 20),
        (["inspect", "pool"], None, None),
        (["inspect", "diagram"], None, None),
        (["inspect", "diagram", "--models"], None, None),
        (["config"], None, None),
        (["init", "--dry-run"], "changed", False),
        (["config", "--check"], None, None),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) and value else "",
)
def test_a_command_answers_in_json(
    seeded_url: str, arguments: list[str], key: str | None, value: Any
) -> None:
    done = run_dbctl(*arguments, "--json", env={"DATABASE_URL": seeded_url})
    assert (done.exit_code, done.stderr) == (0, "")
    document = done.json
    assert isinstance(document, dict)
    if key is not None:
        assert document[key] == value


def test_a_query_answers_in_json_and_tells_a_superuser(seeded_url: str) -> None:
    done = run_dbctl(
        "inspect", "query", "SELECT 1 AS a", "--json", env={"DATABASE_URL": seeded_url}
    )
    assert (done.exit_code, done.json["rows"]) == (0, [{"a": 1}])
    assert done.stderr.startswith("connected as a superuser: ")


def test_new_answers_in_json_without_a_database(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "alembic", tmp_path / "alembic")
    shutil.copy(ROOT / "alembic.ini", tmp_path)
    done = run_dbctl("migrate", "new", "first", "--json", cwd=tmp_path)
    assert (done.exit_code, done.stderr) == (0, "")
    assert f"revision = {done.json['revision']!r}" in Path(done.json["path"]).read_text()


def test_the_server_of_a_project_starts_serves_stops_and_goes(
    tmp_path: Path, state_dir: Path
) -> None:
    use_example(tmp_path)
    env = {"DBCTL_STATE_DIR": str(state_dir)}
    production = env | {"ENVIRONMENT": "production", "DATABASE_URL": "postgresql://nobody/app"}

    def server(*arguments: str) -> Any:
        done = run_dbctl("server", *arguments, "--json", env=env, cwd=tmp_path)
        assert done.exit_code == 0, done.stderr
        return done.json

    try:
        assert invoke("server", "status", "--json", env=env, cwd=tmp_path).json["state"] == "absent"
        assert server("start")["state"] == "running"
        url = server("url")["url"]
        reads, _ = invoke("config", "--json", env=env, cwd=tmp_path).json["routes"]
        assert reads["url"] == url
        narrow = invoke("server", "status", env=env | {"COLUMNS": "80"}, cwd=tmp_path)
        assert f"\n{url}\n" in narrow.stdout
        done = invoke("migrate", "status", "--json", env=env, cwd=tmp_path)
        assert (done.exit_code, done.json["state"]) == (1, "empty")
        assert "this project's embedded PostgreSQL serves" in done.stderr
        plain = invoke("server", "url", env=env, cwd=tmp_path)
        assert (plain.stdout, plain.stderr) == (f"{url}\n", "")
        for name in ("start", "url"):
            refused = invoke("server", name, "--json", env=production, cwd=tmp_path)
            assert (refused.exit_code, refused.json["error"]["code"]) == (2, "configuration")
            assert "for development and test only" in refused.json["error"]["message"]
        status = invoke("server", "status", "--json", env=production, cwd=tmp_path).json
        assert (status["state"], status["url"]) == ("running", url)
        stopped = invoke("server", "stop", "--json", env=production, cwd=tmp_path)
        assert stopped.json["changed"] is True
        assert invoke("server", "stop", "--json", env=env, cwd=tmp_path).json["changed"] is False
        assert invoke("server", "status", "--json", env=env, cwd=tmp_path).json["state"] == (
            "stopped"
        )
        assert invoke("server", "destroy", env=env, cwd=tmp_path).exit_code == 5
    finally:
        assert server("destroy", "--yes")["changed"] is True
    assert invoke("server", "status", "--json", env=env, cwd=tmp_path).json["state"] == "absent"


def test_the_status_tells_where_the_binaries_and_other_data_of_the_project_are(
    tmp_path: Path, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "below").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    bindir = EmbeddedServer(tmp_path).binaries.bindir
    (tmp_path / "programs").symlink_to(bindir)
    (tmp_path / "state").symlink_to(state_dir)
    env = {"DBCTL_STATE_DIR": "state", "DB_PG_BINDIR": "~/programs"}
    data_dir = Path(invoke("server", "status", "--json", env=env, cwd=tmp_path).json["data_dir"])
    assert data_dir.is_relative_to(state_dir)
    older = data_dir.parents[1] / "pg14" / "data"
    older.mkdir(parents=True)

    # A relative DBCTL_STATE_DIR means the same in every folder of the project.
    below = tmp_path / "below"
    status = invoke("server", "status", "--json", env=env, cwd=below).json
    assert status["data_dir"] == str(data_dir)
    assert status["other_clusters"] == [str(older)]
    assert status["binaries_source"] == "DB_PG_BINDIR"
    table = invoke("server", "status", env=env, cwd=below).stdout
    assert str(older) in table
    assert "(DB_PG_BINDIR)" in table


def test_config_has_its_routes_in_csv_too(seeded_url: str) -> None:
    done = invoke("config", "--format", "csv", env={"DATABASE_URL": seeded_url})
    rows = {row["name"]: row for row in csv.DictReader(io.StringIO(done.stdout))}
    assert rows["migrations"]["source"] == "direct (DATABASE_URL)"
    assert rows["reads"]["value"] == rows["DATABASE_URL"]["value"]
