"""Rows leave in every format as they are: in memory that does not grow, whole or not at all."""

import asyncio
import csv
import io
import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dbctl.db import dsn
from dbctl.db.catalog import columns_of, resolve
from dbctl.errors import OperationFailed
from dbctl.inspect.data.formats.streaming import form_of
from dbctl.inspect.data.formats.transport import End, transport
from dbctl.inspect.data.results import Header, RowsResult
from dbctl.inspect.data.source import Answer, Field, Source
from dbctl.inspect.reading import STATEMENT_TIMEOUT, reading
from dbctl.output import Output
from tests.conftest import MIGRATED
from tests.support.cli import environment, invoke, run_dbctl
from tests.support.databases import TestServer, connected, execute, wait_for
from tests.support.proxy import FaultProxy, Mode
from tests.support.terminal import Terminal

type Connection = asyncpg.Connection[Any]


@pytest.fixture(scope="module")
def formats_url(server: TestServer) -> Iterator[str]:
    """The URL of one database for every value, with types of its own."""
    with server.database(MIGRATED) as url:
        server.execute(
            "CREATE TYPE mood AS ENUM ('sad', '=so so', 'NULL')",
            "CREATE TYPE pair AS (n int, t text)",
            "CREATE DOMAIN positive AS int CHECK (VALUE > 0)",
            database=dsn.parse(url, environ={}).database,
        )
        yield url


@pytest.fixture
async def connection(formats_url: str) -> AsyncIterator[Connection]:
    """A connection to that database, where `t` is free."""
    async with connected(formats_url) as connection:
        await connection.execute("DROP TABLE IF EXISTS t")
        yield connection


@dataclass(frozen=True)
class Written:
    """What came of an answer."""

    data: bytes
    end: End

    @property
    def text(self) -> str:
        return self.data.decode()


async def written(
    connection: Connection,
    output: Output,
    *,
    limit: int | None = None,
    bound: bool = False,
    tail: str = "",
    masked: bool = False,
    safe: bool = False,
    patience: float = STATEMENT_TIMEOUT,
    pause: float = 0,
) -> Written:
    """Write the rows of `t`; where parameters are `bound`, COPY cannot run.

    The server may take `patience` seconds for the next rows; who takes them makes one `pause`.
    """
    relation = await resolve(connection, "t")
    known = await columns_of(connection, relation)
    fields = tuple(Field.of(column, reason="its name" if masked else None) for column in known)
    blank = RowsResult(
        table=relation.label,
        headers=tuple(Header(name=field.name, type=field.type) for field in fields),
        limit=limit,
    )
    where = " WHERE $1::int = 1" if bound else ""
    source = Source(fields, f"FROM {relation.sql}{where}{tail}", (1,) if bound else ())
    answer = Answer(source, blank, limit)
    form = form_of(output, answer, csv_safe=safe)
    parts = [form.head()]

    async def take(lines: bytes) -> None:
        if len(parts) == 1:
            await asyncio.sleep(pause)
        parts.append(form.rows(lines))

    async with reading(connection, patience):
        end = await transport(connection, answer, form.encoding, take, statement_timeout=patience)
    parts.append(form.tail(end))
    return Written(b"".join(parts), end)


# --- values ---------------------------------------------------------------------------------

VALUES = [
    ("smallint", "'-32768'"),
    ("real", "0.1"),
    ("double precision", "'-Infinity'"),
    ("numeric", "'NaN'"),
    ("numeric(30,9)", "123456789012345678901.123456789"),
    ("money", "'-1234.5'"),
    ("boolean", "true"),
    ("text", "''"),
    ("text", "' '"),
    ("text", r"'\.'"),
    ("text", r"E'a\\b\tc\nd\re,\"f\"'"),
    ("char(5)", "'ab'"),
    ('"char"', "'x'"),
    ("date", "'0044-03-15 BC'"),
    ("timestamp", "'infinity'"),
    ("timestamptz", "'12024-02-29 12:00:00.5+02'"),
    ("timetz", "'12:30:00+02'"),
    ("interval", "'1 year 2 days 03:04:05.6'"),
    ("json", """E'{"b":\\n [null]}'"""),
    ("jsonb", """'{"b": "\\""}'"""),
    ("bit varying", "B'1011'"),
    ("int4range", "'[1,5)'"),
    ("inet", "'10.0.0.1'"),
    ("point", "'(1,2)'"),
    ("integer[]", "'{{1,2},{3,NULL}}'"),
    ("text[]", """'{"b,c","","NULL",NULL}'"""),
    ("bytea[]", """'{"\\\\x00ff"}'"""),
    ("mood", "'=so so'"),
    ("positive", "7"),
    ("pair", "row(1, 'a b')::pair"),
    ("pair", "row(NULL, NULL)::pair"),
]


@pytest.mark.parametrize(("type_", "literal"), VALUES)
async def test_csv_is_what_copy_writes_even_where_copy_cannot_run(
    connection: Connection, type_: str, literal: str
) -> None:
    for beside in ("", "1 AS id, "):  # COPY quotes some texts only where they stand alone
        await connection.execute(
            f"DROP TABLE IF EXISTS t; CREATE TABLE t AS SELECT {beside}{literal}::{type_} AS v"
            f" UNION ALL SELECT {beside}NULL::{type_}"
        )
        copied = io.BytesIO()
        async with reading(connection):
            await connection.copy_from_table(
                "t", schema_name="public", output=copied, format="csv", header=True
            )
        assert (await written(connection, Output.CSV)).data == copied.getvalue()
        assert (await written(connection, Output.CSV, bound=True)).data == copied.getvalue()
        assert (await written(connection, Output.CSV, limit=2)).data == copied.getvalue()


async def test_bytes_are_base64_on_one_line_in_every_format(connection: Connection) -> None:
    await connection.execute("CREATE TABLE t AS SELECT decode(repeat('00ff5c', 100), 'hex') AS v")
    encoded = "AP9c" * 100
    assert (await written(connection, Output.CSV)).text == f"v\n{encoded}\n"
    assert (await written(connection, Output.CSV, bound=True)).text == f"v\n{encoded}\n"
    assert json.loads((await written(connection, Output.NDJSON)).text) == {"v": encoded}
    (row,) = parquet(await written(connection, Output.PARQUET)).to_pylist()
    assert row == {"v": b"\x00\xff\\" * 100}


@pytest.mark.parametrize("bound", [False, True], ids=["copied", "fetched"])
async def test_json_is_verbatim_in_a_document_and_one_line_in_ndjson(
    connection: Connection, bound: bool
) -> None:
    verbatim = '{"a": 1.50,\r\n "a":\t[1e400, "\\ud800\\n"]}'
    await connection.execute("CREATE TABLE t (id int, v json)")
    await connection.execute("INSERT INTO t VALUES (1, $1), (2, '1'), (3, NULL)", verbatim)
    document = await written(connection, Output.JSON, bound=bound)
    assert f'{{"id":1,"v":{verbatim}}},\n' in document.text
    assert [row["id"] for row in json.loads(document.text)["rows"]] == [1, 2, 3]
    lines = (await written(connection, Output.NDJSON, bound=bound)).text.splitlines()
    assert lines == [
        '{"id":1,"v":{"a": 1.50,   "a":\t[1e400, "\\ud800\\n"]}}',
        '{"id":2,"v":1}',
        '{"id":3,"v":null}',
    ]
    for output in (Output.MARKDOWN, Output.VERTICAL):  # where a line break is made visible
        assert "1.50" in (await written(connection, output, bound=bound)).text


@pytest.mark.parametrize("output", [Output.JSON, Output.NDJSON, Output.CSV])
async def test_both_ways_to_read_write_the_same_bytes(
    connection: Connection, output: Output
) -> None:
    await connection.execute(
        "CREATE TABLE t AS SELECT i AS id, repeat('x', i % 700) AS text, i / 3.0 AS third,"
        " ARRAY[i, NULL] AS several, now() AS at FROM generate_series(1, 3000) i"
    )
    whole = await written(connection, output, tail=" ORDER BY id")
    assert await written(connection, output, bound=True, tail=" ORDER BY id") == whole
    assert whole.end == End(3000)
    assert (await written(connection, output, limit=3000, tail=" ORDER BY id")).end == End(3000)


async def test_a_document_has_the_keys_of_the_result_and_is_read_row_by_row(
    connection: Connection,
) -> None:
    await connection.execute("CREATE TABLE t AS SELECT i AS id FROM generate_series(1, 5) i")
    found = await written(connection, Output.JSON, limit=3, tail=" ORDER BY id")
    document = json.loads(found.text)
    assert document.keys() == RowsResult(table="t", headers=(), limit=1).model_dump().keys() - {
        "headers"
    } | {"columns"}
    assert (document["rows"], document["count"]) == ([{"id": 1}, {"id": 2}, {"id": 3}], 3)
    assert (document["more"], document["limit"]) == (True, 3)
    assert found.text.count("\n    {") == 4  # the column, and a line for each row
    await connection.execute("DELETE FROM t")
    empty = json.loads((await written(connection, Output.JSON)).text)
    assert (empty["rows"], empty["count"], empty["more"]) == ([], 0, False)


async def test_a_row_that_is_hidden_is_not_read(connection: Connection) -> None:
    await connection.execute(
        "CREATE TABLE t (n int, s pair, a int[], b bytea)",
    )
    await connection.execute(
        "INSERT INTO t VALUES (1, (NULL, NULL), '{1}', 'x'), (NULL, NULL, NULL, NULL)"
    )
    for output in (Output.CSV, Output.NDJSON):
        lines = (await written(connection, output, masked=True)).text.splitlines()
        assert re.findall(r"\*+", lines[-2]) == ["***"] * 4
        assert "*" not in lines[-1]
    rows = parquet(await written(connection, Output.PARQUET, masked=True)).to_pylist()
    assert rows == [dict.fromkeys("nsab", "***"), dict.fromkeys("nsab")]


async def test_csv_safe_puts_an_apostrophe_before_what_looks_like_a_formula(
    connection: Connection,
) -> None:
    await connection.execute(
        'CREATE TABLE t ("=sum" text, n int, at timestamptz, mood mood, b bytea)'
    )
    texts = ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "x=1", "'=1", ""]
    await connection.executemany("INSERT INTO t VALUES ($1, -1)", [(text,) for text in texts])
    await connection.execute("INSERT INTO t VALUES (NULL, -1, '-infinity', '=so so', '\\xfb')")
    for bound in (False, True):
        found = await written(connection, Output.CSV, safe=True, bound=bound)
        header, *rows = csv.reader(io.StringIO(found.text, newline=""))
        assert header == ["'=sum", "n", "at", "mood", "b"]
        assert [row[0] for row in rows[:-1]] == [
            "'=1+1", "'+1", "'-1", "'@x", "'\tx", "'\rx", "x=1", "'=1", ""
        ]  # fmt: skip
        assert {row[1] for row in rows} == {"-1"}
        assert rows[-1] == ["", "-1", "-infinity", "'=so so", "'+w=="]


async def test_text_of_a_collation_without_regular_expressions_is_written(
    connection: Connection,
) -> None:
    try:
        await connection.execute(
            "CREATE COLLATION IF NOT EXISTS nocase"
            " (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
        )
    except asyncpg.FeatureNotSupportedError:
        pytest.skip("the server is built without ICU")
    await connection.execute("CREATE TABLE t AS SELECT 'a,b'::text COLLATE nocase AS v")
    for output in (Output.CSV, Output.PARQUET, Output.JSON, Output.MARKDOWN):
        for safe in (False, True):
            assert b"a,b" in (await written(connection, output, bound=True, safe=safe)).data


# --- any text -------------------------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
# As many bytes as a name may have.
NAMES = TEXTS.filter(lambda name: 0 < len(name.encode()) < 60)


def cells_of(line: str) -> list[str]:
    """Read a line of a Markdown table as it is shown."""
    inner = re.fullmatch(r"\| (.*) \|", line, re.DOTALL)
    assert inner is not None
    parts = re.split(r"(?<!\\)((?:\\\\)*) \| ", inner[1])
    cells = [left + right for left, right in zip(parts[::2], [*parts[1::2], ""], strict=True)]
    entities = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}
    return [
        re.sub(
            r"\\([!-/:-@\[-`{-~])|&(?:lt|gt|amp);|<br>",
            lambda match: match[1] or entities.get(match[0], "\n"),
            cell,
        )
        for cell in cells
    ]


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@example(text="\\.", name="\\.")
@example(text="a\r\nb\\|c", name="a|b")
@example(text="\x1b]0;x\x07\u202e\x9b", name="\x9b\U000e0041")
@given(text=TEXTS, name=NAMES)
async def test_any_text_and_any_name_come_back_from_every_format(
    connection: Connection, text: str, name: str
) -> None:
    column = '"' + name.replace('"', '""') + '"'
    await connection.execute("DROP TABLE IF EXISTS t")
    await connection.execute(f"CREATE TABLE t ({column} text)")
    await connection.executemany("INSERT INTO t VALUES ($1)", [(text,), (None,)])
    expected = [{name: text}, {name: None}]

    for bound in (False, True):
        document = json.loads((await written(connection, Output.JSON, bound=bound)).text)
        assert document["rows"] == expected
        lines = (await written(connection, Output.NDJSON, bound=bound)).data.split(b"\n")
        assert [json.loads(line) for line in lines[:2]] == expected
        assert lines[2:] == [b""]
        found = (await written(connection, Output.CSV, bound=bound)).text
        rows = list(csv.reader(io.StringIO(found, newline=""), strict=True))
        assert rows == [[name], [text], []]
        assert found.endswith('""\n\n' if not text else "\n\n")
        arrow = parquet(await written(connection, Output.PARQUET, bound=bound))
        assert arrow.to_pylist() == expected
    table = (await written(connection, Output.MARKDOWN)).text.split("\n")
    assert len(table) == 5
    shown = [cells_of(line) for line in table[:4]]
    assert shown[1:] == [["---"], shown[2], ["NULL"]]
    assert shown[0] == [re.sub(r"\r\n?", "\n", name)]
    vertical = (await written(connection, Output.VERTICAL)).text
    assert not [c for c in vertical if c != "\n" and (ord(c) < 32 or 0x7F <= ord(c) <= 0x9F)]


@pytest.mark.parametrize("output", [Output.MARKDOWN, Output.VERTICAL])
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('{"a":\r\n 1}', '"a": 1'),
        ('"\\ud800"', "ud800"),
        ("1" + "0" * 5000, "0" * 5000),
        ("1e400", "1e400"),
        ("-0", "-0.0"),
    ],
)
async def test_json_that_python_cannot_hold_is_shown_in_an_array(
    connection: Connection, output: Output, value: str, expected: str
) -> None:
    await connection.execute("CREATE TABLE t (v json[])")
    await connection.execute("INSERT INTO t VALUES (ARRAY[$1::json])", value)
    for bound in (False, True):
        assert expected in (await written(connection, output, bound=bound)).text


async def test_what_fails_on_the_way_out_is_raised_whether_the_rows_ended_or_not(
    connection: Connection,
) -> None:
    for rows in (1, 1_000_000):
        await connection.execute(
            f"DROP TABLE IF EXISTS t; CREATE TABLE t AS SELECT FROM generate_series(1, {rows})"
        )
        with pytest.raises(OSError, match="disk"):
            await copied_to_a_full_disk(connection)
        assert await connection.fetchval("SELECT 1") == 1


async def copied_to_a_full_disk(connection: Connection) -> None:
    async def take(lines: bytes) -> None:
        raise OSError(lines and "the disk is full")

    blank = RowsResult(table="t", headers=(), limit=None)
    answer = Answer(Source((), "FROM public.t"), blank)
    form = form_of(Output.NDJSON, answer)
    async with asyncio.timeout(20), reading(connection):
        await transport(connection, answer, form.encoding, take)


async def test_all_rows_together_may_take_longer_than_the_next_of_them(
    connection: Connection,
) -> None:
    # Each row is more than the server keeps before it sends.
    await connection.execute(
        "CREATE TABLE t AS SELECT repeat('x', 100000) AS x FROM generate_series(1, 5)"
    )
    slowly = " WHERE pg_sleep(0.4) IS NOT NULL"
    assert (await written(connection, Output.CSV, tail=slowly, patience=1.5)).end == End(5)


@pytest.mark.parametrize("bound", [False, True], ids=["copied", "fetched"])
async def test_who_takes_the_rows_has_all_the_time_there_is(
    connection: Connection, bound: bool
) -> None:
    await connection.execute(
        "CREATE TABLE t AS SELECT repeat('x', 100000) AS x FROM generate_series(1, 500)"
    )
    found = await written(connection, Output.NDJSON, bound=bound, patience=1, pause=1.5)
    assert found.end == End(500)


@pytest.mark.parametrize("bound", [False, True], ids=["copied", "fetched"])
async def test_a_server_that_sends_nothing_for_too_long_is_told_to_stop(
    connection: Connection, bound: bool
) -> None:
    await connection.execute("CREATE TABLE t AS SELECT 'x' AS x")
    slowly = f" {'AND' if bound else 'WHERE'} pg_sleep(3600) IS NOT NULL"
    async with asyncio.timeout(30):
        with pytest.raises(asyncpg.QueryCanceledError, match="due to statement timeout"):
            await written(connection, Output.CSV, bound=bound, tail=slowly, patience=0.2)
        assert await connection.fetchval("SELECT 1") == 1


def test_an_export_and_a_table_tell_a_limit_of_time_alike(formats_url: str) -> None:
    told = set()
    for output in ("csv", "table"):
        done = invoke(
            "inspect", "query", "SELECT pg_sleep(3600)", "--timeout", "0.2", "--format", output,
            env={"DATABASE_URL": formats_url},
        )  # fmt: skip
        assert done.exit_code == 4
        told.add(done.stderr)
    (only,) = told
    assert "SQLSTATE 57014" in only
    assert "ran into its time limit" in only


@pytest.mark.parametrize("output", ["csv", "table"])
def test_a_connection_that_is_lost_while_rows_are_read_leaves_no_doubt(
    server: TestServer, formats_url: str, output: str
) -> None:
    with FaultProxy(server.dsn) as proxy:
        proxy.behave(Mode.RESET, after=b"pg_sleep")
        done = invoke(
            "inspect", "query", "SELECT pg_sleep(60)", "--format", output,
            env={"DATABASE_URL": proxy.url_of(formats_url)},
        )  # fmt: skip
    assert (done.exit_code, done.stderr.splitlines()) == (
        3,
        [
            "error: the connection was lost while it was read from",
            "hint: Run it again; nothing was changed.",
        ],
    )


# --- parquet --------------------------------------------------------------------------------


def parquet(found: Written) -> Any:
    return pyarrow.parquet.read_table(io.BytesIO(found.data))


TYPED = [
    ("smallint", "'-3'", "int16", -3),
    ("integer", "'-3'", "int32", -3),
    ("bigint", "9223372036854775807", "int64", 2**63 - 1),
    ("oid", "4294967295", "int64", 2**32 - 1),
    ("positive", "7", "int32", 7),
    ("real", "0.5", "float", 0.5),
    ("double precision", "'-Infinity'", "double", float("-inf")),
    ("boolean", "true", "bool", True),
    ("numeric(5,2)", "'-1.5'", "decimal128(5, 2)", Decimal("-1.50")),
    ("numeric(60,9)", "1e50", "decimal256(60, 9)", Decimal(10**50)),
    ("numeric", "1.50", "string", "1.50"),
    ("numeric(2,-3)", "12345", "string", "12000"),
    ("text", "''", "string", ""),
    ("uuid", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "string",
     "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("date", "'2024-02-29'", "date32[day]", "2024-02-29"),
    ("time", "'12:30:00.5'", "time64[us]", "12:30:00.500000"),
    ("timestamp", "'2024-02-29 12:00:00.000001'", "timestamp[us]", "2024-02-29 12:00:00.000001"),
    ("timestamptz", "'2024-02-29 12:00:00+02'", "timestamp[us, tz=UTC]",
     "2024-02-29 10:00:00+00:00"),
    ("interval", "'1 day'", "string", "P1D"),
    ("bytea", r"'\x00ff'", "binary", b"\x00\xff"),
    ("bytea", "''", "binary", b""),
    ("jsonb", """'{"a": null}'""", "string", '{"a": null}'),
    ("mood", "'NULL'", "string", "NULL"),
    ("integer[]", "'{1,NULL}'", "list<element: int32>", [1, None]),
    ("integer[]", "'{}'", "list<element: int32>", []),
    ("oid[]", "'{4294967295}'", "list<element: int64>", [2**32 - 1]),
    ("time[]", "'{12:30:00.5,NULL}'", "list<element: time64[us]>", [time(12, 30, 0, 500000), None]),
    ("char(3)[]", "'{a}'", "list<element: string>", ["a  "]),
    ("inet[]", "'{10.0.0.1}'", "list<element: string>", ["10.0.0.1"]),
    ("float8[]", "'{0.1,NaN,-Infinity}'", "list<element: double>", "[0.1, nan, -inf]"),
    ("boolean[]", "'{t,NULL}'", "list<element: bool>", [True, None]),
    ("numeric(5,2)[]", "'{1.5}'", "list<element: decimal128(5, 2)>", [Decimal("1.50")]),
    ("text[]", """'{"NULL","",NULL}'""", "list<element: string>", ["NULL", "", None]),
    ("timestamptz[]", "'{2024-02-29Z}'", "list<element: timestamp[us, tz=UTC]>", None),
    ("bytea[]", "'{}'", "list<element: binary>", []),
    ("bytea[]", """'{"\\\\x00ff",NULL}'""", "list<element: binary>", [b"\x00\xff", None]),
    ("jsonb[]", """array['{"a": 1}'::jsonb]""", "list<element: string>", ['{"a": 1}']),
]  # fmt: skip


@pytest.mark.parametrize(("type_", "literal", "arrow", "expected"), TYPED)
async def test_parquet_has_the_type_of_the_column(
    connection: Connection, type_: str, literal: str, arrow: str, expected: object
) -> None:
    if "(2,-3)" in type_ and connection.get_server_version().major < 15:
        pytest.skip("a negative scale came with PostgreSQL 15")
    await connection.execute(
        f"CREATE TABLE t AS SELECT {literal}::{type_} AS v UNION ALL SELECT NULL::{type_}"
    )
    for bound in (False, True):
        table = parquet(await written(connection, Output.PARQUET, bound=bound))
        assert str(table.schema.field("v").type) == arrow
        value, null = table.column("v").to_pylist()
        assert null is None
        if expected is not None:
            assert (str(value) if isinstance(expected, str) else value) == expected


@pytest.mark.parametrize(
    ("type_", "literal", "told"),
    [
        ("numeric(5,2)", "'NaN'", "v holds NaN"),
        ("timestamptz", "'infinity'", "v holds infinity"),
        ("date", "'0044-03-15 BC'", "v holds 0044-03-15 BC"),
        ("timestamp", "'12024-01-01'", "v holds 12024-01-01 00:00:00"),
        ("integer[]", "'{{1},{2}}'", "v holds [[1],[2]]"),
        ("date[]", "'{infinity}'", "v holds infinity"),
        ("time[]", "'{24:00}'", "v holds 24:00:00"),
    ],
)
async def test_what_parquet_cannot_hold_is_told_and_never_changed(
    connection: Connection, type_: str, literal: str, told: str
) -> None:
    await connection.execute(f"CREATE TABLE t AS SELECT 1 AS id, {literal}::{type_} AS v")
    with pytest.raises(OperationFailed) as caught:
        await written(connection, Output.PARQUET)
    assert caught.value.message.startswith(told)
    assert "leave v out" in str(caught.value.hint)


# --- the way out ----------------------------------------------------------------------------


@pytest.fixture
def some(formats_url: str) -> Iterator[dict[str, str]]:
    """The environment of a command on a database with rows, some of which cannot be read."""
    execute(
        formats_url,
        "CREATE TABLE u AS SELECT i AS id, repeat('x', 90) AS text"
        " FROM generate_series(1, 20000) i",
        "ALTER TABLE u ADD PRIMARY KEY (id)",
        "CREATE VIEW broken AS SELECT id, 1 / (15000 - id) AS v FROM u",
    )
    try:
        yield {"DATABASE_URL": formats_url}
    finally:
        execute(formats_url, "DROP TABLE u CASCADE")


def test_the_formats_leave_by_the_command_as_well(some: dict[str, str], tmp_path: Path) -> None:
    found = {}
    for name in ("u.csv", "u.json", "u.ndjson", "u.jsonl", "u.md", "u.parquet"):
        done = invoke("inspect", "rows", "u", "--all", "--output", str(tmp_path / name), env=some)
        assert (done.exit_code, done.stdout) == (0, ""), done.stderr
        found[name] = (tmp_path / name).read_bytes()
    assert found["u.csv"].count(b"\n") == 20001
    assert len(json.loads(found["u.json"])["rows"]) == 20000
    assert found["u.ndjson"].count(b"\n") == 20000
    assert found["u.jsonl"] == found["u.ndjson"]
    assert found["u.md"].count(b"\n") == 20002
    assert pyarrow.parquet.read_table(tmp_path / "u.parquet").num_rows == 20000
    blocks = invoke("inspect", "rows", "u", "--limit", "2", "-x", env=some).stdout
    assert blocks.split("\n")[4:7] == ["row 2", "id    2", f"text  {'x' * 90}"]


@pytest.mark.parametrize("output", ["csv", "ndjson", "markdown", "vertical"])
def test_that_more_rows_follow_is_told_beside_the_rows(some: dict[str, str], output: str) -> None:
    limited = ("inspect", "rows", "u", "--format", output, "--limit")
    done = invoke(*limited, "2", env=some)
    assert done.stderr == "2 rows, more with --after 2\n"
    assert "3" in invoke(*limited, "1", "--after", "2", env=some).stdout
    assert invoke(*limited, "20000", env=some).stderr == ""


def test_how_to_go_on_is_told_of_rows_in_a_file_as_under_a_table(formats_url: str) -> None:
    execute(
        formats_url,
        "CREATE TABLE lines (name text PRIMARY KEY)",
        "INSERT INTO lines VALUES (E'a\nb'), ('c'), ('d')",
        "CREATE TABLE keyless AS SELECT FROM generate_series(1, 3)",
    )
    for command, told in (
        (("rows", "lines", "--limit", "1"), "1 row, more with --offset 1"),
        (("rows", "lines", "--limit", "2"), "2 rows, more with --after c"),
        (
            ("rows", "keyless", "--limit", "2"),
            "2 rows, more with --offset 2; in no certain order without --order",
        ),
        (
            ("query", "TABLE lines", "--limit", "2"),
            "2 rows, and there are more: --limit N, or --all",
        ),
    ):
        env = {"DATABASE_URL": formats_url}
        assert (
            invoke("inspect", *command, "--format", "csv", env=env).stderr.splitlines()[-1] == told
        )
        assert invoke("inspect", *command, env=env).stdout.splitlines()[-1] == told
    execute(formats_url, "DROP TABLE lines, keyless")


def test_json_in_a_table_is_what_the_column_holds_and_its_null_is_not_that_of_sql(
    formats_url: str, tmp_path: Path
) -> None:
    execute(
        formats_url,
        "CREATE DOMAIN loose AS json",
        "CREATE TABLE documents (id int PRIMARY KEY, v loose)",
        """INSERT INTO documents VALUES (1, '{"a":1,"a":1.50}'), (2, 'null'), (3, NULL)""",
    )
    env = {"DATABASE_URL": formats_url}
    with Terminal("inspect", "rows", "documents", env=env, cwd=tmp_path) as terminal:
        assert terminal.finish() == 0
        first, second, third = re.findall(r" [123]  (.*?) *\r?\n", terminal.screen)
    assert first == '{"a":1,"a":1.50}'
    assert second == "null"
    assert third == "NULL"
    for key, value in (("1", '{"a":1,"a":1.50}'), ("2", "null"), ("3", "NULL")):
        row = invoke("inspect", "row", "documents", key, env=env)
        assert row.stdout.splitlines()[1] == f"v   {value}"
    execute(formats_url, "DROP TABLE documents", "DROP DOMAIN loose")


async def test_the_zones_of_times_in_arrays_are_written_as_those_of_times(
    connection: Connection,
) -> None:
    await connection.execute(
        "CREATE TABLE t AS SELECT"
        " CAST('{{12:30+02,NULL},{01:00-03:30,01:00-11}}' AS timetz[]) AS several,"
        " timetz '12:30+02' AS one, CAST('{}' AS timetz[]) AS none, NULL::timetz[] AS null"
    )
    assert json.loads((await written(connection, Output.NDJSON)).text) == {
        "several": [["12:30:00+02:00", None], ["01:00:00-03:30", "01:00:00-11:00"]],
        "one": "12:30:00+02:00",
        "none": [],
        "null": None,
    }


async def test_rows_without_columns_are_no_table_of_markdown(connection: Connection) -> None:
    await connection.execute("CREATE TABLE t AS SELECT FROM generate_series(1, 3)")
    assert await written(connection, Output.MARKDOWN) == Written(b"", End(3))


def test_json_is_json_in_a_stream_of_another_encoding(some: dict[str, str]) -> None:
    execute(
        some["DATABASE_URL"], "CREATE TABLE odd_name AS SELECT '\u00e9\U0001f600' AS \"\u00e9\""
    )
    for encoding, output in (("latin-1", "json"), ("ascii", "ndjson")):
        env = {**some, "PYTHONIOENCODING": encoding}
        done = run_dbctl("inspect", "rows", "odd_name", "--format", output, env=env)
        assert r'{"\u00e9":"\u00e9\ud83d\ude00"}' in done.stdout
    execute(some["DATABASE_URL"], "DROP TABLE odd_name")


def test_who_reads_rows_may_look_at_them_for_longer_than_a_transaction_idles_else(
    some: dict[str, str],
) -> None:
    execute(
        some["DATABASE_URL"],
        "CREATE VIEW idle AS SELECT"
        " pg_catalog.current_setting('idle_in_transaction_session_timeout') AS idle, id FROM u",
    )
    for output, limit in (("ndjson", "1h"), ("table", "1min")):
        done = invoke("inspect", "rows", "idle", "--limit", "1", "--format", output, env=some)
        assert limit in done.stdout


def test_a_document_that_breaks_off_is_whole_json_and_says_so(some: dict[str, str]) -> None:
    done = run_dbctl("inspect", "rows", "broken", "--all", "--json", env=some)
    assert done.exit_code == 4
    document = done.json
    assert document["rows"][0] == {"id": 1, "v": 0}
    assert 0 < len(document["rows"]) < 15000
    assert document["error"]["code"] == "query_failed"
    assert done.stderr == ""

    lines = run_dbctl("inspect", "rows", "broken", "--all", "--format", "ndjson", env=some)
    *rows, last = map(json.loads, lines.stdout.splitlines())
    assert rows[0] == {"id": 1, "v": 0}
    assert last == {"error": document["error"]}


@pytest.mark.parametrize("name", ["x.csv", "x.json", "x.ndjson", "x.parquet"])
def test_a_file_is_written_whole_or_left_as_it_was(
    some: dict[str, str], tmp_path: Path, name: str
) -> None:
    file = tmp_path / name
    file.write_text("before")
    done = invoke("inspect", "rows", "broken", "--all", "--output", str(file), env=some)
    assert done.exit_code == 4
    assert "SQLSTATE 22012" in done.stderr
    assert [each.read_text() for each in tmp_path.iterdir()] == ["before"]


def test_a_file_keeps_its_mode_and_a_link_its_place(some: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    real, link = tmp_path / "real" / "u.csv", tmp_path / "u.csv"
    real.write_text("before")
    real.chmod(0o640)
    link.symlink_to(real)
    assert invoke("inspect", "rows", "u", "--output", str(link), env=some).exit_code == 0
    assert link.is_symlink()
    assert real.read_text().startswith("id,text\n1,")
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    before = os.umask(0o027)
    try:
        assert (
            invoke("inspect", "rows", "u", "--output", str(tmp_path / "n"), env=some).exit_code == 0
        )
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "n").stat().st_mode) == 0o640
    assert sorted(each.name for each in tmp_path.iterdir()) == ["n", "real", "u.csv"]


def test_a_file_that_cannot_be_written_is_told_before_a_row_is_read(
    some: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    slash = invoke("inspect", "rows", "nothing", "--output", f"{tmp_path / 'new'}/", env=some)
    assert slash.exit_code == 2
    assert "is a folder" in slash.stderr
    for target, told in (
        (tmp_path, "is a folder"),
        (tmp_path / "none" / "x", "No such file or directory"),
        (tmp_path / "file" / "x", "Not a directory"),
    ):
        done = invoke("inspect", "rows", "nothing", "--output", str(target), "--json", env=some)
        assert done.exit_code == 2
        assert told in done.json["error"]["message"]


def test_a_disk_that_is_full_and_a_device_are_written_to_straight(
    some: dict[str, str], tmp_path: Path
) -> None:
    rows = ("inspect", "rows", "u", "--limit", "200", "--format")
    for output in ("csv", "json", "table"):
        full = invoke(*rows, output, "--output", "/dev/full", env=some)
        assert (full.exit_code, full.stdout) == (4, "")
        assert "cannot write /dev/full: No space left on device" in full.stderr
    assert invoke(*rows, "csv", "--output", "/dev/null", env=some).exit_code == 0
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with subprocess.Popen(
        ["wc", "-l"], stdin=os.open(fifo, os.O_RDWR), stdout=subprocess.PIPE
    ) as wc:
        assert run_dbctl(*rows, "ndjson", "--output", str(fifo), env=some).exit_code == 0
        wc.terminate()
    reading_end, writing_end = os.pipe()
    with os.fdopen(reading_end) as pipe:  # as of `--output >(gzip)`
        ended = subprocess.run(
            [sys.executable, "-m", "dbctl", *rows, "csv", "--output", f"/dev/fd/{writing_end}"],
            env=environment(**some),
            pass_fds=[writing_end],
            check=False,
        )
        os.close(writing_end)
        assert (ended.returncode, pipe.readline()) == (0, "id,text\n")
    for stdout in ("-", "/dev/stdout"):
        done = run_dbctl("inspect", "rows", "u", "--format", "csv", "--output", stdout, env=some)
        assert done.stdout.startswith("id,text\n1,")


def test_other_results_have_every_format_but_parquet(some: dict[str, str], tmp_path: Path) -> None:
    def tables(*arguments: str) -> str:
        done = invoke("inspect", "tables", *arguments, env=some)
        assert done.exit_code == 0, done.stderr
        return done.stdout

    names = [row["name"] for row in csv.DictReader(io.StringIO(tables("--format", "csv")))]
    assert "u" in names
    lines = tables("--format", "ndjson").splitlines()
    assert [json.loads(line)["name"] for line in lines] == names
    head, rule, *rows = tables("--format", "markdown").splitlines()
    at = cells_of(head).index("name")
    assert [cells_of(row)[at] for row in rows] == names
    assert set(cells_of(rule)) == {"---"}
    assert re.findall(r"^name +(\S+)$", tables("-x"), re.MULTILINE) == names
    assert tables("--output", str(tmp_path / "t.json")) == ""
    assert [t["name"] for t in json.loads((tmp_path / "t.json").read_text())["tables"]] == names
    for group in (("inspect", "tables"), ("migrate", "up")):
        refused = invoke(*group, "--format", "parquet", env=some)
        assert (refused.exit_code, refused.stdout) == (2, "")
        assert "only rows" in refused.stderr


def start(*arguments: str, env: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "dbctl", *arguments],
        env=environment(**env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


ENDED = "NOT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE 'COPY (SELECT%generate%')"
RUNNING = ENDED.removeprefix("NOT ")


def endless(url: str) -> None:
    execute(
        url,
        "CREATE OR REPLACE VIEW endless AS"
        " SELECT generate_series(1, 100000000) AS generate, repeat('x', 200) AS text",
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_is_heard_while_nobody_reads_the_pipe(
    formats_url: str, number: signal.Signals, code: int
) -> None:
    endless(formats_url)
    rows = ("inspect", "rows", "endless", "--all", "--yes", "--format", "csv")
    with start(*rows, env={"DATABASE_URL": formats_url}) as process:
        assert process.stdout is not None
        assert process.stdout.read(10)
        wait_for(formats_url, RUNNING)
        process.send_signal(number)
        assert process.wait(10) == code
        wait_for(formats_url, ENDED)


def test_a_reader_that_has_seen_enough_ends_the_statement(formats_url: str) -> None:
    endless(formats_url)
    rows = ("inspect", "rows", "endless", "--all", "--yes", "--format", "ndjson")
    with start(*rows, env={"DATABASE_URL": formats_url}) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b'{"generate":1,')
        process.stdout.close()
        assert process.wait(10) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""
        wait_for(formats_url, ENDED)


def test_a_signal_leaves_no_file(formats_url: str, tmp_path: Path) -> None:
    endless(formats_url)
    rows = ("inspect", "rows", "endless", "--all", "--yes", "--output", str(tmp_path / "x.csv"))
    with start(*rows, env={"DATABASE_URL": formats_url}) as process:
        wait_for(formats_url, RUNNING)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("output", [each.value for each in Output if each is not Output.PARQUET])
def test_no_format_puts_a_control_character_on_a_terminal(
    formats_url: str, output: str, tmp_path: Path
) -> None:
    odd = "".join(map(chr, [*range(1, 0x20), *range(0x7F, 0xA0), 0x202E, 0x2066, 0xE0041]))
    execute(
        formats_url,
        "DROP TABLE IF EXISTS odd",
        'CREATE TABLE odd ("\x1b[31m\u202e" text, j json)',
        f"INSERT INTO odd VALUES (E'{odd}', '{{\"\x9b\": \"\u202e\"}}')".replace("\\", "\\\\"),
    )
    with Terminal(
        "inspect",
        "rows",
        "odd",
        "--format",
        output,
        env={"DATABASE_URL": formats_url},
        cwd=tmp_path,
    ) as terminal:
        assert terminal.finish() == 0
        screen = terminal.screen
    assert "31m" in screen
    shown = re.sub(r"\x1b\[[0-9;]*m", "", screen)  # of our own colours
    assert [c for c in shown if c not in "\r\n\t" and not c.isprintable()] == []
    assert "\x1b[31m" not in screen or output == "table"


def test_parquet_does_not_go_to_a_terminal(some: dict[str, str], tmp_path: Path) -> None:
    rows = ("inspect", "rows", "u", "--format", "parquet")
    with Terminal(*rows, env=some, cwd=tmp_path) as terminal:
        assert terminal.finish() == 2
        assert "Write it with --output FILE" in terminal.screen


async def test_a_text_that_is_two_statements_is_not_run(connection: Connection) -> None:
    await connection.execute("CREATE TABLE t (id int)")
    with pytest.raises(asyncpg.PostgresSyntaxError):
        await written(connection, Output.CSV, tail=") TO STDOUT; CREATE TABLE evil (id int); --")
    assert await connection.fetchval("SELECT to_regclass('evil')") is None


def test_csv_of_rows_can_be_loaded_as_it_is(database_url: str, tmp_path: Path) -> None:
    env = {"DATABASE_URL": database_url}
    assert invoke("seed", "generate", "users=20", "tasks=200", env=env).exit_code == 0
    sorted_ = ("inspect", "rows", "tasks", "--all", "--order", "id", "--format", "ndjson")
    before = invoke(*sorted_, env=env).stdout
    file = tmp_path / "tasks.csv"
    assert (
        invoke("inspect", "rows", "tasks", "--all", "--output", str(file), env=env).exit_code == 0
    )
    execute(database_url, "DELETE FROM tasks")
    done = invoke("seed", "load", str(file), "--into", "tasks", env=env)
    assert done.exit_code == 0, done.stderr
    assert invoke(*sorted_, env=env).stdout == before
