"""Rows from files of every format: read, mapped to columns, and loaded all or not at all."""

import gzip
import json
import os
import re
import threading
from pathlib import Path
from typing import Any

import pytest
from backports import zstd

from tests.support.cli import Finished, invoke, run_dbctl
from tests.support.databases import execute, fetch

U1, U2 = "16194304-04d3-548b-9807-7b9509d3302b", "26194304-04d3-548b-9807-7b9509d3302b"
USERS = f"id,email,name\n{U1},a@x.io,Ann\n{U2},b@x.io,Bo\n"


def load(url: str, *arguments: str | Path, into: str = "users") -> Finished:
    return invoke("seed", "load", *map(str, arguments), "--into", into, env={"DATABASE_URL": url})


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def emails(url: str) -> list[Any]:
    return fetch(url, "select email from users order by email")


FORMS = {
    "users.csv": USERS,
    "users.tsv": USERS.replace(",", "\t"),
    "users.json": json.dumps(
        [
            {"id": U1, "email": "a@x.io", "name": "Ann"},
            {"id": U2, "email": "b@x.io", "name": "Bo"},
        ]
    ),
    "store.json": json.dumps(
        {
            "version": 3,
            "tags": ["x"],
            "users": [
                {"id": U1, "email": "a@x.io", "name": "Ann"},
                {"id": U2, "email": "b@x.io", "name": "Bo"},
            ],
        }
    ),
    "users.ndjson": f'{{"id": "{U1}", "email": "a@x.io", "name": "Ann"}}\r\n\n'
    f'{{"id": "{U2}", "email": "b@x.io", "name": "Bo"}}',
}


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd.compress], ids=["plain", "gz", "zst"])
@pytest.mark.parametrize("name", FORMS)
def test_every_format_is_read_plain_and_compressed(
    database_url: str, tmp_path: Path, name: str, pack: Any
) -> None:
    ending = {gzip.compress: ".gz", zstd.compress: ".zst"}.get(pack, "")
    done = load(database_url, write(tmp_path / f"{name}{ending}", pack(FORMS[name].encode())))
    assert done.exit_code == 0, done.stderr
    assert "2 inserted" in done.stdout
    assert emails(database_url) == ["a@x.io", "b@x.io"]


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gz"])
@pytest.mark.parametrize("name", [name for name in FORMS if name != "users.tsv"])
def test_what_comes_from_stdin_is_told_by_how_it_begins(
    database_url: str, name: str, pack: Any
) -> None:
    read, write_end = os.pipe()
    content = pack(FORMS[name].encode())

    def feed() -> None:
        with os.fdopen(write_end, "wb") as pipe:
            pipe.write(content)

    threading.Thread(target=feed).start()
    # A pipe that is named like a file can be read once only, as stdin can.
    done = load(database_url, f"/dev/fd/{read}")
    os.close(read)
    assert done.exit_code == 0, done.stderr
    assert emails(database_url) == ["a@x.io", "b@x.io"]


def test_stdin_is_a_dash(database_url: str) -> None:
    done = run_dbctl(
        *("seed", "load", "-", "--into", "users", "--json"),
        env={"DATABASE_URL": database_url},
        stdin=USERS,
    )
    assert done.exit_code == 0, done.stderr
    assert done.json["files"] == [{"name": "stdin", "form": "csv", "rows": 2}]
    assert emails(database_url) == ["a@x.io", "b@x.io"]


def test_several_files_are_one_transaction(database_url: str, tmp_path: Path) -> None:
    good = write(tmp_path / "a.csv", f"id,email,name\n{U1},a@x.io,Ann\n")
    bad = write(tmp_path / "b.ndjson", f'{{"id": "{U2}", "email": null, "name": "Bo"}}\n')
    done = load(database_url, good, bad)
    assert done.exit_code == 4
    assert f"{bad}, row 1 (line 1), column email: null is null" in done.stderr
    assert emails(database_url) == []
    write(bad, f'{{"id": "{U2}", "email": "b@x.io", "name": "Bo"}}\n')
    assert load(database_url, good, bad).exit_code == 0
    assert emails(database_url) == ["a@x.io", "b@x.io"]


def test_names_match_in_spite_of_case_and_underscores(database_url: str, tmp_path: Path) -> None:
    rows = [
        {
            "ID": U1,
            "Email": "a@x.io",
            "name": "A",
            "isActive": False,
            "createdAt": "2020-01-01T00:00:00Z",
        }
    ]
    done = load(database_url, write(tmp_path / "x.json", json.dumps(rows)))
    assert done.exit_code == 0, done.stderr
    assert "isActive → is_active" in done.stdout
    assert fetch(
        database_url, "select is_active::text || extract(year from created_at) from users"
    ) == ["false2020"]


def test_a_row_with_two_fields_for_one_column_is_a_fault(database_url: str, tmp_path: Path) -> None:
    table = write(tmp_path / "x.csv", "email,Email,name\na,b,c\n")
    done = load(database_url, table)
    assert done.exit_code == 2
    assert "go into the same column, email" in done.stderr
    rows = [{"email": "a@x.io", "name": "A"}, {"EMail": "b@x.io", "name": "B"}]
    file = write(tmp_path / "x.json", json.dumps([*rows, {**rows[0], **rows[1]}]))
    done = load(database_url, file)
    assert done.exit_code == 4
    assert "row 3, column EMail: goes into email, as another field of the row does" in done.stderr
    write(file, json.dumps(rows))
    assert load(database_url, file).exit_code == 0
    assert emails(database_url) == ["a@x.io", "b@x.io"]


def test_fields_are_renamed_and_left_out(database_url: str, tmp_path: Path) -> None:
    file = write(tmp_path / "x.csv", f"id,mail,name,junk\n{U1},a@x.io,Ann,zzz\n")
    done = load(database_url, file)
    assert done.exit_code == 2
    assert 'public.users has no column for "mail" and "junk"' in done.stderr
    assert "--map mail=email --map junk=" in done.stderr
    done = load(database_url, file, "--map", "mail=email", "--map", "junk=")
    assert done.exit_code == 0, done.stderr
    assert emails(database_url) == ["a@x.io"]


@pytest.mark.parametrize(
    ("maps", "said"),
    [
        (["nonsense"], "cannot read --map"),
        (["a=nope"], "has no column nope"),
        (["a=email", "b=email"], "two fields are mapped"),
    ],
)
def test_a_map_that_makes_no_sense_is_a_usage_error(
    database_url: str, tmp_path: Path, maps: list[str], said: str
) -> None:
    file = write(tmp_path / "x.csv", USERS)
    done = load(database_url, file, *(part for text in maps for part in ("--map", text)))
    assert done.exit_code == 2
    assert said in done.stderr


def test_a_column_that_has_to_be_there_is_missed_before_anything_is_sent(
    database_url: str, tmp_path: Path
) -> None:
    done = load(database_url, write(tmp_path / "x.csv", f"id,name\n{U1},Ann\n"))
    assert done.exit_code == 2
    assert "lacks email" in done.stderr


def test_what_a_model_makes_need_not_be_in_the_file(database_url: str, tmp_path: Path) -> None:
    done = load(database_url, write(tmp_path / "x.csv", "name,email\nAnn,a@x.io\nBo,b@x.io\n"))
    assert done.exit_code == 0, done.stderr
    assert fetch(database_url, "select count(distinct id) from users") == [2]


def test_a_row_that_lacks_a_column_takes_its_default_and_null_stays_null(
    empty_url: str, tmp_path: Path
) -> None:
    execute(
        empty_url,
        "create table t (id int generated always as identity primary key, a text default 'x',"
        " b int, c uuid default gen_random_uuid(), d timestamptz not null default now())",
    )
    rows = [{"a": "given", "b": 1}, {"a": None}, {"b": 3}, {"id": 50, "c": U1, "b": 4}]
    done = load(
        empty_url,
        write(tmp_path / "x.ndjson", "".join(f"{json.dumps(row)}\n" for row in rows)),
        into="t",
    )
    assert done.exit_code == 0, done.stderr
    assert fetch(
        empty_url, "select concat_ws('|', id, coalesce(a, 'null'), b) from t order by b"
    ) == [
        "1|given|1",
        "3|x|3",
        "50|x|4",
        "2|null",
    ]
    assert fetch(
        empty_url, "select count(c) || ' ' || count(distinct c) || ' ' || count(d) from t"
    ) == ["4 4 4"]
    assert fetch(empty_url, "select nextval(pg_get_serial_sequence('t', 'id'))") == [51]


def test_defaults_of_every_kind_stand_in_for_what_a_row_lacks(
    empty_url: str, tmp_path: Path
) -> None:
    execute(
        empty_url,
        "create type mood as enum ('sad', 'happy')",
        "create table t (id int, n numeric(4,1) default 0, f float8 default 1,"
        " m mood default 'sad', a text[] default '{x}', j jsonb default '{\"k\": 1}',"
        " d date default current_date,"
        " i interval default '1 hour', b bytea default '\\x00', r int4range default '[1,2)',"
        " c inet default '10.0.0.1', z time default '12:30', p point default '(1,2)',"
        " u timestamptz default now(), v double precision default random())",
        "insert into t (id) values (1)",
    )
    given = fetch(empty_url, "select to_jsonb(t) from t")[0]
    rows = [json.loads(given) | {"id": 2}, {"id": 3}]
    del rows[0]["v"]
    file = write(tmp_path / "x.ndjson", "".join(f"{json.dumps(row)}\n" for row in rows))
    done = load(empty_url, file, into="t")
    assert done.exit_code == 0, done.stderr
    same = "select distinct (to_jsonb(t) - 'id' - 'u' - 'v')::text from t"
    assert len(fetch(empty_url, same)) == 1
    assert fetch(empty_url, "select count(distinct v) from t") == [3]


def test_generated_columns_are_refused_with_the_way_to_leave_them_out(
    empty_url: str, tmp_path: Path
) -> None:
    execute(empty_url, "create table t (a int, twice int generated always as (a * 2) stored)")
    file = write(tmp_path / "x.csv", "a,twice\n1,2\n")
    done = load(empty_url, file, into="t")
    assert done.exit_code == 2
    assert '"twice" is generated by the server' in done.stderr
    assert "--map twice=" in done.stderr
    assert load(empty_url, file, "--map", "twice=", into="t").exit_code == 0
    assert fetch(empty_url, "select twice from t") == [2]


def test_rows_may_refer_to_rows_that_come_later(empty_url: str, tmp_path: Path) -> None:
    execute(empty_url, "create table n (id int primary key, parent int references n)")
    file = write(tmp_path / "x.csv", "id,parent\n1,3\n2,1\n3,\n")
    assert load(empty_url, file, into="n").exit_code == 0
    assert fetch(empty_url, "select count(parent) from n") == [2]


def test_csv_tells_null_from_an_empty_text(empty_url: str, tmp_path: Path) -> None:
    execute(empty_url, "create table t (a text, b text)")
    file = write(tmp_path / "x.csv", '\ufeffa,b\n,""\nNULL,"a\nb"\n')
    assert load(empty_url, file, into="t").exit_code == 0
    found = "select coalesce(a, '∅') || ':' || coalesce(b, '∅') from t"
    assert fetch(empty_url, found) == ["∅:", "NULL:a\nb"]
    execute(empty_url, "truncate t")
    assert load(empty_url, file, "--null", "NULL", into="t").exit_code == 0
    assert fetch(empty_url, found) == [":", "∅:a\nb"]


def test_another_delimiter_and_encoding_can_be_named(empty_url: str, tmp_path: Path) -> None:
    execute(empty_url, "create table t (a text, b text)")
    file = write(tmp_path / "x.csv", "a;b\né;ü\n".encode("windows-1252"))
    done = load(empty_url, file, "--delimiter", ";", into="t")
    assert done.exit_code == 4
    assert "is not UTF-8: byte 5 (0xe9)" in done.stderr
    done = load(empty_url, file, "--delimiter", ";", "--encoding", "windows-1252", into="t")
    assert done.exit_code == 0, done.stderr
    assert fetch(empty_url, "select a || b from t") == ["éü"]


def test_the_array_of_an_object_is_found_or_named(database_url: str, tmp_path: Path) -> None:
    ann = {"id": U1, "email": "a@x.io", "name": "Ann"}
    pets = [{"name": "Rex"}]
    file = write(tmp_path / "x.json", json.dumps({"state": {"people": [ann], "pets": pets}}))
    done = load(database_url, file)
    assert done.exit_code == 2
    assert "several arrays" in done.stderr
    assert "--key state.people" in done.stderr
    assert load(database_url, file, "--key", "nope").exit_code == 2
    assert load(database_url, file, "--key", "state.people").exit_code == 0
    assert emails(database_url) == ["a@x.io"]
    bo = {"id": U2, "email": "b@x.io", "name": "Bo"}
    write(file, json.dumps({"ids": [1], "state": {"people": [bo], "log": []}}))
    assert load(database_url, file).exit_code == 0
    assert emails(database_url) == ["a@x.io", "b@x.io"]


BROKEN = {
    "cut.csv.gz": (gzip.compress(USERS.encode() * 9)[:-12], 4, "is damaged or cut short"),
    "cut.csv.zst": (zstd.compress(USERS.encode() * 9)[:-12], 4, "is damaged or cut short"),
    "cut.json": (b'[{"id": 1}, {"id"', 4, "is no JSON after row 1"),
    "lines.json": (b'{"id": 1}\n{"id": 2}\n', 4, "give --from ndjson"),
    "open.csv": (b'id,email\n1,"abc\n', 4, "it ends within a quoted field"),
    "bytes.csv": (b"id,email,name\n1,\xff,c\n", 4, "is not UTF-8: byte 17"),
    "bytes.ndjson": (b'{"id": "\xff"}\n', 4, "row 1 (line 1)"),
    "lines.ndjson": (b'{"id": 1\n', 4, "is no JSON"),
    "list.ndjson": (b"[1]\n", 4, "is no JSON object"),
    "twice.csv": (b"id,id\n1,2\n", 2, '"id" more than once'),
    "nameless.csv": (b",\n1,2\n", 2, "no column has a name"),
    "empty.csv": (b"", 4, "is empty"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_told_of_and_loads_nothing(
    database_url: str, tmp_path: Path, name: str
) -> None:
    content, code, said = BROKEN[name]
    done = load(database_url, write(tmp_path / name, content))
    assert (done.exit_code, "Traceback" in done.stderr) == (code, False), done.stderr
    assert said in done.stderr
    assert name in done.stderr
    assert emails(database_url) == []


def test_a_file_that_is_not_there_is_a_usage_error(database_url: str, tmp_path: Path) -> None:
    for name in (tmp_path / "nope.csv", tmp_path):
        done = load(database_url, name)
        assert done.exit_code == 2
        assert "cannot read" in done.stderr


def test_a_row_with_too_few_or_too_many_fields_is_named(database_url: str, tmp_path: Path) -> None:
    file = write(
        tmp_path / "x.csv", f'id,email,name\n{U1},"a\n@x.io",Ann\n\n{U2},b@x.io\n{U2},a,b,c\n'
    )
    done = load(database_url, file)
    assert done.exit_code == 4
    assert f"{file}, row 2 (line 5)" in done.stderr
    assert "the row has 2 fields, and the header 3" in done.stderr
    assert "the row has 4 fields, and the header 3" in done.stdout


def test_an_empty_file_of_rows_loads_none(database_url: str, tmp_path: Path) -> None:
    for name, content in (("a.csv", "id,email,name\n"), ("b.json", "[]"), ("c.ndjson", "")):
        done = load(database_url, write(tmp_path / name, content))
        assert done.exit_code == 0, (name, done.stderr)
        assert "0 inserted" in done.stdout


def test_a_plan_reads_everything_and_writes_nothing(database_url: str, tmp_path: Path) -> None:
    file = write(tmp_path / "x.csv", USERS)
    done = load(database_url, file, "--plan", "--json")
    assert done.exit_code == 0, done.stderr
    assert (done.json["plan"], done.json["inserted"]) == (True, 2)
    assert {"field": "email", "column": "email"} in done.json["mapping"]
    write(file, USERS + "x,c@x.io,C\n")
    done = load(database_url, file, "--plan")
    assert done.exit_code == 4
    assert 'column id: "x" is not a UUID' in done.stderr
    assert emails(database_url) == []


def test_production_is_refused(database_url: str, tmp_path: Path) -> None:
    file = write(tmp_path / "x.csv", USERS)
    done = invoke(
        *("seed", "load", str(file), "--into", "users"),
        env={"DATABASE_URL": database_url, "ENVIRONMENT": "production"},
    )
    assert done.exit_code == 5
    assert emails(database_url) == []


def test_a_default_is_the_server_s_own_value_to_the_last_part(
    empty_url: str, tmp_path: Path
) -> None:
    execute(
        empty_url,
        "create table t (id int, i interval default '1 mon', "
        "at timestamptz default 'infinity', ad timestamp default '0044-03-15 BC')",
    )
    first = '{"id": 1, "i": "1 day", "at": "2026-01-01T00:00:00Z", "ad": "2026-01-01"}'
    done = load(empty_url, write(tmp_path / "x.ndjson", f'{first}\n{{"id": 2}}\n'), into="t")
    assert done.exit_code == 0, done.stderr
    assert fetch(empty_url, "select t::text from t where id = 2") == [
        '(2,"1 mon",infinity,"0044-03-15 00:00:00 BC")'
    ]


def test_only_rows_that_were_written_are_counted(empty_url: str, tmp_path: Path) -> None:
    execute(
        empty_url,
        "create table t (id int)",
        "create function odd() returns trigger language plpgsql as "
        "$$begin return case when new.id % 2 = 1 then new end; end$$",
        "create trigger odd before insert on t for each row execute function odd()",
    )
    file = write(tmp_path / "x.csv", "id\n1\n2\n3\n")
    done = load(empty_url, file, file, "--json", into="t")
    assert (done.json["inserted"], done.json["rows"]) == (4, 6)
    assert [found["rows"] for found in done.json["files"]] == [3, 3]


def test_a_table_with_policies_is_loaded_by_a_role_that_they_bind(
    empty_url: str, tmp_path: Path
) -> None:
    execute(
        empty_url,
        "create table t (id int)",
        "alter table t enable row level security",
        "alter table t force row level security",
        "create policy small on t using (true) with check (id < 10)",
        "create role bound_by_policy login",
        "grant all on t to bound_by_policy",
    )
    try:
        url = empty_url.replace("postgres@", "bound_by_policy@", 1)
        done = load(url, write(tmp_path / "x.csv", "id\n1\n2\n"), into="t")
        assert done.exit_code == 0, done.stderr
        assert load(url, write(tmp_path / "y.csv", "id\n10\n"), into="t").exit_code == 4
        assert fetch(empty_url, "select id from t order by id") == [1, 2]
    finally:
        execute(empty_url, "drop owned by bound_by_policy", "drop role bound_by_policy")


@pytest.mark.parametrize(
    ("content", "options", "found"),
    [
        ('a,b\nNULL,"NULL"\n', ["--null", "NULL"], ["∅:NULL"]),
        ('a;b\r\n"NULL";NULL\r\n', ["--null", "NULL", "--delimiter", ";"], ["NULL:∅"]),
        ('a,b\n"-","x,""-"",\n"\n', ["--null", "-"], ['-:x,"-",\n']),
        ('a,b\n,""\n', ["--null", ""], ["∅:"]),
        ('a,b\n,""\n', ["--force-null"], ["∅:∅"]),
        ('a,b\n"\\N",\\N', ["--null", "\\N", "--force-null"], ["∅:∅"]),
        ('a,b\n"\\N",\\N', ["--null", "\\N"], ["\\N:∅"]),
        ('"a","b"\n"a","b"\n', ["--null", "a"], ["a:b"]),
        ('a,b\n"{""NULL"",NULL}",NULL\n', ["--null", "NULL"], ['{"NULL",NULL}:∅']),
    ],
)
def test_null_in_quotes_is_text_as_for_copy(
    empty_url: str, tmp_path: Path, content: str, options: list[str], found: list[str]
) -> None:
    execute(empty_url, "create table t (a text, b text)")
    done = load(empty_url, write(tmp_path / "x.csv", content), *options, "--json", into="t")
    assert done.exit_code == 0, done.stderr
    assert fetch(empty_url, "select coalesce(a, '∅') || ':' || coalesce(b, '∅') from t") == found
    kept = any(text and text in found[0].split(":") for text in options[1:2])
    assert len(done.json["notices"]) == (1 if kept else 0)


def test_null_with_a_quote_or_a_delimiter_is_refused(database_url: str, tmp_path: Path) -> None:
    for null in ('"NULL"', "a,b"):
        done = load(database_url, write(tmp_path / "x.csv", USERS), "--null", null)
        assert done.exit_code == 2
        assert "--force-null" in done.stderr


@pytest.mark.parametrize(
    ("name", "content", "options", "advice"),
    [
        ("x.csv", "id;email;name\n", [], "--delimiter ';'"),
        ("x.csv", '"id";"email"\n', [], "--delimiter ';'"),
        ("x.csv", "id\temail\tname\n", [], "--delimiter tab"),
        ("x.tsv", "id,email,name\n", [], "--delimiter ,"),
        ("x.csv", "id,email,name\n", ["--delimiter", ";"], "--delimiter ,"),
        ("x.csv", "id|email|name\n", [], "--delimiter '|'"),
        ("x.csv", '[{"id": 1, "email": "a"}]\n', [], "--from json"),
        ("x.csv", "id,mail\n", [], "--map mail=email"),
        ("x.json", "id,email,name\n", [], "--from csv"),
    ],
)
def test_header_of_another_dialect_names_the_option_for_it(
    database_url: str, tmp_path: Path, name: str, content: str, options: list[str], advice: str
) -> None:
    done = load(database_url, write(tmp_path / name, content), *options)
    assert done.exit_code in {2, 4}
    assert advice in done.stderr
    assert ("--map" in done.stderr) is ("--map" in advice)


@pytest.mark.parametrize(
    ("content", "options", "found"),
    [
        ("id,name,\n1,a,\n2,b\n", [], ["1:a", "2:b"]),
        ("id,name,,,\n1,a,,,\n2,b,,\n", [], ["1:a", "2:b"]),
        (",id,name\n,1,a\n", [], ["1:a"]),
        (",id,name\n0,1,a\n1,2,b\n", ["--map", "="], ["1:a", "2:b"]),
        ('id,"",name\n1,"x",a\n', ["--map", "=", "--null", "x"], ["1:a"]),
    ],
)
def test_columns_without_a_name_are_left_out(
    empty_url: str, tmp_path: Path, content: str, options: list[str], found: list[str]
) -> None:
    execute(empty_url, "create table t (id int, name text)")
    done = load(empty_url, write(tmp_path / "x.csv", content), *options, into="t")
    assert done.exit_code == 0, done.stderr
    assert fetch(empty_url, "select id || ':' || name from t order by id") == found


def test_value_in_a_column_without_a_name_is_a_fault(empty_url: str, tmp_path: Path) -> None:
    execute(empty_url, "create table t (id int, name text)")
    file = write(tmp_path / "x.csv", ",id,name\n,1,a\n0,2,b\n3,c\n,4,d,e\n")
    done = load(empty_url, file, "--json", into="t")
    assert done.exit_code == 4
    assert [(fault["row"], fault["line"], fault["reason"]) for fault in done.json["faults"]] == [
        (
            *(2, 3),
            'has "0" in column 1, which has no name in the header; --map = leaves such columns out',
        ),
        (3, 4, "the row has 2 fields, and the header 3"),
        (4, 5, "the row has 4 fields, and the header 3"),
    ]
    done = load(empty_url, file, "--reject", tmp_path / "bad.ndjson", "--json", into="t")
    assert (done.exit_code, done.json["inserted"], done.json["rejected"]) == (1, 1, 3)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.ndjson", '{"a": 1, "b": "x"}\n{"a": 2, "a": 3}\n{"a": 4}\n'),
        ("x.ndjson", '{"a": 1}\n{"a": 2, "\\u0061" : 3}\n{"a": 4, "b": "\\": {\\"c\\": 1}"}\n'),
        ("x.json", '[{"a": 1}, {"a": 2, "b": "y", "a": 3}, {"a": 4}]'),
        ("x.ndjson", '{"a": 1}\n{"a": 2, "j": [{"k": 1, "k": 2}]}\n{"a": 4, "j": {"a": {}}}\n'),
        ("x.json", '{"t": [{"a": 1}, {"a": 2, "j": {"k": {"l": 1, "l": []}}}, {"a": 4}]}'),
    ],
)
@pytest.mark.parametrize("exact", [True, False], ids=["exact", "quick"])
def test_key_that_comes_twice_is_a_fault_of_its_row(
    empty_url: str, tmp_path: Path, name: str, content: str, exact: bool
) -> None:
    # Where no column needs every digit of a number, another parser reads the lines.
    column = "j jsonb" if exact else "j text[]"
    execute(empty_url, f"create table t (a int, b text, {column})")
    rejects = tmp_path / "bad.ndjson"
    file = write(
        tmp_path / name, content if exact else content.replace('"j": {"a": {}}', '"b": ""')
    )
    done = load(empty_url, file, "--json", into="t")
    assert done.exit_code == 4
    (fault,) = done.json["faults"]
    assert fault["row"] == 2
    assert re.fullmatch('has the key "[akl]" more than once', fault["reason"])
    done = load(empty_url, file, "--reject", rejects, "--json", into="t")
    assert (done.exit_code, done.json["inserted"]) == (1, 2), done.stdout
    assert fetch(empty_url, "select a from t order by a") == [1, 4]
    (line,) = map(json.loads, rejects.read_text().splitlines())
    pairs = line["dbctl_reject"]["text"]
    assert pairs.count('"a"') + pairs.count("u0061") + pairs.count('"k"') + pairs.count('"l"') > 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (gzip.compress(USERS.encode() * 99)[:-5], "it ends within its compressed data"),
        (gzip.compress(USERS.encode()) + b"PK\3\4", "data that is not compressed follows"),
        (gzip.compress(USERS.encode())[:-8] + b"\0" * 8, "is not what was written"),
        (zstd.compress(USERS.encode()) + b"garbage", "is not what was written"),
    ],
    ids=["cut", "followed", "checksum", "zstd"],  # gzip has the time in its head
)
def test_damage_of_a_compressed_file_is_in_words(
    database_url: str, tmp_path: Path, content: bytes, said: str
) -> None:
    done = load(database_url, write(tmp_path / "x.csv.gz", content))
    assert done.exit_code == 4
    assert said in done.stderr
    assert "b'" not in done.stderr
    assert emails(database_url) == []
