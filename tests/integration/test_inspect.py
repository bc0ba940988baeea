"""`dbctl inspect` against a real server: what it reads, and what it never does."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import redirect_stdout
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from rich.console import RenderableType

from dbctl.db import dsn
from dbctl.db.engine import DatabaseSessionManager
from dbctl.db.search_path import session_path
from dbctl.errors import DbctlError, ErrorCode, ExitCode, FindingError, UsageError
from dbctl.inspect.data import views
from dbctl.inspect.data.literals import array_literal, in_quotes
from dbctl.inspect.data.results import RowsResult
from dbctl.inspect.data.row import find_row
from dbctl.inspect.database.pool import show_pool
from dbctl.inspect.database.table import describe_table
from dbctl.inspect.database.tables import list_tables
from dbctl.inspect.database.views import pool as pool_views
from dbctl.inspect.database.views import table as table_views
from dbctl.inspect.database.views import tables as tables_views
from dbctl.inspect.reading import reading
from dbctl.output import Output, chosen_output, emit
from dbctl.rendering import console
from dbctl.results import Result
from tests.conftest import MIGRATED
from tests.support.cli import invoke, run_dbctl
from tests.support.databases import TestServer, connected
from tests.support.looks import list_rows
from tests.support.pgbouncer import Pgbouncer

type Connection = asyncpg.Connection[Any]


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Connection]:
    """A connection to a database at the head, in no transaction."""
    async with connected(database_url) as connection:
        yield connection


async def execute(connection: Connection, *statements: str) -> None:
    for statement in statements:
        await connection.execute(statement)


async def scalar(connection: Connection, statement: str) -> Any:
    return await connection.fetchval(statement)


async def refused(work: Any) -> DbctlError:
    with pytest.raises(DbctlError) as caught:
        await work
    return caught.value


def shown[R: Result](result: R, view: Callable[[R], RenderableType], width: int = 80) -> str:
    with redirect_stdout(io.StringIO()) as out:
        wide = console()
        wide.width = width
        wide.print(view(result))
    return out.getvalue()


def printed(result: RowsResult, output: Output) -> str:
    before = chosen_output.set(output)
    try:
        with redirect_stdout(io.StringIO()) as out:
            emit(result, views.rows)
    finally:
        chosen_output.reset(before)
    return out.getvalue()


# --- values ---------------------------------------------------------------------------------

TYPES = (
    "CREATE TYPE mood AS ENUM ('sad', 'so so', 'NULL')",
    "CREATE TYPE pair AS (n int, t text)",
    "CREATE DOMAIN positive AS int CHECK (VALUE > 0)",
    "CREATE DOMAIN numbers AS int[]",
    "CREATE DOMAIN address AS inet",
)

UUID = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"

# Type, SQL literal, what JSON holds, and what --where finds it by.
VALUES: list[tuple[Any, ...]] = [
    ("smallint", "-32768", -32768, "-32768"),
    ("integer", "2147483647", 2147483647, "2147483647"),
    ("bigint", "9223372036854775807", 9223372036854775807, "9223372036854775807"),
    ("oid", "4294967295", 4294967295, "4294967295"),
    ("real", "0.1", 0.1, "0.1"),
    ("real", "'NaN'", "NaN", "NaN"),
    ("double precision", "0.1", 0.1, "0.1"),
    ("double precision", "1e300", 1e300, "1e300"),
    ("double precision", "'-Infinity'", "-Infinity", "-Infinity"),
    ("numeric", "1.50", "1.50", "1.5"),
    ("numeric(30,9)", "123456789012345678901.123456789", *["123456789012345678901.123456789"] * 2),
    ("numeric", "'NaN'", "NaN", "NaN"),
    ("money", "'1234.5'", "$1,234.50", "1234.50"),
    ("boolean", "true", True, "yes"),
    ("boolean", "false", False, "f"),
    ("text", "''", "", ""),
    ("text", "' NULL '", " NULL ", " NULL "),
    ("text", "E'tab\\tline\\nquote\"\\x1b'", 'tab\tline\nquote"\x1b', 'tab\tline\nquote"\x1b'),
    ("varchar(5)", "'abcde'", "abcde", "abcde"),
    ("char(5)", "'ab'", "ab   ", "ab"),
    ('"char"', "'x'", "x", "x"),
    ("name", "'x'", "x", "x"),
    ("uuid", f"'{UUID.upper()}'", UUID, UUID),
    ("date", "'2024-02-29'", "2024-02-29", "2024-02-29"),
    ("date", "'infinity'", "infinity", "infinity"),
    ("date", "'0044-03-15 BC'", "0044-03-15 BC", "0044-03-15 BC"),
    ("time", "'12:30:00.5'", "12:30:00.5", "12:30:00.5"),
    ("timetz", "'12:30:00+02'", "12:30:00+02:00", "12:30:00+02:00"),
    ("timetz", "'12:30:00-03:30'", "12:30:00-03:30", "12:30:00-03:30"),
    ("timestamp", "'2024-02-29 12:00:00.000001'", *["2024-02-29T12:00:00.000001"] * 2),
    ("timestamptz", "'2024-02-29 12:00:00+02'", *["2024-02-29T10:00:00+00:00"] * 2),
    ("timestamptz", "'-infinity'", "-infinity", "-infinity"),
    ("timestamptz", "'0044-03-15 12:00:00+00 BC'", *["0044-03-15T12:00:00+00:00 BC"] * 2),
    ("timestamptz", "'12024-01-01 00:00:00+00'", *["12024-01-01T00:00:00+00:00"] * 2),
    ("interval", "'1 year 2 days 03:04:05.6'", "P1Y2DT3H4M5.6S", "P1Y2DT3H4M5.6S"),
    ("interval", "'-1 month'", "P-1M", "-1 month"),
    ("bytea", "'\\x00ff5c'", "AP9c", "AP9c"),
    ("bytea", "'\\x00ff5c'", "AP9c", "\\x00ff5c"),
    ("bytea", "''", "", ""),
    ("json", """'{"b": [null]}'""", {"b": [None]}, '{"b": [null]}'),
    ("json", """'{"a": 1, "a": 2}'""", {"a": 2}, '{"a": 1, "a": 2}'),
    ("jsonb", "'9007199254740993'", 9007199254740993, "9007199254740993"),
    ("jsonb", "'[1.10, 1e400]'", [1.1, 10**400], "[1.1, 1e400]"),
    ("jsonb", "'\"text\"'", "text", '"text"'),
    ("jsonb", "'null'", None, "null "),
    ("bit(3)", "B'101'", "101", "101"),
    ("bit varying", "B'1011'", "1011", "1011"),
    ("int4range", "'[1,5)'", "[1,5)", "[1,4]"),
    ("int4multirange", "'{[1,2),[5,6)}'", "{[1,2),[5,6)}", "{[1,2),[5,6)}"),
    ("inet", "'10.0.0.1'", "10.0.0.1", "10.0.0.1"),
    ("inet", "'10.0.0.1/8'", "10.0.0.1/8", "10.0.0.1/8"),
    ("cidr", "'10.0.0.0/8'", "10.0.0.0/8", "10.0.0.0/8"),
    ("macaddr", "'08:00:2b:01:02:03'", "08:00:2b:01:02:03", "08002b:010203"),
    ("point", "'(1,2)'", "(1,2)", "(1,2)"),
    ("box", "'(2,2),(0,0)'", "(2,2),(0,0)", "(2,2),(0,0)"),
    ("tsvector", "'a b'", "'a' 'b'", "b a"),
    ("pg_lsn", "'16/B374D848'", "16/B374D848", "16/B374D848"),
    ("regclass", "'users'", "users", "public.users"),
    ("int2vector", "'1 2'", "1 2", "1 2"),
    ("integer[]", "'{{1,2},{3,NULL}}'", [[1, 2], [3, None]], "{{1,2},{3,NULL}}"),
    ("bytea[]", "'{}'", [], "{}"),
    ("integer[]", "'{}'", [], "{}"),
    ("text[]", """'{"b,c","",NULL}'""", ["b,c", "", None], '{"b,c","",NULL}'),
    ("text[]", """'{"NULL"}'""", ["NULL"], '{"NULL"}'),
    ("boolean[]", "'{t,f}'", [True, False], "{true,false}"),
    ("float8[]", "'{0.1,NaN}'", [0.1, "NaN"], "{0.1,NaN}"),
    ("numeric[]", "'{1.50}'", ["1.50"], "{1.5}"),
    ("timestamptz[]", "'{2024-01-01Z}'", ["2024-01-01T00:00:00+00:00"], "{2024-01-01Z}"),
    ("bytea[]", """'{"\\\\x00ff"}'""", ["AP8="], '{"\\\\x00ff"}'),
    ("jsonb[]", """array['{"a": 1.5}'::jsonb]""", [{"a": 1.5}], '{"{\\"a\\": 1.5}"}'),
    ("inet[]", "'{10.0.0.1}'", ["10.0.0.1"], "{10.0.0.1}"),
    ("char(3)[]", "'{a}'", ["a  "], "{a}"),
    ("mood", "'so so'", "so so", "so so"),
    ("mood[]", "'{sad,\"NULL\"}'", ["sad", "NULL"], '{sad,"NULL"}'),
    ("positive", "7", 7, "7"),
    ("positive[]", "'{7}'", [7], "{7}"),
    ("numbers", "'{1,2}'", [1, 2], "{1,2}"),
    ("numbers[]", "array['{1,2}'::numbers]", ["{1,2}"], '{"{1,2}"}'),
    ("address", "'10.0.0.1'", "10.0.0.1", "10.0.0.1"),
    ("pair", "row(1, 'a b')::pair", '(1,"a b")', '(1,"a b")'),
    ("pair", "row(NULL, NULL)::pair", "(,)", "(,)"),
    ("pair[]", "array[row(1, 'x')::pair]", ["(1,x)"], '{"(1,x)"}'),
]  # fmt: skip


@pytest.fixture(scope="module")
def typed_url(server: TestServer) -> Iterator[str]:
    """The URL of one database for every value, with types of its own."""
    with server.database(MIGRATED) as url:
        server.execute(*TYPES, database=dsn.parse(url, environ={}).database)
        yield url


@pytest.fixture
async def typed(typed_url: str) -> AsyncIterator[Connection]:
    """A connection to the database with types of its own, where `t` is free."""
    async with connected(typed_url) as connection:
        await execute(connection, "DROP TABLE IF EXISTS t")
        yield connection


@pytest.mark.parametrize(("type_", "literal", "expected", "text"), VALUES)
async def test_a_value_comes_back_as_it_is_and_is_found_by_its_text(
    typed: Connection, type_: str, literal: str, expected: object, text: str
) -> None:
    await execute(
        typed,
        f"CREATE TABLE t (id int PRIMARY KEY, v {type_})",
        f"INSERT INTO t VALUES (1, {literal}), (2, NULL)",
    )

    result = await list_rows(typed, "t")
    document = json.loads(result.model_dump_json())
    assert document["rows"] == [{"id": 1, "v": expected}, {"id": 2, "v": None}]
    assert type(document["rows"][0]["v"]) is type(expected)

    found = await list_rows(typed, "t", where=[f"v={text}"])
    assert [row["id"] for row in found.rows] == [1]
    absent = await list_rows(typed, "t", where=["v=null"])
    assert [row["id"] for row in absent.rows] == [2]


@pytest.mark.parametrize(
    "text",
    ['{"a": 1, "a":  2}', '"\\ud800"', "0.12345678901234567890", "1e400", "[" * 900 + "]" * 900],
)
async def test_json_is_to_the_byte_what_the_column_holds(connection: Connection, text: str) -> None:
    await connection.execute("CREATE TABLE t (v json)")
    await connection.execute("INSERT INTO t VALUES ($1)", text)
    result = await list_rows(connection, "t")
    assert f'{{"v":{text}}}' in result.model_dump_json()


async def test_the_format_of_values_does_not_depend_on_the_role_or_the_database(
    connection: Connection, database_url: str
) -> None:
    name = dsn.parse(database_url, environ={}).database
    await execute(
        connection,
        "CREATE TABLE t AS SELECT timestamptz '2024-01-01 00:00+00' AS at,"
        " interval '1 day' AS span, 0.1::real AS r, '\\xff'::bytea AS b",
        f"ALTER DATABASE {name} SET timezone = 'Asia/Kathmandu'",
        f"ALTER DATABASE {name} SET datestyle = 'German'",
        f"ALTER DATABASE {name} SET intervalstyle = 'sql_standard'",
        f"ALTER DATABASE {name} SET extra_float_digits = -15",
        f"ALTER DATABASE {name} SET bytea_output = 'escape'",
    )
    async with connected(database_url) as other:
        result = await list_rows(other, "t")
        assert await scalar(other, "SHOW timezone") == "Asia/Kathmandu"
    assert result.rows == (
        {"at": "2024-01-01T00:00:00+00:00", "span": "P1D", "r": 0.1, "b": "/w=="},
    )


async def test_null_the_empty_string_and_their_look_alikes_can_be_told_apart(
    connection: Connection,
) -> None:
    await execute(
        connection,
        "CREATE TABLE t (id int PRIMARY KEY, v text)",
        "INSERT INTO t VALUES (1, NULL), (2, ''), (3, ' '), (4, 'NULL'), (5, ''''''), (6, 'x')",
    )
    result = await list_rows(connection, "t")
    assert [row["v"] for row in result.rows] == [None, "", " ", "NULL", "''", "x"]
    body = shown(result, views.rows).partition("─ \n")[2].partition("6 rows")[0]
    cells = dict(line.split(maxsplit=1) for line in body.splitlines() if line.strip())
    cells = {key: value.strip() for key, value in cells.items()}
    assert cells == {"1": "NULL", "2": "''", "3": "' '", "4": "'NULL'", "5": "''''''", "6": "x"}


@settings(
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@example(text="NULL", width=80)
@example(text="''null''", width=80)
@given(
    text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    width=st.sampled_from([20, 80, 200]),
)
async def test_any_text_comes_back_unchanged_and_puts_no_control_byte_on_the_terminal(
    connection: Connection, text: str, width: int
) -> None:
    await execute(connection, "CREATE TABLE IF NOT EXISTS t (id int, body text)", "DELETE FROM t")
    await connection.execute("INSERT INTO t VALUES (1, $1)", text)

    result = await list_rows(connection, "t", where=[f"body={in_quotes(text)}"])

    assert json.loads(printed(result, Output.JSON))["rows"] == [{"id": 1, "body": text}]
    records = list(csv.reader(io.StringIO(printed(result, Output.CSV), newline="")))
    assert records == [["id", "body"], ["1", text]]
    rendered = shown(result, views.rows, width)
    assert "body" in rendered
    assert not [
        character
        for character in rendered
        if character != "\n" and (ord(character) < 32 or 0x7F <= ord(character) <= 0x9F)
    ]


# --- names ----------------------------------------------------------------------------------

WEIRD = (
    'CREATE SCHEMA "We""ird"',
    'CREATE TABLE "We""ird"."Na.me" ("a=b" int, "x,y" text, "z:desc" int,'
    ' "q""q" text, "%s :n" int)',
    """INSERT INTO "We""ird"."Na.me" VALUES (1, 'v', 2, 'one', 5), (2, 'w', 1, 'two', 6)""",
)


async def test_quoted_names_with_odd_characters_work_everywhere(
    connection: Connection,
) -> None:
    await execute(connection, *WEIRD)
    result = await list_rows(
        connection,
        '"We""ird"."Na.me"',
        columns=['"x,y","q""q"', "%s :n"],
        where=['"a=b"=2'],
        order=['"z:desc":desc'],
    )
    assert result.table == '"We""ird"."Na.me"'
    assert result.rows == ({"x,y": "w", 'q"q': "two", "%s :n": 6},)
    assert result.order == ('"z:desc":desc',)

    ordered = await list_rows(connection, '"Na.me"', order=['"z:desc"'])
    assert [row["z:desc"] for row in ordered.rows] == [1, 2]
    described = await describe_table(connection, '"Na.me"')
    assert (described.schema_name, described.name) == ('We"ird', "Na.me")


async def test_names_are_folded_as_in_sql_and_forgiven_where_only_one_is_meant(
    connection: Connection,
) -> None:
    await execute(
        connection,
        'CREATE TABLE "Mixed" ("userId" int, "Case" int, "case" int, "UP" int, "Up" int)',
        'CREATE TABLE "Twin" (upper int)',
        "CREATE TABLE twin (lower int)",
    )

    async def headers(name: str, *columns: str) -> list[str]:
        result = await list_rows(connection, name, columns=columns)
        return [header.name for header in result.headers]

    assert await headers("mixed", "USERID") == ["userId"]
    assert await headers("MIXED", "CASE") == ["case"]
    assert await headers("Mixed", '"Case"') == ["Case"]
    assert await headers("Twin") == ["lower"]
    assert await headers('"Twin"') == ["upper"]
    assert await headers("PUBLIC.TWIN") == ["lower"]
    error = await refused(list_rows(connection, "mixed", columns=["up"]))
    assert error.exit_code == ExitCode.USAGE
    assert '"UP" or "Up"' in error.message
    assert isinstance(await refused(list_rows(connection, '"mixed"')), UsageError)


async def test_a_name_is_looked_up_on_the_search_path_then_in_any_other_schema(
    connection: Connection,
) -> None:
    await execute(
        connection,
        "CREATE SCHEMA one",
        "CREATE SCHEMA two",
        "CREATE TABLE one.users (here int)",
        "CREATE TABLE one.lonely (here int)",
        "CREATE TABLE one.both (here int)",
        "CREATE TABLE two.both (there int)",
    )
    assert (await list_rows(connection, "users")).table == "public.users"
    assert (await list_rows(connection, "one.users")).table == "one.users"
    assert (await list_rows(connection, "lonely")).table == "one.lonely"
    error = await refused(list_rows(connection, "both"))
    assert error.exit_code == ExitCode.USAGE
    assert "one.both or two.both" in error.message

    await execute(connection, "SET search_path = two, one")
    assert (await list_rows(connection, "both")).table == "two.both"


async def test_system_catalogues_need_their_schema(connection: Connection) -> None:
    result = await list_rows(connection, "pg_catalog.pg_class", where=["relname=users"])
    assert [row["relname"] for row in result.rows] == ["users"]
    assert (await describe_table(connection, "pg_catalog.pg_class")).kind == "table"
    assert (await refused(list_rows(connection, "pg_class"))).code == ErrorCode.NOT_FOUND


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("taks", "Did you mean tasks?"),
        ("usrs", "Did you mean users?"),
        ("pubic.users", "Did you mean public.users?"),
        ("zzz", "`dbctl inspect tables` lists what there is."),
        ('"Tasks"', "Did you mean tasks?"),
    ],
)
async def test_an_unknown_table_is_a_usage_error_with_the_nearest_names(
    connection: Connection, name: str, hint: str
) -> None:
    for work in (list_rows(connection, name), describe_table(connection, name)):
        error = await refused(work)
        assert (error.exit_code, error.code) == (ExitCode.USAGE, ErrorCode.NOT_FOUND)
        assert error.hint == hint


@pytest.mark.parametrize("option", ["columns", "where", "order"])
async def test_an_unknown_column_is_a_usage_error_with_the_nearest_names(
    connection: Connection, option: str
) -> None:
    given = "statsu=done" if option == "where" else "statsu"
    error = await refused(list_rows(connection, "tasks", **{option: [given]}))  # type: ignore[arg-type]
    assert (error.exit_code, error.code) == (ExitCode.USAGE, ErrorCode.NOT_FOUND)
    assert error.message == "public.tasks has no column statsu"
    assert error.hint == "Did you mean status?"


INJECTION = "users; DROP TABLE users; --"


@pytest.mark.parametrize("text", [INJECTION, '"' + INJECTION + '"', "id'--", '"id"" , 1"', "$1"])
async def test_an_injection_is_only_a_name_that_is_not_there(
    connection: Connection, text: str
) -> None:
    for work in (
        list_rows(connection, text),
        describe_table(connection, text),
        find_row(connection, text, ["1"]),
        list_rows(connection, "users", columns=[text]),
        list_rows(connection, "users", where=[f"{text}=1"]),
        list_rows(connection, "users", order=[f"{text}:desc"]),
    ):
        assert (await refused(work)).exit_code == ExitCode.USAGE
    result = await list_rows(connection, "users", where=[f"name={text}"])
    assert result.rows == ()
    assert await scalar(connection, "SELECT count(*) FROM users") == 0


# --- rows -----------------------------------------------------------------------------------


@pytest.fixture
async def numbers(connection: Connection) -> Connection:
    """A connection to a database with a table of a composite key, views of it and its kin."""
    await execute(
        connection,
        "CREATE TABLE t (a int, b text, c int, PRIMARY KEY (b, a)) PARTITION BY LIST (a)",
        "CREATE TABLE t_rest PARTITION OF t DEFAULT",
        "INSERT INTO t SELECT i, 'b' || i % 3, i % 2 FROM generate_series(1, 30) i",
        "CREATE VIEW v AS SELECT a, b FROM t",
        "CREATE MATERIALIZED VIEW m AS SELECT a, b FROM t",
        "CREATE TABLE keyless (n int)",
        "CREATE TABLE bare ()",
        "INSERT INTO bare DEFAULT VALUES",
    )
    return connection


async def test_pages_by_primary_key_neither_overlap_nor_miss_a_row(
    numbers: Connection,
) -> None:
    pages = [await list_rows(numbers, "t", limit=7, offset=at) for at in range(0, 30, 7)]
    assert [page.more for page in pages] == [True, True, True, True, False]
    assert [len(page.rows) for page in pages] == [7, 7, 7, 7, 2]
    keys = [(row["b"], row["a"]) for page in pages for row in page.rows]
    assert keys == sorted(keys)
    assert len(set(keys)) == 30
    assert pages[0].order == ("b", "a")


async def test_order_is_settled_by_the_key_and_goes_both_ways(numbers: Connection) -> None:
    result = await list_rows(numbers, "t", order=["c:desc", "a:DESC"], limit=3)
    assert [(row["c"], row["a"]) for row in result.rows] == [(1, 29), (1, 27), (1, 25)]
    assert result.order == ("c:desc", "a:desc", "b")
    ascending = await list_rows(numbers, "t", order=["c,a:asc"], limit=2)
    assert [row["a"] for row in ascending.rows] == [2, 4]


async def test_order_is_that_of_the_type_and_not_of_its_text(connection: Connection) -> None:
    await execute(
        connection,
        "CREATE TABLE t (n numeric, at timestamptz, mood task_priority)",
        "INSERT INTO t VALUES (9, '9999-01-01', 'urgent'), (10, '10000-01-01', 'low')",
    )
    for column in ("n", "at"):
        result = await list_rows(connection, "t", order=[column])
        assert [row["n"] for row in result.rows] == ["9", "10"]
    by_mood = await list_rows(connection, "t", order=["mood"])
    assert [row["mood"] for row in by_mood.rows] == ["low", "urgent"]


async def test_the_limit_says_exactly_whether_more_rows_exist(numbers: Connection) -> None:
    assert (await list_rows(numbers, "t", limit=30)).more is False
    assert (await list_rows(numbers, "t", limit=29)).more is True
    nothing = await list_rows(numbers, "t", limit=0)
    assert (nothing.rows, nothing.more) == ((), True)
    assert len((await list_rows(numbers, "t")).rows) == 20
    assert len((await list_rows(numbers, "t", limit=10**30)).rows) == 30


async def test_conditions_must_all_hold(numbers: Connection) -> None:
    result = await list_rows(numbers, "t", where=["b=b1", "c=0", "a=4"])
    assert result.rows == ({"a": 4, "b": "b1", "c": 0},)
    assert (await list_rows(numbers, "t", where=["b=b1", "b=b2"])).rows == ()


async def test_columns_come_in_the_order_asked_for_and_once(numbers: Connection) -> None:
    result = await list_rows(numbers, "t", columns=["c,b", "c"], limit=1)
    assert list(result.rows[0]) == ["c", "b"]


@pytest.mark.parametrize("name", ["v", "m", "t_rest"])
async def test_views_and_partitions_can_be_read_like_tables(numbers: Connection, name: str) -> None:
    result = await list_rows(numbers, name, columns=["a"], where=["a=7"])
    assert result.rows == ({"a": 7},)


async def test_a_table_without_columns_has_empty_rows(numbers: Connection) -> None:
    result = await list_rows(numbers, "bare")
    assert result.rows == ({},)
    assert "1 row" in shown(result, views.rows)


@pytest.mark.parametrize("where", ["n=77", "word=77", "at=2024-01-01T00:01:17Z", "n=null"])
async def test_a_condition_uses_the_index_of_its_column(connection: Connection, where: str) -> None:
    await execute(
        connection,
        "CREATE TABLE t (n int, word varchar(9), at timestamptz)",
        "INSERT INTO t SELECT i, i, timestamptz '2024-01-01Z' + i * interval '1 s'"
        " FROM generate_series(1, 5000) i",
        "CREATE INDEX ON t (n)",
        "CREATE INDEX ON t (word)",
        "CREATE INDEX ON t (at)",
        "ANALYZE t",
    )
    before = await scans(connection)
    result = await list_rows(connection, "t", where=[where])
    assert [row["n"] for row in result.rows] == ([] if where == "n=null" else [77])
    assert await scans(connection) == before


async def scans(connection: Connection) -> int:
    await scalar(connection, "SELECT pg_stat_force_next_flush() IS NULL")
    value = await scalar(connection, "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 't'")
    assert isinstance(value, int)
    return value


@pytest.mark.parametrize(
    ("type_", "value", "says"),
    [
        ("integer", "abc", "invalid input syntax for type integer"),
        ("integer", "99999999999", "out of range"),
        ("uuid", "1", "invalid input syntax for type uuid"),
        ("timestamptz", "yesterdayish", "invalid input syntax for type timestamp with time zone"),
        ("date", "2024-02-30", "out of range"),
        ("boolean", "maybe", "invalid input syntax for type boolean"),
        ("integer[]", "{1", "malformed array literal"),
        ("mood", "happy", "It takes sad, so so or NULL."),
        ("jsonb", "{", "invalid input syntax for type json"),
        ("bytea", "!!", "base64"),
        ("regclass", "nowhere", "does not exist"),
        ("inet", "x", "invalid input syntax for type inet"),
    ],
)
async def test_a_value_that_the_type_does_not_take_names_column_value_and_type(
    typed: Connection, type_: str, value: str, says: str
) -> None:
    await execute(typed, f"CREATE TABLE t (id int, v {type_})")
    error = await refused(list_rows(typed, "t", where=["id=1", f"v={value}"]))
    assert error.exit_code == ExitCode.USAGE
    named = "timestamp with time zone" if type_ == "timestamptz" else type_
    assert error.message == f"v is of type {named} and does not take {value!r}"
    assert says in (error.hint or "")


@pytest.mark.parametrize(
    ("column", "text"), [("varchar(3)", "abcdef"), ("bit(2)", "1011"), ('"char"', "abc")]
)
async def test_a_value_longer_than_the_column_is_not_cut_to_find_another(
    connection: Connection, column: str, text: str
) -> None:
    await execute(
        connection,
        f"CREATE TABLE t (v {column})",
        f"INSERT INTO t VALUES (('{text}')::text::{column})",
    )
    assert len((await list_rows(connection, "t")).rows) == 1
    assert (await list_rows(connection, "t", where=[f"v={text}"])).rows == ()


async def test_sorting_by_a_type_without_an_order_is_a_usage_error(
    connection: Connection,
) -> None:
    await execute(connection, "CREATE TABLE t (id int PRIMARY KEY, v json)")
    error = await refused(list_rows(connection, "t", order=["v"]))
    assert error.exit_code == ExitCode.USAGE
    assert "sorted by v (json):" in error.message


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("text[]", ["a", 'b "c"', "d\\e", "{f,g}", "NULL", "", None]),
        ("text[]", []),
        ("int[]", [[1, 2], [3, None]]),
        ("bool[]", [True, False]),
        ("jsonb[]", [{"a": ["x"]}]),
    ],
)
async def test_an_array_is_found_by_the_text_it_is_shown_as(
    connection: Connection, type_: str, value: list[object]
) -> None:
    await execute(connection, f"CREATE TABLE t (v {type_})")
    await connection.execute("INSERT INTO t VALUES (NULL)")
    literal = array_literal(json.dumps(value))
    await connection.execute(f"INSERT INTO t VALUES (CAST(CAST($1 AS text) AS {type_}))", literal)
    (row,) = (await list_rows(connection, "t", where=[f"v={json.dumps(value)}"])).rows
    assert row["v"] == value


# --- row ------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [["b1", "4"], ["b1,4"], ['"b1",4']])
async def test_a_row_is_found_by_a_composite_key_in_either_form(
    numbers: Connection, key: list[str]
) -> None:
    assert (await find_row(numbers, "t", key)).row == {"a": 4, "b": "b1", "c": 0}


async def test_a_single_key_may_hold_a_comma_or_be_the_word_null(
    connection: Connection,
) -> None:
    await execute(
        connection,
        "CREATE TABLE t (k text PRIMARY KEY)",
        "INSERT INTO t VALUES ('a,b'), ('null')",
    )
    assert (await find_row(connection, "t", ["a,b"])).row == {"k": "a,b"}
    assert (await find_row(connection, "t", ["null"])).row == {"k": "null"}


async def test_a_row_that_is_not_there_is_a_finding(numbers: Connection) -> None:
    error = await refused(find_row(numbers, "t", ["b1", "5"]))
    assert isinstance(error, FindingError)
    assert (error.exit_code, error.code) == (ExitCode.FINDING, ErrorCode.NOT_FOUND)
    assert error.message == "there is no row in public.t with b = b1 and a = 5"


@pytest.mark.parametrize(
    ("name", "key", "says"),
    [
        ("t", ["b1"], "2 values, not 1"),
        ("t", ["b1", "4", "5"], "2 values, not 3"),
        ("t", ["b1", "x"], "a is of type integer and does not take 'x'"),
        ("t", ['"b1,4'], "not a list of key values"),
        ("keyless", ["1"], "has no primary key"),
        ("v", ["1"], "has no primary key"),
    ],
)
async def test_a_key_that_does_not_fit_is_a_usage_error(
    numbers: Connection, name: str, key: list[str], says: str
) -> None:
    error = await refused(find_row(numbers, name, key))
    assert error.exit_code == ExitCode.USAGE
    assert says in error.message
    assert error.hint


# --- tables ---------------------------------------------------------------------------------


async def test_every_kind_of_relation_is_listed_with_what_is_known_of_it(
    numbers: Connection,
) -> None:
    await execute(
        numbers,
        "CREATE SCHEMA aside",
        "CREATE TABLE aside.x (id int)",
        "COMMENT ON TABLE aside.x IS 'A note'",
        "ANALYZE t",
    )
    result = await list_tables(numbers, partitions=True)
    found = {f"{one.schema_name}.{one.name}": one for one in result.tables}
    assert list(found) == sorted(found)
    assert {name: one.kind for name, one in found.items() if not name.endswith("s")} == {
        "aside.x": "table",
        "public.alembic_version": "table",
        "public.bare": "table",
        "dbctl.dbctl_ledger": "table",
        "public.m": "materialized view",
        "public.t": "partitioned table",
        "public.t_rest": "partition",
        "public.v": "view",
    }
    assert (found["aside.x"].estimated_rows, found["aside.x"].comment) == (None, "A note")
    assert (found["public.v"].estimated_rows, found["public.v"].total_bytes) == (None, None)
    assert found["public.t"].estimated_rows == found["public.t_rest"].estimated_rows == 30
    assert found["public.t"].total_bytes == found["public.t_rest"].total_bytes
    size = await scalar(numbers, "SELECT pg_total_relation_size('t_rest')")
    assert found["public.t_rest"].total_bytes == size


async def test_the_schema_is_shown_only_if_there_are_several(connection: Connection) -> None:
    await execute(connection, "DROP SCHEMA dbctl CASCADE")
    assert "schema" not in shown(await list_tables(connection), tables_views.tables)
    await execute(connection, "CREATE SCHEMA s", "CREATE TABLE s.x ()")
    assert "schema" in shown(await list_tables(connection), tables_views.tables)


async def test_tables_does_not_wait_for_one_that_is_locked(
    connection: Connection, database: DatabaseSessionManager
) -> None:
    async with database.engine.connect() as other:
        await other.exec_driver_sql("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE")
        async with asyncio.timeout(2):
            result = await list_tables(connection)
        await other.rollback()
    sizes = {table.name: table.total_bytes for table in result.tables}
    assert sizes["tasks"] is None
    assert sizes["users"] is not None


async def test_an_empty_database_has_a_csv_header_and_a_sentence(empty_url: str) -> None:
    async with connected(empty_url) as connection:
        result = await list_tables(connection)
    assert result.tables == ()
    assert shown(result, tables_views.tables).startswith("no tables in test_")
    done = await asyncio.to_thread(
        run_dbctl, "inspect", "tables", "--format", "csv", env={"DATABASE_URL": empty_url}
    )
    assert done.stdout.startswith("schema,name,kind,parent,level,estimated_rows,")
    assert done.stdout.count("\n") == 1


# --- table ----------------------------------------------------------------------------------


async def test_a_table_is_described_in_full(connection: Connection) -> None:
    await execute(
        connection,
        "CREATE TABLE owner (a int, b int, PRIMARY KEY (b, a))",
        "CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
        " price numeric(10,2) NOT NULL DEFAULT 1.5 CONSTRAINT positive CHECK (price > 0),"
        " twice numeric GENERATED ALWAYS AS (price * 2) STORED, oa int, ob int, parent bigint,"
        " UNIQUE (price),"
        " CONSTRAINT own FOREIGN KEY (ob, oa) REFERENCES owner (b, a) ON DELETE CASCADE,"
        " CONSTRAINT up FOREIGN KEY (parent) REFERENCES t ON UPDATE SET NULL)",
        "COMMENT ON COLUMN t.price IS 'In euros'",
        "CREATE TABLE child (t_id bigint CONSTRAINT down REFERENCES t)",
        "ALTER TABLE t ADD CONSTRAINT late CHECK (oa > 0) NOT VALID",
        "INSERT INTO t (price) VALUES (1), (2)",
        "CREATE INDEX partial ON t (oa) WHERE ob > 1",
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'partial'::regclass",
    )
    result = await describe_table(connection, "t")
    columns = {column.name: column for column in result.table_columns}
    assert list(columns) == ["id", "price", "twice", "oa", "ob", "parent"]
    assert (columns["id"].type, columns["id"].identity, columns["id"].key) == (
        "bigint",
        "always",
        1,
    )
    assert (columns["price"].type, columns["price"].nullable) == ("numeric(10,2)", False)
    assert (columns["price"].default, columns["price"].comment) == ("1.5", "In euros")
    assert (columns["twice"].generated, columns["oa"].nullable) == ("stored", True)

    indexes = {index.name: index for index in result.indexes}
    assert {name: (i.unique, i.valid) for name, i in indexes.items()} == {
        "t_pkey": (True, True),
        "t_price_key": (True, True),
        "partial": (False, False),
    }
    assert "WHERE (ob > 1)" in indexes["partial"].definition
    assert all(index.bytes for index in result.indexes)

    assert {(one.name, one.kind, one.valid) for one in result.constraints} == {
        ("t_pkey", "primary key", True),
        ("t_price_key", "unique", True),
        ("positive", "check", True),
        ("late", "check", False),
    }
    own, up = result.foreign_keys
    assert (own.columns, own.references) == (("ob", "oa"), "public.owner")
    assert (own.referenced_columns, own.on_delete) == (("b", "a"), "cascade")
    assert (up.references, up.on_update) == ("public.t", "set null")
    assert [(key.name, key.table) for key in result.referenced_by] == [
        ("down", "public.child"),
        ("up", "public.t"),
    ]
    assert result.table_bytes is not None
    assert result.index_bytes is not None
    assert result.total_bytes == result.table_bytes + result.index_bytes > 0

    text = shown(result, table_views.table)
    for part in ("In euros", "not valid", "WHERE (ob > 1)", "identity always", "Referenced by"):
        assert part in text
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 80


@pytest.mark.parametrize("name", ["v", "m", "bare", "t"])
async def test_every_kind_of_relation_can_be_described(numbers: Connection, name: str) -> None:
    result = await describe_table(numbers, name)
    assert result.name == name
    assert f"public.{name}" in shown(result, table_views.table)


# --- reading --------------------------------------------------------------------------------


async def test_a_function_that_writes_is_refused_by_the_server(
    connection: Connection,
) -> None:
    await execute(
        connection,
        "CREATE TABLE trace (n int)",
        "CREATE FUNCTION sneak() RETURNS int LANGUAGE sql VOLATILE"
        " AS 'INSERT INTO trace VALUES (1) RETURNING n'",
        "CREATE VIEW trap AS SELECT sneak() AS n",
    )
    with pytest.raises(asyncpg.PostgresError) as caught:
        async with reading(connection), session_path(connection):
            await connection.fetch("SELECT * FROM trap")
    assert caught.value.sqlstate == "25006"
    assert await scalar(connection, "SELECT count(*) FROM trace") == 0


async def test_a_reading_transaction_cannot_be_made_to_write(connection: Connection) -> None:
    for statement in ("SET TRANSACTION READ WRITE", "SET LOCAL transaction_read_only = off"):
        with pytest.raises(asyncpg.PostgresError) as caught:
            async with reading(connection):
                await connection.execute(statement)
        assert caught.value.sqlstate == "25001"


async def test_a_read_that_takes_too_long_is_cancelled_by_the_server(
    connection: Connection,
) -> None:
    await execute(connection, "CREATE VIEW slow AS SELECT pg_sleep(30)::text AS s")
    with pytest.raises(asyncpg.PostgresError) as caught:
        async with asyncio.timeout(5):
            await list_rows(connection, "slow", statement_timeout=0.1)
    assert caught.value.sqlstate == "57014"


async def test_a_read_does_not_wait_long_for_a_lock(
    connection: Connection, database: DatabaseSessionManager
) -> None:
    async with database.engine.connect() as other:
        await other.exec_driver_sql("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(asyncpg.PostgresError) as caught:
            async with asyncio.timeout(10):
                await list_rows(connection, "tasks", statement_timeout=20)
        await other.rollback()
    assert caught.value.sqlstate == "55P03"


async def test_reading_leaves_no_setting_and_no_transaction_behind(
    connection: Connection,
) -> None:
    names = ("transaction_read_only", "statement_timeout", "lock_timeout", "timezone")
    before = [await scalar(connection, f"SHOW {name}") for name in names]
    async with reading(connection):
        inside = [await scalar(connection, f"SHOW {name}") for name in names]
    assert not connection.is_in_transaction()
    assert inside == ["on", "30s", "3s", "UTC"]
    assert [await scalar(connection, f"SHOW {name}") for name in names] == before


async def test_what_is_read_is_rolled_back_after_an_error_too(connection: Connection) -> None:
    with pytest.raises(KeyError):
        async with reading(connection):
            raise KeyError
    assert not connection.is_in_transaction()
    await execute(connection, "CREATE TABLE still_writable ()")


async def test_reads_work_through_a_transaction_pooler_and_leave_nothing_there(
    database_url: str, pgbouncer: Pgbouncer
) -> None:
    url = pgbouncer.url_of(dsn.parse(database_url, environ={}).database or "")
    async with connected(url) as one, connected(url) as two:
        for _ in range(3):
            for connection in (one, two):
                result = await list_rows(connection, "users", where=["name=x"])
                assert result.rows == ()
                assert (await describe_table(connection, "tasks")).foreign_keys
        for connection in (one, two):
            assert await scalar(connection, "SHOW transaction_read_only") == "off"
            assert await scalar(connection, "SHOW statement_timeout") == "0"
    manager = DatabaseSessionManager(dsn.parse(url, environ={}))
    try:
        assert (await show_pool(manager)).server.pooled
    finally:
        await manager.close()


# --- pool -----------------------------------------------------------------------------------


async def test_pool_counts_its_own_connection_and_names_the_server(
    database: DatabaseSessionManager, database_url: str
) -> None:
    result = await show_pool(database)
    assert (result.pool.size, result.pool.checked_out, result.pool.overflow) == (5, 1, 0)
    async with connected(database_url) as connection:
        assert result.server.database == await scalar(connection, "SELECT current_database()")
        maximum = await scalar(connection, "SELECT current_setting('max_connections')::int")
    assert result.connections.maximum == maximum
    assert result.connections.reserved >= 3
    assert "in use" in shown(result, pool_views.pool)
    (record,) = result.records()
    assert record["pool_checked_out"] == 1


async def test_pool_counts_the_clients_alone_also_where_a_role_cannot_see_what_others_are(
    database_url: str, server: TestServer
) -> None:
    await asyncio.to_thread(server.execute, "CREATE ROLE clerk LOGIN")
    clerk = DatabaseSessionManager(dsn.parse(database_url.replace("postgres@", "clerk@")))
    clients = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
    try:
        async with connected(database_url) as connection:
            # Sessions of the tests before this one may be going at this very moment.
            pairs = [
                ((await show_pool(clerk)).connections.used, await scalar(connection, clients))
                for _ in range(50)
            ]
    finally:
        await clerk.close()
        await asyncio.to_thread(server.execute, "DROP ROLE clerk")
    assert any(used == counted for used, counted in pairs), pairs


# --- the command line -----------------------------------------------------------------------


def test_the_commands_print_one_document_and_exit_as_documented(
    database_url: str, server: TestServer
) -> None:
    name = dsn.parse(database_url, environ={}).database
    server.execute(
        "CREATE TABLE t (id int PRIMARY KEY, v text)",
        "INSERT INTO t VALUES (1, 'one'), (2, NULL)",
        database=name,
    )
    env = {"DATABASE_URL": database_url}

    rows = invoke("inspect", "rows", "t", "--where", "id=2", "--json", env=env)
    assert (rows.exit_code, rows.stderr) == (0, "")
    assert rows.json["rows"] == [{"id": 2, "v": None}]
    assert rows.json["columns"][0] == {
        "name": "id",
        "type": "integer",
        "primary_key": True,
        "masked": False,
    }

    as_csv = invoke("inspect", "rows", "t", "--format", "csv", "--order", "id:desc", env=env)
    assert as_csv.stdout == "id,v\n2,\n1,one\n"

    row = invoke("inspect", "row", "t", "1", "--json", env=env)
    assert row.json["row"] == {"id": 1, "v": "one"}

    table = invoke("inspect", "table", "t", "--json", env=env)
    assert [column["name"] for column in table.json["columns"]] == ["id", "v"]
    assert table.json["schema"] == "public"

    missing = invoke("inspect", "row", "t", "--json", "--", "-3", env=env)
    assert (missing.exit_code, missing.json["error"]["code"]) == (1, "not_found")

    unknown = invoke("inspect", "rows", "tt", "--json", env=env)
    assert (unknown.exit_code, unknown.json["error"]["code"]) == (2, "not_found")

    pool = invoke("inspect", "pool", "--json", env=env)
    assert pool.json["server"]["database"] == name
    assert invoke("inspect", "tables", env=env).exit_code == 0
