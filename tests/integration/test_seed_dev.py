"""The dev set that ships: what it holds, and where it is not written."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.support.cli import invoke
from tests.support.databases import execute, fetch
from tests.support.project import Project, use_example


def seed(url: str, *arguments: str) -> Any:
    done = invoke("seed", "--dev", "--json", *arguments, env={"DATABASE_URL": url})
    assert done.exit_code == 0, done.stdout
    return done.json


def states(url: str) -> list[str]:
    return [row["state"] for row in seed(url)["rows"]]


def test_the_set_holds_one_of_each_thing_a_screen_has_to_cope_with(database_url: str) -> None:
    result = seed(database_url)
    assert (result["set"], result["created"]) == ("dev", 6)
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


def test_the_dates_of_the_first_run_stay(database_url: str) -> None:
    seed(database_url)
    query = "select xmin::text || t::text from tasks t order by 1"
    before = fetch(database_url, query)
    assert states(database_url) == ["unchanged"] * 6
    assert fetch(database_url, query) == before


def test_a_user_made_by_hand_is_taken_whatever_the_case(database_url: str) -> None:
    execute(
        database_url,
        "insert into users (id, email, name) values (gen_random_uuid(), 'Test@Example.com', 'Me')",
    )
    assert states(database_url) == ["unchanged"] + ["created"] * 5
    assert states(database_url) == ["unchanged"] * 6
    assert fetch(database_url, "select name from users") == ["Me"]
    assert fetch(database_url, "select count(distinct user_id) from tasks") == [1]
    assert seed(database_url, "--reset", "--yes")["deleted"] == 5
    assert fetch(database_url, "select name from users") == ["Me"]


def test_a_user_whose_address_was_changed_is_still_the_owner(database_url: str) -> None:
    owner = seed(database_url)["rows"][0]["key"].removeprefix("id=")
    execute(
        database_url,
        "update users set email = 'me@x.io'",
        "insert into users (id, email, name) values (gen_random_uuid(), 'test@example.com', 'Me')",
    )
    assert states(database_url) == ["unchanged"] * 6
    assert fetch(database_url, "select distinct user_id::text from tasks") == [owner]


def test_a_task_that_was_edited_is_put_back_and_one_that_was_deleted_comes_back(
    database_url: str,
) -> None:
    rows = seed(database_url)["rows"]
    edited, deleted = (row["key"].removeprefix("id=") for row in rows[1:3])
    execute(
        database_url,
        f"update tasks set title = 'mine' where id = '{edited}'",
        f"delete from tasks where id = '{deleted}'",
    )
    again = seed(database_url)["rows"]
    assert [row["state"] for row in again[1:3]] == ["updated", "created"]
    assert again[1]["changes"] == [
        {"column": "title", "old": "mine", "new": "Renew the TLS certificate"}
    ]


def test_each_state_of_the_schema_has_its_own_remedy(database_url: str, empty_url: str) -> None:
    execute(database_url, "update alembic_version set version_num = 'gone'")
    for url, remedy in ((database_url, "check out the code"), (empty_url, "dbctl migrate up")):
        done = invoke("seed", "--dev", "--json", env={"DATABASE_URL": url})
        assert (done.exit_code, done.json["error"]["code"]) == (1, "schema_behind")
        assert remedy in done.json["error"]["hint"]


def test_revisions_of_ones_own_without_the_tables_are_exit_1(
    tmp_path: Path, empty_url: str
) -> None:
    project = Project.create(tmp_path, empty_url, "create table tasks (id int)")
    assert project.run("migrate", "up").exit_code == 0
    use_example(tmp_path)
    done = invoke("seed", "--dev", "--json", env={"DATABASE_URL": empty_url}, cwd=tmp_path)
    assert (done.exit_code, done.json["error"]["code"]) == (1, "schema_behind")
    assert 'relation "users" does not exist' in done.json["error"]["message"]


def test_models_of_ones_own_are_not_filled_with_dbctls(database_url: str) -> None:
    env = {"DATABASE_URL": database_url, "DBCTL_MODELS": "shop.models"}
    done = invoke("seed", "--dev", "--json", env=env)
    assert (done.exit_code, done.json["error"]["code"]) == (2, "not_found")


def test_the_table_fits_its_words_on_a_narrow_terminal(database_url: str) -> None:
    env = {"DATABASE_URL": database_url, "COLUMNS": "80"}
    done = invoke("seed", "--dev", env=env)
    assert "Renew the TLS certificate" in done.stdout
    assert "has the set dev: 6 created, 0 updated, 0 unchanged" in done.stdout


def test_the_options_of_the_group_are_not_those_of_its_commands(database_url: str) -> None:
    env = {"DATABASE_URL": database_url}
    done = invoke("seed", "--json", "forbid", env=env)
    assert (done.exit_code, done.json["error"]["code"]) == (2, "usage")
    assert "dbctl seed forbid --help" in done.json["error"]["hint"]
    assert invoke("seed", "--dev", "forbid", env=env).exit_code == 2
    assert invoke("seed", "nothing", env=env).exit_code == 2
    assert invoke("seed", "forbid", "--json", env=env).json["verdict"] == "forbidden"
