"""The example: used where a project asks for it, and never by accident."""

from pathlib import Path

import pytest

from tests.support.cli import Finished, invoke
from tests.support.databases import execute, fetch
from tests.support.health import checks_of, statuses_of
from tests.support.project import Project, use_example

MIGRATE = (
    ("status",),
    ("plan",),
    ("lint",),
    ("up",),
    ("down",),
    ("history",),
    ("log",),
    ("verify",),
    ("check",),
    ("new", "first"),
    ("stamp", "head"),
    ("repair",),
)
TABLES = (
    "select relname::text from pg_class "
    "where relkind = 'r' and relnamespace = 'public'::regnamespace order by 1"
)


def run(folder: Path, url: str, *arguments: str, **env: str) -> Finished:
    """Run dbctl in a folder."""
    return invoke(*arguments, env={"DATABASE_URL": url} | env, cwd=folder)


@pytest.mark.parametrize("arguments", MIGRATE, ids=lambda arguments: arguments[0])
def test_migrate_without_a_configuration_exits_2_and_says_what_to_do(
    tmp_path: Path, empty_url: str, arguments: tuple[str, ...]
) -> None:
    done = run(tmp_path, empty_url, "migrate", *arguments, "--json")
    assert (done.exit_code, done.json["error"]["code"]) == (2, "configuration")
    assert f"there is no Alembic configuration in {tmp_path}" in done.json["error"]["message"]
    for step in ("`dbctl init`", "DBCTL_ALEMBIC_CONFIG", "`dbctl init --example`"):
        assert step in done.json["error"]["hint"]
    assert fetch(empty_url, TABLES) == []


def test_health_without_a_configuration_leaves_migrations_out(
    tmp_path: Path, empty_url: str
) -> None:
    done = run(tmp_path, empty_url, "health", "--json")
    check = checks_of(done.json)["migrations"]
    assert (done.exit_code, check["status"]) == (0, "unknown")
    assert check["output"].startswith("not checked: there is no Alembic configuration in ")
    assert "DBCTL_ALEMBIC_CONFIG" in check["remedy"]
    assert run(tmp_path, empty_url, "health", "--strict").exit_code == 1
    strict = run(tmp_path, empty_url, "health", "--strict", "--skip", "migrations", "--json")
    assert statuses_of(strict.json)["extensions"] == "pass"
    drift = run(tmp_path, empty_url, "health", "--drift", "--json")
    assert (drift.exit_code, drift.json["error"]["code"]) == (2, "configuration")


def test_seed_without_the_example_has_no_dev_and_says_how_to_write_one(
    tmp_path: Path, database_url: str
) -> None:
    listed = run(tmp_path, database_url, "seed", "--json")
    assert (listed.exit_code, listed.json["sets"]) == (0, [])
    done = run(tmp_path, database_url, "seed", "--dev", "--json")
    assert (done.exit_code, done.json["error"]["code"]) == (2, "not_found")
    assert 'dev = "app.seeds"' in done.json["error"]["hint"]
    assert "[tool.dbctl.seeds]" in done.json["error"]["hint"]
    assert fetch(database_url, "select count(*) from users") == [0]


def test_the_example_s_models_do_not_judge_somebody_s_users(tmp_path: Path, empty_url: str) -> None:
    execute(empty_url, "create table users (id int primary key, email text, name text)")
    file = tmp_path / "users.csv"
    file.write_text("id,email,name\n1,not an address,\n")
    done = run(tmp_path, empty_url, "seed", "load", str(file), "--into", "users", "--json")
    assert (done.exit_code, fetch(empty_url, "select email from users")) == (0, ["not an address"])
    assert done.stderr == ""
    shown = run(tmp_path, empty_url, "inspect", "rows", "users", "--format", "csv")
    assert "not an address" in shown.stdout
    models = run(tmp_path, empty_url, "inspect", "diagram", "--models", "--json")
    assert (models.exit_code, models.json["error"]["code"]) == (2, "models_import")


def test_the_example_s_models_do_judge_where_they_are_asked_for(
    tmp_path: Path, database_url: str
) -> None:
    use_example(tmp_path)
    file = tmp_path / "users.csv"
    file.write_text("email,name\nnot an address,\n")
    done = run(tmp_path, database_url, "seed", "load", str(file), "--into", "users", "--json")
    assert done.exit_code == 4


@pytest.mark.parametrize("arguments", [("up",), ("stamp", "head")])
@pytest.mark.parametrize(
    ("statements", "message"),
    [
        (["create table orders (id int)"], "not the example's: public.orders"),
        (["create schema crm", "create table crm.users (id int)"], "not the example's: crm.users"),
        (["create view answers as select 42"], "not the example's: public.answers"),
        (
            [
                "create table alembic_version (version_num text primary key)",
                "insert into alembic_version values ('abc')",
            ],
            "is at revision abc, which is not the example's",
        ),
    ],
)
def test_the_example_is_not_applied_to_what_holds_anything_else(
    tmp_path: Path,
    empty_url: str,
    arguments: tuple[str, ...],
    statements: list[str],
    message: str,
) -> None:
    use_example(tmp_path)
    execute(empty_url, *statements)
    before = fetch(empty_url, TABLES)
    done = run(tmp_path, empty_url, "migrate", *arguments, "--json")
    assert (done.exit_code, done.json["error"]["code"]) == (5, "production_guard")
    assert message in done.json["error"]["message"]
    assert fetch(empty_url, TABLES) == before


def test_the_example_is_applied_beside_dbctl_s_own_tables_and_again_beside_others(
    tmp_path: Path, empty_url: str
) -> None:
    use_example(tmp_path)
    execute(empty_url, "create table dbctl_seed_marker (what text)")
    done = run(tmp_path, empty_url, "migrate", "up", "--json")
    assert (done.exit_code, len(done.json["applied"]), done.stderr.count("stamp")) == (0, 1, 0)
    execute(empty_url, "create table mine (id int)")
    assert run(tmp_path, empty_url, "migrate", "up").exit_code == 0
    assert run(tmp_path, empty_url, "migrate", "stamp", "head").exit_code == 0


def test_the_example_s_tables_without_a_version_can_be_stamped(
    tmp_path: Path, database_url: str
) -> None:
    use_example(tmp_path)
    execute(database_url, "drop table alembic_version")
    done = run(tmp_path, database_url, "migrate", "stamp", "head", "--json")
    assert (done.exit_code, done.json["after"]) == (0, ["4d6f1b0c9a27"])


def test_revisions_of_a_project_s_own_run_beside_tables_with_a_notice(
    tmp_path: Path, empty_url: str
) -> None:
    project = Project.create(tmp_path, empty_url, "create table team (id int)", "select 1")
    execute(empty_url, "create table orders (id int)")
    done = project.run("migrate", "up", "--json")
    assert (done.exit_code, done.json["after"], len(done.json["applied"])) == (0, ["r2"], 2)
    assert done.stderr.count("dbctl migrate stamp") == 1
    project.run("migrate", "down", "base", "--yes")
    execute(empty_url, "drop table orders", "drop table team")
    assert "stamp" not in project.run("migrate", "up").stderr


def test_the_example_with_revisions_of_a_project_s_own_runs_those(
    tmp_path: Path, empty_url: str
) -> None:
    Project.create(tmp_path, empty_url, "create table team (id int)")
    use_example(tmp_path)
    done = run(tmp_path, empty_url, "migrate", "up", "--json")
    assert (done.exit_code, done.json["after"]) == (0, ["r1"])
    drift = run(tmp_path, empty_url, "migrate", "check", "--json")
    assert drift.json["models"] == "dbctl.models"
    seeds = run(tmp_path, empty_url, "seed", "--json")
    assert [each["name"] for each in seeds.json["sets"]] == ["dev"]


def test_the_example_does_not_go_with_models_of_a_project_s_own(
    tmp_path: Path, empty_url: str
) -> None:
    use_example(tmp_path)
    done = run(tmp_path, empty_url, "migrate", "up", "--json", DBCTL_MODELS="shop.models")
    assert done.exit_code == 2
    assert (
        "the example's revisions do not fit DBCTL_MODELS=shop.models"
        in (done.json["error"]["message"])
    )
