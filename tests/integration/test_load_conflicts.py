"""Rows whose key the table has already: an error, left alone, or brought up to date."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_load_files import load, write
from tests.support.databases import execute, fetch


@pytest.fixture
def stock_url(empty_url: str) -> str:
    execute(
        empty_url,
        "create table t (id int primary key, name text unique, n numeric(12,2), j json,"
        " a int default 7, seen timestamptz default clock_timestamp())",
        "insert into t values (1, 'one', 1.50, '{\"a\": 1}'), (2, 'two', 2, null)",
    )
    return empty_url


def rows(url: str) -> list[Any]:
    found = "select concat_ws('|', id, name, n, j, a) from t order by id"
    return fetch(url, found)


def counts(done: Any) -> dict[str, int]:
    names = ("inserted", "updated", "unchanged", "skipped", "superseded")
    return {name: done.json[name] for name in names if done.json[name]}


def test_a_conflict_fails_unless_told_otherwise(stock_url: str, tmp_path: Path) -> None:
    done = load(stock_url, write(tmp_path / "x.csv", "id,name\n3,three\n2,zwei\n"), into="t")
    assert done.exit_code == 4
    assert "row 2 (line 3), column id" in done.stderr
    assert len(rows(stock_url)) == 2


def test_rows_that_are_there_are_skipped_whatever_key_they_share(
    stock_url: str, tmp_path: Path
) -> None:
    file = write(tmp_path / "x.csv", "id,name\n1,uno\n3,two\n4,four\n4,vier\n")
    done = load(stock_url, file, "--on-conflict", "skip", "--json", into="t")
    assert done.exit_code == 0, done.stderr
    assert counts(done) == {"inserted": 1, "skipped": 3}
    assert rows(stock_url) == ['1|one|1.50|{"a": 1}|7', "2|two|2.00|7", "4|four|7"]


def test_with_a_key_only_its_conflicts_are_skipped(stock_url: str, tmp_path: Path) -> None:
    file = write(tmp_path / "x.csv", "id,name\n1,uno\n3,two\n")
    skip = ("--on-conflict", "skip", "--conflict-key")
    done = load(stock_url, file, *skip, "id", into="t")
    assert done.exit_code == 4
    assert "row 2, column name" in done.stderr
    done = load(stock_url, file, *skip, "t_name_key", into="t")
    assert done.exit_code == 4
    assert "row 1, column id" in done.stderr


def test_rows_that_are_there_are_updated_where_they_differ(stock_url: str, tmp_path: Path) -> None:
    before = fetch(stock_url, "select xmin::text from t where id = 1")
    file = write(
        tmp_path / "x.csv",
        'id,n,j\n1,1.5,"{""a"": 1}"\n2,2.5,\n3,3,\n2,9,"[1]"\n',
    )
    update = ("--on-conflict", "update", "--json")
    done = load(stock_url, file, *update, into="t")
    assert done.exit_code == 0, done.stderr
    assert counts(done) == {"inserted": 1, "updated": 1, "unchanged": 1, "superseded": 1}
    assert rows(stock_url) == ['1|one|1.50|{"a": 1}|7', "2|two|9.00|[1]|7", "3|3.00|7"]
    assert fetch(stock_url, "select xmin::text from t where id = 1") == before
    done = load(stock_url, file, *update, into="t")
    assert counts(done) == {"unchanged": 3, "superseded": 1}


def test_an_update_leaves_what_a_row_does_not_have(stock_url: str, tmp_path: Path) -> None:
    content = [{"id": 1, "name": "uno"}, {"id": 2, "n": None}, {"id": 3, "a": None}, {"id": 4}]
    file = write(tmp_path / "x.ndjson", "".join(f"{json.dumps(row)}\n" for row in content))
    done = load(stock_url, file, "--on-conflict", "update", "--json", into="t")
    assert done.exit_code == 0, done.stderr
    assert counts(done) == {"inserted": 2, "updated": 2}
    assert rows(stock_url) == ['1|uno|1.50|{"a": 1}|7', "2|two|7", "3", "4|7"]


def test_another_key_than_the_primary_one_can_be_named(stock_url: str, tmp_path: Path) -> None:
    file = write(tmp_path / "x.csv", "name,n\ntwo,5\n")
    done = load(
        stock_url, file, "--on-conflict", "update", "--conflict-key", "name", "--json", into="t"
    )
    assert done.exit_code == 0, done.stderr
    assert rows(stock_url)[1] == "2|two|5.00|7"


def test_a_key_of_an_expression_is_named_by_its_index(database_url: str, tmp_path: Path) -> None:
    one = write(tmp_path / "a.csv", "email,name\nAnn@x.io,Ann\n")
    two = write(tmp_path / "b.csv", "email,name\nann@X.IO,Anna\nbo@x.io,Bo\n")
    assert load(database_url, one).exit_code == 0
    key = ("--conflict-key", "uq_users_email_lower", "--json")
    done = load(database_url, two, "--on-conflict", "skip", *key)
    assert counts(done) == {"inserted": 1, "skipped": 1}
    before = fetch(database_url, "select id::text from users order by lower(email)")
    done = load(database_url, two, "--on-conflict", "update", *key)
    assert counts(done) == {"updated": 1, "unchanged": 1}
    assert fetch(database_url, "select id::text from users order by lower(email)") == before
    assert fetch(database_url, "select name from users order by name") == ["Anna", "Bo"]


def test_rows_are_not_updated_by_a_primary_key_that_the_files_do_not_have(
    database_url: str, tmp_path: Path
) -> None:
    file = write(tmp_path / "x.csv", "email,name\nann@x.io,Ann\n")
    for plan in ([], ["--plan"]):
        done = load(database_url, file, "--on-conflict", "update", *plan)
        assert done.exit_code == 2
        assert "the files have no id, by which rows of public.users are updated" in done.stderr
        assert "uq_users_email_lower (lower(email))" in done.stderr


def test_a_key_that_is_none_is_a_usage_error(stock_url: str, tmp_path: Path) -> None:
    file = write(tmp_path / "x.csv", "id,name\n1,a\n")
    done = load(stock_url, file, "--on-conflict", "update", "--conflict-key", "n", into="t")
    assert done.exit_code == 2
    assert "no unique index over n alone" in done.stderr
    assert "t_name_key (name)" in done.stderr
    execute(stock_url, "create table bare (a int)")
    file = write(tmp_path / "y.csv", "a\n1\n")
    done = load(stock_url, file, "--on-conflict", "update", into="bare")
    assert done.exit_code == 2
    assert "has no primary key" in done.stderr


def test_a_row_that_is_not_there_needs_what_an_update_does_without(
    empty_url: str, tmp_path: Path
) -> None:
    execute(
        empty_url,
        "create table t (id int primary key, a int not null, b int check (b < a))",
        "insert into t values (1, 5, 1)",
    )
    update = ("--on-conflict", "update")
    file = write(tmp_path / "x.csv", "id,b\n1,4\n2,1\n")
    done = load(empty_url, file, *update, into="t")
    assert done.exit_code == 4
    assert "row 2: is missing, and no row with this key is there that has it" in done.stderr
    rejects = tmp_path / "bad.ndjson"
    write(file, "id,b\n1,4\n2,1\n1,9\n")
    done = load(empty_url, file, *update, "--reject", rejects, into="t")
    assert done.exit_code == 1
    assert fetch(empty_url, "select b from t") == [1]


def test_keys_of_the_server_s_own_may_be_given(empty_url: str, tmp_path: Path) -> None:
    execute(empty_url, "create table t (id int generated always as identity primary key, a int)")
    file = write(tmp_path / "x.csv", "id,a\n10,1\n20,2\n")
    for how in ("fail", "skip", "update"):
        execute(empty_url, "truncate t")
        assert load(empty_url, file, "--on-conflict", how, into="t").exit_code == 0
        assert fetch(empty_url, "select id from t order by id") == [10, 20]
    execute(empty_url, "insert into t (a) values (3)")
    assert fetch(empty_url, "select max(id) from t") == [21]


def test_a_partitioned_table_is_loaded_like_any_other(empty_url: str, tmp_path: Path) -> None:
    execute(
        empty_url,
        "create table t (id int primary key, a int) partition by range (id)",
        "create table t1 partition of t for values from (0) to (10)",
        "create table t2 partition of t for values from (10) to (20)",
        "insert into t values (1, 1), (11, 1)",
    )
    file = write(tmp_path / "x.csv", "id,a\n1,2\n11,1\n12,3\n")
    done = load(empty_url, file, "--on-conflict", "update", "--json", into="t")
    assert done.exit_code == 0, done.stderr
    assert counts(done) == {"inserted": 1, "updated": 1, "unchanged": 1}


@pytest.mark.parametrize(
    ("key", "content", "counted", "found"),
    [
        # A row that is outside of the index is inserted, whatever shares its key.
        (
            "one_alive",
            [{"id": 7, "name": "a", "n": 5}, {"id": 8, "name": "a", "n": 6, "dead": True}],
            {"inserted": 1, "updated": 1},
            ["1|a|1|t", "2|a|2|t", "7|a|5|f", "8|a|6|t"],
        ),
        # What a row does not have is what the table would make of it.
        ("name", [{"name": "a", "n": 9}], {"updated": 1}, ["1|a|1|t", "2|a|2|t", "3|a|9|f"]),
        (
            "one_alive",
            [{"id": 4, "name": "b", "n": 1}, {"id": 5, "name": "b", "n": 2}],
            {"inserted": 1, "superseded": 1},
            ["1|a|1|t", "2|a|2|t", "3|a|3|f", "5|b|2|f"],
        ),
        # Rows outside of the index do not supersede each other.
        (
            "one_alive",
            [{"id": n, "name": "b", "n": n, "dead": True} for n in (4, 5)],
            {"inserted": 2},
            ["1|a|1|t", "2|a|2|t", "3|a|3|f", "4|b|4|t", "5|b|5|t"],
        ),
    ],
)
def test_update_goes_by_a_partial_unique_index(
    empty_url: str,
    tmp_path: Path,
    key: str,
    content: list[dict[str, Any]],
    counted: dict[str, int],
    found: list[str],
) -> None:
    execute(
        empty_url,
        "create table t (id int default 0, name text, n int, dead boolean default false)",
        "create unique index one_alive on t (name) where not dead",
        "insert into t values (1, 'a', 1, true), (2, 'a', 2, true), (3, 'a', 3, false)",
    )
    file = write(tmp_path / "x.ndjson", "".join(f"{json.dumps(row)}\n" for row in content))
    update = ("--on-conflict", "update", "--conflict-key", key, "--json")
    done = load(empty_url, file, *update, into="t")
    assert done.exit_code == 0, done.stdout
    assert counts(done) == counted
    assert fetch(empty_url, "select concat_ws('|', id, name, n, dead) from t order by id") == found


def test_update_goes_by_an_index_whose_nulls_are_equal(empty_url: str, tmp_path: Path) -> None:
    execute(
        empty_url,
        "create table t (a int, b int, n int, unique nulls not distinct (a, b))",
        "insert into t values (1, null, 1), (null, null, 2)",
    )
    file = write(tmp_path / "x.csv", "a,b,n\n1,,5\n,,6\n,,7\n2,,8\n")
    update = ("--on-conflict", "update", "--conflict-key", "a,b", "--json")
    done = load(empty_url, file, *update, into="t")
    assert done.exit_code == 0, done.stdout
    assert counts(done) == {"inserted": 1, "updated": 2, "superseded": 1}
    assert fetch(empty_url, "select concat_ws('|', a, n) from t order by n") == ["1|5", "7", "2|8"]


def test_reject_and_update_by_a_partial_unique_index(empty_url: str, tmp_path: Path) -> None:
    execute(
        empty_url,
        "create table t (id int primary key, name text, died date,"
        " s serial, dead boolean generated always as (died is not null) stored)",
        "create unique index one_alive on t (lower(name)) where not dead",
        "insert into t values (1, 'a', null), (2, 'b', '2026-01-01')",
    )
    file = write(tmp_path / "x.csv", "id,name\n1,A\n2,b\n3,c\n")
    update = ("--on-conflict", "update", "--conflict-key", "one_alive", "--json")
    done = load(empty_url, file, *update, "--reject", tmp_path / "bad.ndjson", into="t")
    assert (done.exit_code, done.json["rejected"]) == (1, 1), done.stdout
    assert fetch(empty_url, "select name from t order by id") == ["A", "b", "c"]
    assert fetch(empty_url, "select s from t where id = 3") == [3]  # no more were drawn
