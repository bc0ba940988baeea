"""Values of every type come back from the database as they stood in the file."""

import csv
import io
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.test_load_files import load, write
from tests.support.cli import invoke
from tests.support.databases import execute, fetch

# A type, what a file may have for it, and what the server writes of it then.
VALUES: list[tuple[str, Any, str]] = [
    ("int2", -32768, "-32768"),
    ("int4", 2147483647, "2147483647"),
    ("int4", "12", "12"),
    ("int8", 9223372036854775807, "9223372036854775807"),
    ("float8", 0.1, "0.1"),
    ("float8", "NaN", "NaN"),
    ("float8", "-Infinity", "-Infinity"),
    ("float4", 1.5, "1.5"),
    ("numeric", "12345678901234567890.123456789012345678901234567890", ""),
    ("numeric(12,2)", "1234567890.10", ""),
    ("numeric(12,2)", "1.500", "1.50"),
    ("numeric(5,-2)", "1200", "1200"),
    ("numeric", "NaN", "NaN"),
    ("bool", "yes", "true"),
    ("bool", "f", "false"),
    ("uuid", "{16194304-04D3-548B-9807-7B9509D3302B}", "16194304-04d3-548b-9807-7b9509d3302b"),
    ("text", " blanks and \"quotes\", 'too' \\ \U0001f600 \u202e", ""),
    ("varchar(5)", "äöüßé", ""),
    ("char(3)", "ab", "ab"),
    ("date", "2026-02-28", ""),
    ("date", "9999-12-31", ""),
    ("date", "0001-01-01", ""),
    ("date", "2026-02-28T00:00:00.000Z", "2026-02-28"),
    ("time", "12:30:00.000001", ""),
    ("timetz", "12:30:00+05:30", "12:30:00+05:30"),
    ("timestamp", "2026-02-28T12:00:00.5", "2026-02-28 12:00:00.5"),
    ("timestamp", "2026-02-28T12:00:00Z", "2026-02-28 12:00:00"),
    ("timestamptz", "2026-02-28T12:00:00.123456789Z", "2026-02-28 12:00:00.123457+00"),
    ("timestamptz", "infinity", "infinity"),
    ("timestamp", "-infinity", "-infinity"),
    ("date", "Infinity", "infinity"),
    (
        "timestamptz[]",
        ["-infinity", "2026-01-01T00:00:00Z"],
        '{-infinity,"2026-01-01 00:00:00+00"}',
    ),
    ("tstzrange", "[-infinity,infinity]", "[-infinity,infinity]"),
    ("timestamp", "2026-02-28T23:59:59.9999999", "2026-03-01 00:00:00"),
    ("time", "12:00:00.1234567", "12:00:00.123457"),
    ("interval", "1.2345678 s 5 m", "00:05:01.234568"),
    ("text[]", "{\u00a0a,b\u2003}", "{\u00a0a,b\u2003}"),
    ("text[]", "{a\\,b, c }", '{"a,b",c}'),
    ("jsonb", {"a": "\\u0000"}, '{"a": "\\\\u0000"}'),
    ("jsonb[]", "[1, {}]", '{1,"{}"}'),
    ("timestamptz", "2026-02-28 12:00:00+02", "2026-02-28 10:00:00+00"),
    ("timestamptz", "2026-02-28 12:00:00 UTC", "2026-02-28 12:00:00+00"),
    ("timestamptz", "9999-12-31T23:59:59.999999Z", "9999-12-31 23:59:59.999999+00"),
    ("interval", "P1DT2H", "1 day 02:00:00"),
    ("interval", "1 day -02:00:00", "1 day -02:00:00"),
    ("interval", "P1Y2M3DT4H5M6.5S", "1 year 2 mons 3 days 04:05:06.5"),
    ("mood", 'a, "b"', ""),
    ("mood[]", ["ok", 'a, "b"', None], '{ok,"a, \\"b\\"",NULL}'),
    ("text[]", ["", "NULL", None, "a\\b", 'c"d', "{e,f}", " g "], ""),
    ("text[]", [], "{}"),
    ("text[]", '{a,"b c",NULL,"NULL","\\"q\\""}', '{a,"b c",NULL,"NULL","\\"q\\""}'),
    ("int4[]", [[1, 2], [3, None]], "{{1,2},{3,NULL}}"),
    ("numeric(4,1)[]", ["1.5", 2], "{1.5,2.0}"),
    ("timestamptz[]", ["2026-01-01T00:00:00Z"], '{"2026-01-01 00:00:00+00"}'),
    ("bytea", "\\x00ff", "\\x00ff"),
    ("bytea", "AP8=", "\\x00ff"),
    ("int4range", "[1,5]", "[1,6)"),
    ("int4range", "empty", "empty"),
    ("daterange", "[2026-01-01,)", "[2026-01-01,)"),
    ("numrange", "(1.5,2.50]", "(1.5,2.50]"),
    ("tstzrange", '["2026-01-01 00:00:00+00","2026-01-02 00:00:00+00")', ""),
    ("datemultirange", "{[2026-01-01,2026-01-03)}", ""),
    ("inet", "10.0.0.1/8", ""),
    ("inet", "::1", "::1/128"),
    ("cidr", "10.0.0.0/8", ""),
    ("macaddr", "08:00:2b:01:02:03", ""),
    ("bit(3)", "101", ""),
    ("varbit(5)", "10", ""),
    ("point", "(1,2)", ""),
    ("tsquery", "'a' & 'b'", ""),
    ("tsvector", "'a' 'b'", ""),
    ("money", "$1.50", ""),
    ("code", "ABC", ""),
    ("pair", "(1,x)", ""),
    ("pair", {"b": 'x "y" \\', "a": 1}, '(1,"x ""y"" \\\\")'),
    ("pair", {"b": "null"}, "(,null)"),
    ("pair[]", [{"a": 1, "b": "x,y"}, None, "(2,z)"], '{"(1,\\"x,y\\")",NULL,"(2,z)"}'),
    ("pair[]", '{"(1,x)"}', '{"(1,x)"}'),
    (
        "pairs",
        {"one": {"a": 1, "b": ""}, "many": [{"a": 2}], "j": {"k": [1.5, "v"]}, "t": True},
        '("(1,"""")","{""(2,)""}","{""k"": [1.5, ""v""]}",t)',
    ),
    ("labelled", {"a": 1, "b": "y"}, "(1,y)"),
    ("hstore", {"a": "1", "b": None, 'c "': 2.5}, '"a"=>"1", "b"=>NULL, "c \\""=>"2.5"'),
    ("hstore[]", [{"a": "b"}], '{"\\"a\\"=>\\"b\\""}'),
]


@pytest.fixture(scope="module")
def typed_url(server: Any) -> Iterator[str]:
    with server.database() as url:
        execute(
            url,
            "alter database " + url.split("/")[3].split("?")[0] + " set timezone to 'UTC'",
            "create type mood as enum ('ok', 'a, \"b\"')",
            "create domain code as varchar(5) check (value ~ '^[A-Z]+$')",
            "create type pair as (a int, b text)",
            "create type pairs as (one pair, many pair[], j jsonb, t bool)",
            "create domain labelled as pair check ((value).a > 0)",
            "create extension hstore",
        )
        yield url


def numbered(values: list[tuple[str, Any, str]]) -> str:
    columns = ", ".join(f"c{number} {kind}" for number, (kind, _, _) in enumerate(values))
    return f"create table t (id int, {columns})"


@contextmanager
def table(url: str, definition: str) -> Iterator[None]:
    execute(url, definition)
    try:
        yield
    finally:
        execute(url, "drop table t")


def as_csv(rows: list[dict[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_NOTNULL)
    writer.writerow(rows[0])
    for row in rows:
        writer.writerow(
            [json.dumps(v) if isinstance(v, list | dict) else v for v in map(row.get, rows[0])]
        )
    return out.getvalue()


WRITERS: dict[str, Callable[[list[dict[str, Any]]], str]] = {
    "x.csv": as_csv,
    "x.json": lambda rows: json.dumps(rows),
    "x.ndjson": lambda rows: "".join(f"{json.dumps(row)}\n" for row in rows),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_type_keeps_its_value(typed_url: str, tmp_path: Path, name: str) -> None:
    row = {"id": 1} | {f"c{number}": value for number, (_, value, _) in enumerate(VALUES)}
    with table(typed_url, numbered(VALUES)):
        done = load(typed_url, write(tmp_path / name, WRITERS[name]([row])), into="t")
        assert done.exit_code == 0, done.stderr + done.stdout
        for number, (kind, value, expected) in enumerate(VALUES):
            (found,) = fetch(typed_url, f"select c{number}::text from t")
            if expected or kind != "text[]":
                assert found == (expected or value), (kind, value)
            else:
                assert fetch(typed_url, f"select c{number} from t") == [value]


REFUSED: list[tuple[str, Any, str]] = [
    ("int2", 32768, "is not an integer from -32768 to 32767"),
    ("int4", True, "is not an integer"),
    ("int4", "1.5", "is not an integer"),
    ("int8", 9223372036854775808, "is not an integer"),
    ("float8", "x", "is not a number"),
    ("float8", "1e400", "is too large for a float"),
    ("float8", "1e-400", "is too small for a float"),
    ("float4", "1e-50", "is too small for a real"),
    ("float4", 10**400, "is t"),
    ("numeric", "1e200000", "has more digits than a numeric takes"),
    ("inet", "10.0.0.0/255.0.0.0", "is no IP address"),
    ("inet", "fe80::1%eth0", "is no IP address"),
    ("tstzrange", "[2026-01-02T00:00:00Z,2026-01-01T00:00:00Z)", "has a lower bound above"),
    ("daterange", "[infinity,2026-01-01)", "has a lower bound above"),
    ("int4[]", "{{1},{2,3}}", "is an array whose rows are not of one length"),
    ("text[]", "{" * 2000, "is an array of more than 6 dimensions"),
    ("numeric(12,2)", "1.005", "has more than 2 decimal places"),
    ("numeric(4,2)", "100", "is too large for numeric(4,2)"),
    ("numeric", "1,5", "is no number"),
    ("bool", "maybe", "is not true or false"),
    ("uuid", "16194304", "is not a UUID"),
    ("varchar(3)", "abcd", "should have at most 3 characters"),
    ("date", "2026-02-30", "is not a date or time"),
    ("date", "2026-02-28T10:00:00", "has a time of day"),
    ("timestamp", "2026-02-28T10:00:00+02:00", "has a time zone"),
    ("timestamptz", "2026-02-28T10:00:00", "has no time zone"),
    ("timestamptz", 1700000000, "is not a date or time"),
    ("time", "25:00", "is no time of day"),
    ("interval", "soon", "is no interval"),
    ("mood", "OK", 'is not one of ok and a, "b"'),
    ("mood[]", ["nope"], "has an element, number 1, that is not one of"),
    ("int4[]", [1, "x"], "has an element, number 2, that is not an integer"),
    ("int4[]", [[1], [2, 3]], "is an array whose rows are not of one length"),
    ("int4[]", "1,2", "is no array"),
    ("bytea", "\\xzz", "is no bytes"),
    ("int4range", "1-5", "is no range"),
    ("int4range", "[a,b]", "has a bound"),
    ("inet", "10.0.0.256", "is no IP address"),
    ("bit(3)", "1010", "has 4 bits"),
    ("pair", {"a": 1, "c": 2}, 'has "c", and public.pair has a and b'),
    ("pair[]", [{"a": 1}, {"x": 2}], 'has "x", and public.pair has a and b'),
    ("code", "abc", "violates check constraint"),
    ("point", "(1", "is no point"),
]


@pytest.mark.parametrize(("kind", "value", "reason"), REFUSED, ids=[r[0] for r in REFUSED])
def test_a_value_of_no_such_type_is_a_fault(
    typed_url: str, tmp_path: Path, kind: str, value: Any, reason: str
) -> None:
    with table(typed_url, f"create table t (id int, a {kind})"):
        for name, written in WRITERS.items():
            file = write(tmp_path / name, written([{"id": 1, "a": value}]))
            done = load(typed_url, file, into="t")
            if name == "x.csv" and value is True:
                continue
            assert done.exit_code == 4, (name, done.stdout)
            assert reason in done.stderr, done.stderr
            assert "row 1" in done.stderr, done.stderr
            assert fetch(typed_url, "select count(*) from t") == [0]


def test_what_only_the_server_can_read_is_rejected_too(typed_url: str, tmp_path: Path) -> None:
    rejects = tmp_path / "bad.ndjson"
    with table(typed_url, "create table t (id int, a macaddr, b point)"):
        file = write(tmp_path / "x.csv", 'id,a,b\n1,08:zz,\n2,,"(1,2)"\n3,,x\n')
        done = load(typed_url, file, "--reject", rejects, into="t")
        assert done.exit_code == 1, done.stderr
        assert fetch(typed_url, "select id from t") == [2]
    told = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert [line["dbctl_reject"]["faults"][0]["reason"] for line in told] == [
        "is no macaddr",
        "is no point",
    ]


# A format of dates, or a decimal comma: a type, what a file has, and what is read, or said of it.
NOTATIONS: list[tuple[list[str], str, str, str]] = [
    (["--date-format", "dmy"], "date", "01/02/2024", "2024-02-01"),
    (["--date-format", "mdy"], "date", "1/2/2024", "2024-01-02"),
    (["--date-format", "DMY"], "date", "31.12.2024", "2024-12-31"),
    (["--date-format", "ymd"], "date", "2024/12/31", "2024-12-31"),
    (["--date-format", "dmy"], "date", "2024-02-01", "2024-02-01"),
    (["--date-format", "dmy"], "timestamp", "01/02/2024 9:05", "2024-02-01 09:05:00"),
    (["--date-format", "dmy"], "timestamptz", "01-02-2024T09:05+02:00", "2024-02-01 07:05:00+00"),
    (["--date-format", "dmy"], "date[]", "{01/02/2024,NULL}", "{2024-02-01,NULL}"),
    (["--date-format", "dmy"], "daterange", "[01/02/2024,02/02/2024]", "[2024-02-01,2024-02-03)"),
    (["--date-format", "dmy"], "datemultirange", "{[01/02/2024,]}", "{[2024-02-01,)}"),
    (["--date-format", "%d %b %y"], "date", "1 Feb 24", "2024-02-01"),
    (
        ["--date-format", "%m/%d/%Y %I:%M %p", "--assume-utc"],
        *("timestamptz", "01/02/2024 01:30 PM", "2024-01-02 13:30:00+00"),
    ),
    (["--date-format", "mdy"], "date", "31/12/2024", "!is not a date or time"),
    (["--date-format", "dmy"], "date", "01/02/24", "!has no year of four digits"),
    (["--date-format", "dmy"], "time", "01:02:03", "01:02:03"),
    ([], "date", "01/02/2024", "!--date-format"),
    ([], "timestamptz", "01.02.2024 10:00", "!--date-format"),
    (["--decimal-comma"], "numeric", "1234,56", "1234.56"),
    (["--decimal-comma"], "numeric(9,2)", "-1.234.567,8", "-1234567.80"),
    (["--decimal-comma"], "float8", "1,5e3", "1500"),
    (["--decimal-comma"], "float4", "0,25", "0.25"),
    (["--decimal-comma"], "int4", "1.234", "1234"),
    (["--decimal-comma"], "numeric", "1\u202f234,5", "1234.5"),
    (["--decimal-comma"], "numeric[]", '{"1,5",2}', "{1.5,2}"),
    (["--decimal-comma"], "money", "1.234,56", "$1,234.56"),
    (["--decimal-comma"], "numeric", "NaN", "NaN"),
    (["--decimal-comma"], "numeric", "1234.56", "!is not a number with a decimal comma"),
    (["--decimal-comma"], "int8", "1,5", "!is not an integer"),
    ([], "numeric", "1234,56", "!--decimal-comma"),
    ([], "float8", "1,5", "!--decimal-comma"),
    ([], "int4", "1.234,5", "!--decimal-comma"),
]


@pytest.mark.parametrize(("options", "kind", "value", "expected"), NOTATIONS)
def test_dates_and_numbers_are_read_in_the_notation_that_is_named(
    typed_url: str, tmp_path: Path, options: list[str], kind: str, value: str, expected: str
) -> None:
    with table(typed_url, f"create table t (id int, a {kind})"):
        file = write(tmp_path / "x.ndjson", json.dumps({"id": 1, "a": value}))
        done = load(typed_url, file, *options, into="t")
        if expected.startswith("!"):
            assert done.exit_code == 4, done.stdout
            assert expected[1:] in done.stderr
        else:
            assert done.exit_code == 0, done.stderr
            assert fetch(typed_url, "select a::text from t") == [expected]


def test_numbers_of_thousands_get_no_hint_for_a_decimal_comma(
    typed_url: str, tmp_path: Path
) -> None:
    with table(typed_url, "create table t (a numeric)"):
        done = load(typed_url, write(tmp_path / "x.csv", 'a\n"1,234"\n'), into="t")
        assert done.exit_code == 4
        assert "--decimal-comma" not in done.stderr


@pytest.mark.parametrize("value", ["dd", "%d/%m", "%H:%M", "%F", "", "%"])
def test_date_format_without_a_whole_date_is_a_usage_error(
    typed_url: str, tmp_path: Path, value: str
) -> None:
    done = load(typed_url, write(tmp_path / "x.csv", "a\n"), "--date-format", value, into="t")
    assert done.exit_code == 2
    assert "dmy, mdy or ymd" in done.stderr


def test_times_without_a_zone_are_utc_where_that_is_said(typed_url: str, tmp_path: Path) -> None:
    with table(typed_url, "create table t (a timestamptz, b timestamp)"):
        file = write(tmp_path / "x.csv", "a,b\n2026-01-01 12:00,2026-01-01T12:00+02:00\n")
        assert load(typed_url, file, "--assume-utc", into="t").exit_code == 0
        found = fetch(typed_url, "select a::text || ' ' || b::text from t")
        assert found == ["2026-01-01 12:00:00+00 2026-01-01 10:00:00"]


@pytest.mark.parametrize("name", WRITERS)
def test_json_keeps_every_digit(typed_url: str, tmp_path: Path, name: str) -> None:
    digits = "0.1000000000000000055511151231257827"
    text = f'{{"n": {digits}, "big": 123456789012345678901234567890, "z": 1.50}}'
    quoted = text.replace('"', '""')
    content = {
        "x.csv": f'id,j,n\n1,"{quoted}",{digits}\n',
        "x.json": f'[{{"id": 1, "j": {text}, "n": {digits}}}]',
        "x.ndjson": f'{{"id": 1, "j": {text}, "n": {digits}}}\n',
    }[name]
    with table(typed_url, "create table t (id int, j json, n numeric)"):
        assert load(typed_url, write(tmp_path / name, content), into="t").exit_code == 0
        assert fetch(typed_url, "select j::text from t") == [text]
        assert fetch(typed_url, "select n::text from t") == [digits]


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "t": st.none() | TEXT,
            "i": st.none() | st.integers(-(2**63), 2**63 - 1),
            "f": st.floats(allow_nan=False, allow_infinity=False),
            "n": st.decimals(allow_nan=False, allow_infinity=False, places=6).map(str),
            "d": st.dates().map(str),
            "ts": st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat()),
            "a": st.none() | st.lists(st.none() | TEXT, max_size=4),
            "j": JSON.filter(lambda value: value is not None),
        }
    ),
    min_size=1,
    max_size=6,
)
SAME = """
    select t is not distinct from $r ->> 't' and i is not distinct from ($r ->> 'i')::int8
        and f = ($r ->> 'f')::float8 and n = ($r ->> 'n')::numeric and d = ($r ->> 'd')::date
        and ts = ($r ->> 'ts')::timestamptz and j::jsonb = $r -> 'j'
        and to_jsonb(a) is not distinct from nullif($r -> 'a', 'null')
    from t
"""


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=ROWS, name=st.sampled_from(sorted(WRITERS)))
def test_random_rows_come_back_equal(typed_url: str, rows: list[dict[str, Any]], name: str) -> None:
    numbered_rows = [{"k": k, **row} for k, row in enumerate(rows)]
    written = [
        row | {"j": json.dumps(row["j"])} if name == "x.csv" else row for row in numbered_rows
    ]
    definition = (
        "create table t (k int, t text, i int8, f float8, n numeric, d date, ts timestamptz,"
        " a text[], j json)"
    )
    with table(typed_url, definition), tempfile.TemporaryDirectory() as folder:
        done = load(typed_url, write(Path(folder) / name, WRITERS[name](written)), into="t")
        assert done.exit_code == 0, done.stderr
        source = json.dumps(numbered_rows).replace("'", "''")
        same = SAME.replace("$r", "r.r")
        found = fetch(
            typed_url,
            f"{same} join jsonb_array_elements('{source}') r (r) on (r ->> 'k')::int = k",
        )
        assert found == [True] * len(rows)


def test_what_a_model_does_not_take_is_shown_whatever_its_type(
    typed_url: str, tmp_path: Path
) -> None:
    write(
        tmp_path / "checked.py",
        "from datetime import date\nfrom decimal import Decimal\n"
        "from sqlmodel import Field, SQLModel\n"
        "class Checked(SQLModel, table=True):\n"
        "    id: int = Field(primary_key=True)\n"
        "    b: bytes | None = Field(default=None, max_length=2)\n"
        "    d: date | None = Field(default=None, gt=date(2020, 1, 1))\n"
        "    n: Decimal | None = Field(default=None, ge=0)\n",
    )
    file = write(tmp_path / "x.csv", "id,b,d,n\n1,\\x010203,,\n2,,2019-01-31,\n3,,,-1.50\n")
    with table(typed_url, "create table checked (id int, b bytea, d date, n numeric)"):
        done = invoke(
            *("seed", "load", str(file), "--into", "checked", "--json"),
            env={"DATABASE_URL": typed_url, "DBCTL_MODELS": "checked"},
            cwd=tmp_path,
        )
        execute(typed_url, "alter table checked rename to t")
    assert done.exit_code == 4, done.stdout
    assert [(fault["row"], fault["value"]) for fault in done.json["faults"]] == [
        (1, '"\\\\x010203"'),
        (2, '"2019-01-31"'),
        (3, "-1.50"),
    ]
