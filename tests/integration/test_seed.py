"""The dev set: what it holds, and where it is not written."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from tests.support.cli import invoke, run_dbctl
from tests.support.databases import execute, fetch
from tests.support.project import Project


def seed(url: str, *arguments: str, **env: str) -> list[dict[str, str]]:
    done = invoke("seed", "--dev", "--json", *arguments, env={"DATABASE_URL": url} | env)
    assert done.exit_code == 0, done.stdout
    rows: list[dict[str, str]] = done.json["rows"]
    return rows


def test_the_set_holds_one_of_each_thing_a_screen_has_to_cope_with(database_url: str) -> None:
    seed(database_url)
    now = datetime.now(UTC)
    (overdue,) = fetch(
        database_url, "select due_at from tasks where due_at < now() and status <> 'done'"
    )
    assert overdue < now
    assert fetch(database_url, "select count(*) from tasks where completed_at < now()") == [1]
    assert fetch(database_url, "select count(*) from tasks where due_at is null") == [1]
    assert fetch(database_url, "select max(cardinality(tags)) from tasks") == [12]
    assert fetch(database_url, "select count(*) from tasks where title ~ '[^[:ascii:]]'") == [1]
    assert fetch(database_url, "select count(distinct priority) from tasks") == [4]
    assert fetch(database_url, "select email from users") == ["test@example.com"]
    assert fetch(database_url, "select count(*) from tasks") == [5]


def test_a_user_made_by_hand_is_taken_whatever_the_case(database_url: str) -> None:
    execute(
        database_url,
        "insert into users (id, email, name) values (gen_random_uuid(), 'Test@Example.com', 'Me')",
    )
    rows = seed(database_url)
    assert [row["state"] for row in rows] == ["already there"] + ["created"] * 5
    assert fetch(database_url, "select count(distinct user_id) from tasks") == [1]


def test_a_row_that_was_edited_stays_as_it_is_and_one_that_was_deleted_comes_back(
    database_url: str,
) -> None:
    rows = seed(database_url)
    execute(
        database_url,
        f"update tasks set title = 'mine' where id = '{rows[1]['id']}'",
        f"delete from tasks where id = '{rows[2]['id']}'",
    )
    again = seed(database_url)
    assert [row["state"] for row in again].count("created") == 1
    assert again[1]["title"] == "mine"


def test_a_user_whose_address_was_changed_is_still_the_owner(database_url: str) -> None:
    rows = seed(database_url)
    execute(database_url, "update users set email = 'me@x.io'")
    again = seed(database_url)
    assert (again[0]["id"], again[0]["title"]) == (rows[0]["id"], "me@x.io")
    assert {row["state"] for row in again} == {"already there"}
    execute(
        database_url,
        "insert into users (id, email, name) values (gen_random_uuid(), 'test@example.com', 'Me')",
    )
    assert seed(database_url)[0]["id"] == rows[0]["id"]


def test_two_runs_at_once_write_the_set_once(database_url: str) -> None:
    def run(_number: int) -> list[str]:
        done = run_dbctl("seed", "--dev", "--json", env={"DATABASE_URL": database_url})
        assert done.exit_code == 0, done.stdout
        return [row["state"] for row in done.json["rows"]]

    with ThreadPoolExecutor(3) as pool:
        states = [state for states in pool.map(run, range(3)) for state in states]
    assert states.count("created") == 6
    assert fetch(database_url, "select count(*) from tasks") == [5]


def test_a_schema_that_is_not_there_is_exit_1_with_what_to_run(empty_url: str) -> None:
    done = invoke("seed", "--dev", "--json", env={"DATABASE_URL": empty_url})
    assert (done.exit_code, done.json["error"]["code"]) == (1, "schema_behind")
    assert "dbctl migrate up" in done.json["error"]["hint"]


def test_each_state_of_the_schema_has_its_own_remedy(database_url: str) -> None:
    execute(database_url, "update alembic_version set version_num = 'gone'")
    done = invoke("seed", "--dev", "--json", env={"DATABASE_URL": database_url})
    assert (done.exit_code, done.json["error"]["code"]) == (1, "schema_behind")
    assert "check out the code" in done.json["error"]["hint"]


def test_revisions_of_ones_own_without_the_tables_are_exit_1(
    tmp_path: Path, empty_url: str
) -> None:
    project = Project.create(tmp_path, empty_url, "create table tasks (id int)")
    assert project.run("migrate", "up").exit_code == 0
    done = invoke("seed", "--dev", "--json", env={"DATABASE_URL": empty_url}, cwd=tmp_path)
    assert (done.exit_code, done.json["error"]["code"]) == (1, "schema_behind")
    assert done.json["error"]["message"].endswith("what the dev set fills: users")


def test_production_is_refused_and_nothing_is_written(database_url: str) -> None:
    env = {"DATABASE_URL": database_url, "ENVIRONMENT": "production"}
    done = invoke("seed", "--dev", "--json", env=env)
    assert (done.exit_code, done.json["error"]["code"]) == (5, "production_guard")
    assert fetch(database_url, "select count(*) from users") == [0]


def test_a_set_has_to_be_named(database_url: str) -> None:
    done = invoke("seed", env={"DATABASE_URL": database_url})
    assert done.exit_code == 2
    assert "dbctl seed --dev" in done.stderr


def test_models_of_ones_own_are_not_filled_with_dbctls(database_url: str) -> None:
    env = {"DATABASE_URL": database_url, "DBCTL_MODELS": "shop.models"}
    assert invoke("seed", "--dev", env=env).exit_code == 2


def test_the_table_fits_its_words_on_the_terminal(database_url: str) -> None:
    done = invoke("seed", "--dev", env={"DATABASE_URL": database_url})
    assert "Renew the TLS certificate" in done.stdout
    assert "6 created, 0 already there" in done.stdout
