"""Rows that cannot be loaded: each is named, and nothing is written, or they go to a file."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_load_files import U1, U2, emails, load, write
from tests.support.cli import run_dbctl
from tests.support.databases import execute, fetch

TASKS = "id,user_id,title,status,priority,tags,due_at\n"


def task(number: int, **values: str) -> str:
    row = {
        "id": f"{number:08d}-0000-4000-8000-000000000000",
        "user_id": U1,
        "title": f"task {number}",
        "status": "todo",
        "priority": "low",
        "tags": "{}",
        "due_at": "",
    } | values
    return ",".join(row.values()) + "\n"


@pytest.fixture
def owned_url(database_url: str) -> str:
    execute(database_url, f"insert into users (id, email, name) values ('{U1}', 'a@x.io', 'Ann')")
    return database_url


def count(url: str, table: str = "tasks") -> int:
    (found,) = fetch(url, f"select count(*) from {table}")
    return int(found)


def test_every_fault_of_the_values_is_named_with_its_place(owned_url: str, tmp_path: Path) -> None:
    file = write(
        tmp_path / "x.csv",
        TASKS
        + task(1)
        + task(2, id="nope", status="later")
        + task(3, due_at="2026-01-31T12:00:00")
        + task(4, title="")
        + task(5, title='""')
        + task(6, tags='"{a,"')
        + task(7, priority="\x1b[31m"),
    )
    done = load(owned_url, file, "--json", into="tasks")
    assert done.exit_code == 4
    assert done.json["fault_count"] == 7
    assert [
        (fault["row"], fault["line"], fault["column"], fault["value"], fault["reason"])
        for fault in done.json["faults"]
    ] == [
        (2, 3, "id", '"nope"', "is not a UUID"),
        (2, 3, "status", '"later"', "is not one of todo, in_progress and done"),
        (
            *(3, 4, "due_at", '"2026-01-31T12:00:00"'),
            "has no time zone: write it, as in 2026-01-31T12:00:00Z, or give --assume-utc",
        ),
        (4, 5, "title", "null", "is null, which the column does not take"),
        (5, 6, "title", '""', "should have at least 1 character"),  # which the model says
        (6, 7, "tags", '"{a,"', "is no array: write {a,b} or a JSON list"),
        (7, 8, "priority", '"\\u001b[31m"', "is not one of low, medium, high and urgent"),
    ]
    assert done.json["error"]["message"].startswith("6 rows cannot be loaded into public.tasks: ")
    assert count(owned_url) == 0


def test_only_the_first_faults_are_shown_and_all_are_counted(
    owned_url: str, tmp_path: Path
) -> None:
    rows = "".join(task(number, status="x") for number in range(900))
    done = load(owned_url, write(tmp_path / "x.csv", TASKS + rows), "--json", into="tasks")
    assert done.exit_code == 4
    assert (done.json["fault_count"], len(done.json["faults"])) == (900, 20)
    assert done.json["all_faults_counted"] is True


def test_a_file_that_is_wrong_throughout_is_not_searched_to_its_end(
    owned_url: str, tmp_path: Path
) -> None:
    rows = "".join(task(number, status="x") for number in range(5000))
    done = load(owned_url, write(tmp_path / "x.csv", TASKS + rows), "--json", into="tasks")
    assert 1000 < done.json["fault_count"] < 5000
    assert done.json["all_faults_counted"] is False
    assert done.json["error"]["message"].startswith("at least 1,")


def test_a_field_that_turns_up_late_is_a_fault_of_its_row(owned_url: str, tmp_path: Path) -> None:
    first = [{"user_id": U1, "title": "x"}] * 4100
    last = [{"user_id": U1, "title": "x", "dueAt": "2026-01-01T00:00:00Z", "colour": "red"}]
    file = write(tmp_path / "x.ndjson", "".join(f"{json.dumps(row)}\n" for row in first + last))
    done = load(owned_url, file, into="tasks")
    assert done.exit_code == 4
    assert "row 4101 (line 4101), column colour: is no column of public.tasks" in done.stderr
    write(file, "".join(f"{json.dumps(row)}\n" for row in [*first, last[0] | {"colour": 1}]))
    assert load(owned_url, file, "--map", "colour=", into="tasks").exit_code == 0
    assert (count(owned_url), count(owned_url, "tasks where due_at is not null")) == (4101, 1)


CONSTRAINTS = {
    "check": (
        task(2, status="done"),
        "row 2 (line 3): does not satisfy ck_tasks_completed_at_when_done",
    ),
    "unique": (
        task(1),
        'row 2 (line 3), column id: "00000001-0000-4000-8000-000000000000" '
        "is in the table already, or twice in the files (pk_tasks)",
    ),
    "foreign": (
        task(2, user_id=U2),
        f'row 2, column user_id: "{U2}" refers to a row that users does not have '
        "(fk_tasks_user_id_users)",
    ),
}


@pytest.mark.parametrize("kind", CONSTRAINTS)
def test_what_the_server_refuses_is_named_by_its_row(
    owned_url: str, tmp_path: Path, kind: str
) -> None:
    row, said = CONSTRAINTS[kind]
    file = write(tmp_path / "x.csv", TASKS + task(1) + row + task(9))
    done = load(owned_url, file, into="tasks")
    assert done.exit_code == 4
    assert said in done.stderr
    assert count(owned_url) == 0


def test_an_orphan_that_comes_from_a_pipe_is_told_by_its_key(owned_url: str) -> None:
    done = run_dbctl(
        *("seed", "load", "-", "--into", "tasks"),
        env={"DATABASE_URL": owned_url},
        stdin=TASKS + task(1, user_id=U2),
    )
    assert done.exit_code == 4
    assert U2 in done.stderr
    assert count(owned_url) == 0


def test_a_row_of_the_text_that_a_trigger_refuses_is_named(empty_url: str, tmp_path: Path) -> None:
    execute(
        empty_url,
        "create table t (a int)",
        "create function no() returns trigger language plpgsql as"
        " $$begin if new.a = 2 then raise 'not two'; end if; return new; end$$",
        "create trigger no before insert on t for each row execute function no()",
    )
    done = load(empty_url, write(tmp_path / "x.csv", "a\n1\n2\n"), into="t")
    assert done.exit_code == 4
    assert "row 2 (line 3)" in done.stderr
    assert "not two" in done.stderr


@pytest.fixture
def strict_url(empty_url: str) -> str:
    execute(
        empty_url,
        "create domain code as text check (value ~ '^[A-Z]+$' and value <> 'VALUE')",
        "create table boss (id int primary key)",
        "insert into boss values (1)",
        "create table t (id int primary key, up int references t, boss int references boss,"
        " mail text, n int check (n > 0), c code, j jsonb, x int, y int,"
        " s int generated always as (x + y) stored, check (s < 10))",
        "create unique index one_mail on t (lower(mail))",
        "insert into t (id, mail) values (1, 'a@x.io')",
    )
    return empty_url


BAD: list[tuple[dict[str, Any], str]] = [
    ({"id": 1}, "is in the table already, as its id (t_pkey)"),
    ({"id": 2, "mail": "A@X.IO"}, "is in the table already, as its lower(mail) (one_mail)"),
    ({"id": 3, "mail": "b@x.io"}, ""),
    ({"id": 4, "mail": "B@x.io"}, "has the same lower(mail) as a row before it (one_mail)"),
    ({"id": 5, "up": 6}, ""),
    ({"id": 6, "up": 1}, ""),
    ({"id": 7, "up": 99}, "refers to a row that t does not have (t_up_fkey)"),
    ({"id": 8, "up": 7}, "refers to a row that t does not have (t_up_fkey)"),
    ({"id": 9, "boss": 2}, "refers to a row that boss does not have (t_boss_fkey)"),
    ({"id": 10, "n": 0}, "does not satisfy t_n_check: (n > 0)"),
    (
        {"id": 11, "c": "x"},
        "does not satisfy (VALUE ~ '^[A-Z]+$'::text AND VALUE <> 'VALUE'::text)",
    ),
    ({"id": 12, "x": 5, "y": 5}, "does not satisfy t_s_check: (s < 10)"),
    ({"id": "many"}, "is not an integer from -2147483648 to 2147483647"),
    ({"id": 13, "j": {"a": [1.10, None]}, "c": "OK"}, ""),
    ({"id": 13}, "has the same id as a row before it (t_pkey)"),
]


def test_bad_rows_go_to_a_file_and_the_others_are_loaded(strict_url: str, tmp_path: Path) -> None:
    file = write(tmp_path / "x.ndjson", "".join(f"{json.dumps(row)}\n" for row, _ in BAD))
    rejects = tmp_path / "bad.ndjson"
    done = load(strict_url, file, "--reject", rejects, "--json", into="t")
    assert done.exit_code == 1, done.stderr
    lines = [json.loads(line) for line in rejects.read_text().splitlines()]
    told = {line["dbctl_reject"]["row"]: line for line in lines}
    expected = {number: pair for number, pair in enumerate(BAD, 1) if pair[1]}
    assert {row: line["dbctl_reject"]["faults"][0]["reason"] for row, line in told.items()} == {
        row: reason for row, (_, reason) in expected.items()
    }
    for row, line in told.items():
        assert {k: v for k, v in line.items() if k != "dbctl_reject"} == expected[row][0]
    assert (done.json["rejected"], done.json["inserted"]) == (11, 4)
    assert fetch(strict_url, "select id from t order by id") == [1, 3, 5, 6, 13]


def test_a_reject_file_can_be_mended_and_loaded_as_it_is(strict_url: str, tmp_path: Path) -> None:
    file = write(tmp_path / "x.csv", 'Id,j,mail\nzwei,"{""a"": 1.50}",\n3,"[",x\n4,1,y\n')
    rejects = tmp_path / "bad.ndjson"
    done = load(strict_url, file, "--reject", rejects, into="t")
    assert done.exit_code == 1
    assert "2 rejected to" in done.stdout
    text = rejects.read_text()
    assert '"j": {"a": 1.50}' in text
    write(rejects, text.replace('"zwei"', "2").replace('"["', "[]"))
    done = load(strict_url, rejects, into="t")
    assert done.exit_code == 0, done.stderr
    assert fetch(strict_url, "select j::text from t where id > 1 order by id") == [
        '{"a": 1.50}',
        "[]",
        "1",
    ]


def test_without_a_bad_row_there_is_no_reject_file(strict_url: str, tmp_path: Path) -> None:
    rejects = tmp_path / "bad.ndjson"
    file = write(tmp_path / "x.csv", "id\n2\n")
    assert load(strict_url, file, "--reject", rejects, into="t").exit_code == 0
    assert list(tmp_path.iterdir()) == [file]


def test_a_run_that_fails_leaves_the_reject_file_as_it_was(strict_url: str, tmp_path: Path) -> None:
    execute(
        strict_url,
        "create function no() returns trigger language plpgsql as $$begin raise 'never'; end$$",
        "create trigger no before insert on t for each statement execute function no()",
    )
    rejects = write(tmp_path / "bad.ndjson", "before")
    file = write(tmp_path / "x.csv", "id\n2\nx\n")
    done = load(strict_url, file, "--reject", rejects, into="t")
    assert done.exit_code == 4
    assert "never" in done.stderr
    assert rejects.read_text() == "before"
    assert sorted(tmp_path.iterdir()) == [rejects, file]


def test_a_reject_file_that_cannot_be_written_is_a_usage_error(
    strict_url: str, tmp_path: Path
) -> None:
    file = write(tmp_path / "x.csv", "id\n2\n")
    done = load(strict_url, file, "--reject", tmp_path / "no" / "bad.ndjson", into="t")
    assert done.exit_code == 2
    assert count(strict_url, "t") == 1


def test_rows_that_cannot_even_be_parsed_are_rejected_too(
    database_url: str, tmp_path: Path
) -> None:
    rejects = tmp_path / "bad.ndjson"
    lines = write(tmp_path / "x.ndjson", '{"email": "a@x.io", "name": "A"}\n{"email": \n[1]\n')
    table = write(tmp_path / "x.csv", "email,name\nb@x.io,B\nc@x.io\n")
    done = load(database_url, lines, table, "--reject", rejects)
    assert done.exit_code == 1, done.stderr
    assert emails(database_url) == ["a@x.io", "b@x.io"]
    told = [json.loads(line)["dbctl_reject"] for line in rejects.read_text().splitlines()]
    assert [(one["row"], one.get("text")) for one in told] == [
        (2, '{"email":'),
        (3, [1]),
        (2, ["c@x.io"]),
    ]


def test_a_text_with_nul_is_a_fault(database_url: str, tmp_path: Path) -> None:
    nul = "a\0b"
    for name, content in (
        ("a.csv", f"email,name\n{nul},A\n"),
        ("b.ndjson", json.dumps({"email": nul, "name": "B"}) + "\n"),
        ("c.json", json.dumps([{"email": nul, "name": "B"}])),
    ):
        done = load(database_url, write(tmp_path / name, content))
        assert done.exit_code == 4, name
        assert "column email" in done.stderr
        assert "holds the character NUL" in done.stderr


def test_the_reject_file_is_none_of_those_that_are_read(strict_url: str, tmp_path: Path) -> None:
    file = write(tmp_path / "x.ndjson", '{"id": "x"}\n')
    for target in (file, tmp_path):
        done = load(strict_url, file, "--reject", target, "--json", into="strict")
        assert done.exit_code == 2, target
        assert done.json["error"]["code"] == "usage"
    assert file.read_text() == '{"id": "x"}\n'


def test_what_only_the_server_can_tell_is_rejected_with_the_rest(
    empty_url: str, tmp_path: Path
) -> None:
    execute(
        empty_url,
        "create domain positive as int check (value > 0)",
        "create table t (id int primary key, n positive[], r int8range)",
    )
    rows = [
        '{"id": 1, "n": [1]}',
        '{"id": 2, "n": [-1]}',
        '{"id": 3, "r": "(9223372036854775807,)"}',
        '{"id": "x"}',
        '{"id": 5}',
    ]
    file, reject = write(tmp_path / "x.ndjson", "\n".join(rows)), tmp_path / "bad.ndjson"
    for mode in ("fail", "update"):
        done = load(empty_url, file, "--on-conflict", mode, "--json", into="t")
        assert done.exit_code == 4
        assert done.json["error"]["code"] == "rows_invalid"
    done = load(empty_url, file, "--reject", reject, "--json", into="t")
    assert (done.exit_code, done.json["inserted"], done.json["rejected"]) == (1, 2, 3)
    assert [json.loads(line)["id"] for line in reject.read_text().splitlines()] == [2, 3, "x"]
    assert fetch(empty_url, "select id from t order by id") == [1, 5]


def test_a_file_of_nothing_but_broken_rows_is_rejected_whole(
    empty_url: str, tmp_path: Path
) -> None:
    execute(empty_url, "create table t (id int primary key)")
    file = write(tmp_path / "x.ndjson", '{"id": NaN}\n')
    done = load(empty_url, file, "--reject", tmp_path / "bad.ndjson", "--json", into="t")
    assert (done.exit_code, done.json["inserted"], done.json["rejected"]) == (1, 0, 1)


def test_half_of_a_surrogate_pair_is_a_fault(empty_url: str, tmp_path: Path) -> None:
    execute(empty_url, "create table t (id int, j jsonb)")
    files = {
        "x.csv": 'id,j\n1,"""\\ud800"""\n',
        "x.ndjson": '{"id": 1, "j": "\\ud800"}\n',
    }
    for name, content in files.items():
        done = load(empty_url, write(tmp_path / name, content), "--json", into="t")
        assert done.exit_code == 4, name
        assert "half of a surrogate pair" in done.json["error"]["message"]


def test_a_rejected_row_may_have_a_column_of_any_name(empty_url: str, tmp_path: Path) -> None:
    execute(empty_url, "create table t (d int check (length(d::text) < 3), s int)")
    file = write(tmp_path / "x.csv", "d,s\n1,2\n1000,4\n")
    rejects = tmp_path / "bad.ndjson"
    done = load(empty_url, file, "--reject", rejects, "--json", into="t")
    assert (done.json["rejected"], done.json["inserted"]) == (1, 1), done.stdout
    assert json.loads(rejects.read_text())["d"] in {1000, "1000"}


_PLAIN = "create table t (id int, n int)"
_EACH = "for each row execute function no()"
# Rules of a table with `id` and `n` that only the server can judge and 20 breaks, and what it says.
SERVER_RULES = {
    "partition": (
        [
            f"{_PLAIN} partition by range (n)",
            "create table t1 partition of t for values from (0) to (10)",
        ],
        "no partition of relation",
    ),
    "exclusion": (
        [
            "create table t (id int, n int, exclude using btree (n with =))",
            "insert into t values (0, 20)",
        ],
        "conflicting key value violates exclusion constraint",
    ),
    "before trigger": ([_PLAIN, f"create trigger no before insert on t {_EACH}"], "not above 9"),
    "after trigger": ([_PLAIN, f"create trigger no after insert on t {_EACH}"], "not above 9"),
    "deferred trigger": (
        [
            _PLAIN,
            "create constraint trigger no after insert on t deferrable initially deferred " + _EACH,
        ],
        "not above 9",
    ),
    "check that fails": (
        ["create table t (id int, n int check (100 / (20 - n) > 0))"],
        "division by zero",
    ),
    "generated": (
        ["create table t (id int, n int, g int generated always as (100 / (20 - n)) stored)"],
        "division by zero",
    ),
    "limit": (
        [_PLAIN, "create index on t ((case when n = 20 then repeat(md5(id::text), 9999) end))"],
        "index row",
    ),
}


@pytest.fixture
def ruled_url(empty_url: str, request: pytest.FixtureRequest) -> str:
    execute(
        empty_url,
        "create function no() returns trigger language plpgsql as"
        " $$begin if new.n > 9 then raise 'not above 9'; end if; return new; end$$",
        *SERVER_RULES[request.param][0],
    )
    return empty_url


@pytest.mark.parametrize(
    ("ruled_url", "said"),
    [(name, said) for name, (_, said) in SERVER_RULES.items()],
    indirect=["ruled_url"],
    ids=list(SERVER_RULES),
)
def test_reject_takes_what_only_the_server_can_judge(
    ruled_url: str, tmp_path: Path, said: str
) -> None:
    file = write(tmp_path / "x.csv", "id,n\n1,1\n2,20\n3,3\n4,4\n5,20\n6,6\n")
    done = load(ruled_url, file, "--json", into="t")
    assert (done.exit_code, done.json["error"]["code"]) == (4, "rows_invalid")
    assert done.json["faults"][0]["row"] == 2
    assert said in done.json["faults"][0]["reason"]
    rejects = tmp_path / "bad.ndjson"
    done = load(ruled_url, file, "--reject", rejects, "--json", into="t")
    assert done.exit_code == 1, (done.stdout, done.stderr)
    assert fetch(ruled_url, "select id from t where id > 0 order by id") == [1, 3, 4, 6]
    lines = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert [line["dbctl_reject"]["row"] for line in lines] == [2, 5]
    assert all(said in line["dbctl_reject"]["faults"][0]["reason"] for line in lines)
    assert [line["id"] for line in lines] == [2, 5]


@pytest.mark.parametrize("how", ["skip", "update"])
def test_reject_of_refused_rows_counts_conflicts_as_well(
    empty_url: str, tmp_path: Path, how: str
) -> None:
    execute(
        empty_url,
        "create table t (id int, n int, s int, primary key (id, n)) partition by range (n)",
        "create table t1 partition of t for values from (0) to (10)",
        "insert into t values (1, 1, 0)",
    )
    file = write(tmp_path / "x.csv", "id,n,s\n1,1,5\n2,20,5\n3,3,5\n")
    rejects = tmp_path / "bad.ndjson"
    done = load(empty_url, file, "--reject", rejects, "--on-conflict", how, "--json", into="t")
    assert (done.exit_code, done.json["inserted"], done.json["rejected"]) == (1, 1, 1)
    assert done.json["skipped" if how == "skip" else "updated"] == 1
    assert fetch(empty_url, "select id from t order by id") == [1, 3]


def test_reject_follows_rows_that_refer_to_a_refused_one(empty_url: str, tmp_path: Path) -> None:
    execute(
        empty_url,
        "create table t (id int, k int default 1, up int, n int, primary key (k, id),"
        " foreign key (k, up) references t) partition by list (k)",
        "create table t1 partition of t for values in (1)",
        "create function no() returns trigger language plpgsql as"
        " $$begin if new.n > 9 then raise 'not above 9'; end if; return new; end$$",
        "create trigger no before insert on t1 for each row execute function no()",
    )
    # 1 refers to a later row, 3 is refused, and so are 4 and 5, which refer to it.
    file = write(tmp_path / "x.csv", "id,up,n\n1,6,0\n2,1,0\n3,,20\n4,3,0\n5,4,0\n6,2,0\n")
    done = load(empty_url, file, "--reject", tmp_path / "bad.ndjson", "--json", into="t")
    assert (done.exit_code, done.json["rejected"]) == (1, 3), (done.stdout, done.stderr)
    assert fetch(empty_url, "select id from t order by id") == [1, 2, 6]


def test_reject_of_many_refused_rows_among_many(empty_url: str, tmp_path: Path) -> None:
    execute(
        empty_url,
        "create table t (n int) partition by range (n)",
        "create table t1 partition of t for values from (0) to (475)",
    )
    file = write(tmp_path / "x.csv", "n\n" + "".join(f"{n}\n" for n in range(500)))
    done = load(empty_url, file, "--reject", tmp_path / "bad.ndjson", "--json", into="t")
    assert (done.exit_code, done.json["inserted"], done.json["rejected"]) == (1, 475, 25)


def test_reject_leaves_what_is_not_about_rows_an_error(empty_url: str, tmp_path: Path) -> None:
    execute(
        empty_url,
        "create table t (n int)",
        "create function no() returns trigger language plpgsql as $$begin raise 'closed'; end$$",
        "create trigger no before insert on t for each statement execute function no()",
    )
    file = write(tmp_path / "x.csv", "n\n1\n2\n")
    for options in ([], ["--reject", str(tmp_path / "bad.ndjson")]):
        done = load(empty_url, file, *options, "--json", into="t")
        assert (done.exit_code, done.json["error"]["code"]) == (4, "query_failed")
        assert "closed" in done.json["error"]["message"]


def test_reject_takes_rows_that_a_policy_refuses(empty_url: str, tmp_path: Path) -> None:
    execute(
        empty_url,
        "create role writer login",
        "create table t (n int)",
        "grant all on t to writer",
        "alter table t enable row level security",
        "create policy low on t using (true) with check (n < 10)",
    )
    url = empty_url.replace("postgres@", "writer@", 1)
    try:
        file = write(tmp_path / "x.csv", "n\n1\n20\n3\n")
        done = load(url, file, "--json", into="t")
        assert (done.exit_code, done.json["faults"][0]["row"]) == (4, 2), done.stdout
        done = load(url, file, "--reject", tmp_path / "bad.ndjson", "--json", into="t")
        assert (done.exit_code, done.json["rejected"]) == (1, 1), done.stdout
        assert fetch(empty_url, "select n from t") == [1, 3]
    finally:
        execute(empty_url, "drop owned by writer", "drop role writer")
