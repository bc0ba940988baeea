"""Values inside JSON, hstore and composite types whose key tells of a secret."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from dbctl.errors import OperationFailed
from dbctl.inspect.masking import NOTHING_MASKED, Masks
from tests.support.cli import invoke
from tests.support.databases import TestServer, connected, execute
from tests.support.looks import list_rows, run_query

SECRET = "hunter"
TABLES = (
    "CREATE EXTENSION hstore",
    "CREATE TYPE setting AS (id int, doc jsonb)",
    "CREATE DOMAIN doc AS jsonb",
    "CREATE TABLE accounts (id int PRIMARY KEY, token_kind text, data jsonb, raw json,"
    " many jsonb[], pairs hstore, part setting, checked doc, plain jsonb)",
    """INSERT INTO accounts VALUES (1, 'kind',
     '{"name": "ada", "password": "hunter1", "deep": [{"auth_code": 123456, "n": 1}],
       "credentials": {"user": "hunter2"}, "has_password": true, "token": null}',
     '{"pass\\u0077ord" : "hunter\\"3" , "name":\n"ada"}',
     ARRAY['{"api_key": "hunter4", "n": 1}', '{"n": 2}']::jsonb[],
     'password=>"hunter\\"5", name=>ada', ROW(1, '{"session": {"x": "hunter6"}}'),
     '{"jwt": "hunter7"}', '{"name": "text with \\"password\\": \\"shown\\""}'),
     (2, 'kind', NULL, NULL, NULL, NULL, NULL, NULL, NULL)""",
    "CREATE VIEW seen AS SELECT id, data AS d, data::text AS t, data ->> 'password' AS p,"
    " data ->> 'name' AS n FROM accounts",
    "CREATE TABLE made (data jsonb, t text GENERATED ALWAYS AS (data ->> 'token') STORED,"
    " n text GENERATED ALWAYS AS (data ->> 'name') STORED)",
    """INSERT INTO made VALUES ('{"token": "hunter", "name": "ada"}')""",
)


@pytest.fixture(scope="module")
def url(server: TestServer) -> Iterator[str]:
    with server.database() as url:
        execute(url, *TABLES)
        yield url


def rows(url: str, *arguments: str) -> str:
    finished = invoke("inspect", *arguments, env={"DATABASE_URL": url})
    assert finished.exit_code == 0, finished.stderr
    return finished.stdout


DATA = {
    "name": "ada",
    "password": "***",
    "deep": [{"auth_code": "***", "n": 1}],
    "credentials": "***",
    "has_password": True,
    "token": None,
}


@pytest.mark.parametrize(
    ("command", "output"),
    [
        *(("rows", one) for one in ("table", "vertical", "json", "csv", "markdown")),
        ("row", "json"),
        ("query", "csv"),
    ],
)
def test_values_under_secret_keys_are_masked_in_every_format(
    url: str, command: str, output: str
) -> None:
    what = {"rows": ["accounts"], "row": ["accounts", "1"], "query": ["TABLE accounts"]}[command]
    text = rows(url, command, *what, "--format", output)
    assert SECRET not in text
    assert "123456" not in text
    assert "ada" in text


def test_what_is_not_secret_stays_to_the_byte(url: str) -> None:
    masked = rows(url, "rows", "accounts", "--format", "ndjson", "id=1")
    row = json.loads(masked)
    assert row["data"] == DATA
    assert row["many"] == [{"api_key": "***", "n": 1}, {"n": 2}]
    assert row["pairs"] == '"name"=>"ada", "password"=>"***"'
    assert row["part"] == "***"
    assert row["checked"] == {"jwt": "***"}
    assert row["raw"] == {"password": "***", "name": "ada"}
    whole = json.loads(rows(url, "rows", "accounts", "--format", "ndjson", "id=1", "--reveal"))
    assert row["plain"] == whole["plain"]
    for text in (masked, rows(url, "rows", "accounts", "--format", "ndjson")):
        assert r'"plain":{"name": "text with \"password\": \"shown\""}' in text
    cells = next(csv.DictReader(io.StringIO(rows(url, "rows", "accounts", "--format", "csv"))))
    assert json.loads(cells["data"]) == DATA
    assert cells["many"] == r'{"{\"n\": 1, \"api_key\": \"***\"}","{\"n\": 2}"}'
    assert cells["pairs"] == row["pairs"]
    assert json.loads(cells["plain"]) == row["plain"]


@pytest.mark.parametrize("output", ["ndjson", "csv"])
def test_all_rows_of_a_table_are_masked_as_its_first_page(url: str, output: str) -> None:
    page = rows(url, "rows", "accounts", "--format", output)
    copied = rows(url, "rows", "accounts", "--all", "--yes", "--format", output)
    assert copied == page


def test_json_arrays_in_parquet_are_masked(url: str, tmp_path: Any) -> None:
    import pyarrow.parquet

    file = tmp_path / "a.parquet"
    rows(url, "rows", "accounts", "--output", str(file))
    found = pyarrow.parquet.read_table(file).to_pylist()[0]
    assert SECRET not in str(found)
    assert found["many"] == ['{"n": 1, "api_key": "***"}', '{"n": 2}']


async def test_a_column_that_is_shown_is_no_key(url: str) -> None:
    masks = Masks(shown=("accounts.token_kind", "*.token_kind"))
    async with connected(url) as connection:
        found = await list_rows(connection, "accounts", masks=masks, columns=["token_kind,data"])
        assert found.rows[0]["token_kind"] == "kind"
        query = """SELECT 'a' AS "n", '{"n": 1, "token": 2, "jwt": "x"}'::jsonb AS j"""
        result = await run_query(connection, query, masks=Masks(columns={"j.n": "because"}))
    row = json.loads(result.rows[0].text)  # type: ignore[attr-defined]
    assert row == {"n": "a", "j": {"n": "***", "jwt": "***", "token": 2}}


async def test_configuration_hides_and_shows_keys_by_the_column(url: str) -> None:
    masks = Masks(columns={"data.name": "because"}, shown=("data.password",))
    async with connected(url) as connection:
        for name, column in (("accounts", "data"), ("seen", "d")):
            found = await list_rows(connection, name, masks=masks)
            data = json.loads(found.rows[0][column])
            assert data["name"] == "***"
            assert data["credentials"] == "***"
            assert (data["password"] == "hunter1") == (name == "accounts")
        result = await run_query(connection, "SELECT data ->> 'name' AS x FROM accounts",
                                 masks=masks)  # fmt: skip
    assert [header.masked for header in result.headers] == [True]


# Expressions, and which of their columns are masked.
EXPRESSIONS: list[tuple[str, list[str]]] = [
    ("SELECT data ->> 'password' AS a, data ->> 'name' AS b FROM accounts", ["a"]),
    ("SELECT data #>> '{credentials,user}' AS a, data #>> '{deep,0,n}' AS b FROM accounts", ["a"]),
    ("SELECT data -> 'deep' -> 0 ->> 'auth_code' AS a, data -> 'deep' AS b FROM accounts", ["a"]),
    ("SELECT data['password'] AS a, data['name'] AS b FROM accounts", ["a"]),
    ("""SELECT jsonb_path_query(data, '$."password"') AS a, jsonb_path_query(data, '$.deep[*].n')"""
     " AS b FROM accounts", ["a"]),
    ("SELECT jsonb_path_query_first(data, '$.*') AS a FROM accounts", ["a"]),
    ("SELECT jsonb_extract_path_text(data, 'password') AS a,"
     " jsonb_extract_path_text(data, 'name') AS b FROM accounts", ["a"]),
    ("SELECT pairs -> 'password' AS a, pairs -> 'name' AS b FROM accounts", ["a"]),
    ("SELECT lower(data ->> 'password') || 'x' AS a, upper(data ->> 'name') AS b FROM accounts",
     ["a"]),
    ("SELECT data ->> k AS a FROM accounts, unnest(ARRAY['password']) k", ["a"]),
    ("SELECT key, value FROM accounts, jsonb_each_text(data)", ["value"]),
    ("SELECT e.* FROM accounts, jsonb_each(data) e", ["value"]),
    ("SELECT (each(pairs)).value AS v FROM accounts", ["v"]),
    ("SELECT x.password AS a, x.name FROM accounts, jsonb_to_record(data)"
     " AS x(password text, name text)", ["a"]),
    ("SELECT q.p, q.n FROM (SELECT data ->> 'password' AS p, data ->> 'name' AS n FROM accounts"
     " OFFSET 0) q", ["p"]),
    ("WITH c AS MATERIALIZED (SELECT id, raw ->> 'password' AS p FROM accounts)"
     " SELECT p AS x, id FROM c", ["x"]),
    ("SELECT (SELECT data ->> 'password' FROM accounts LIMIT 1) AS a, id FROM accounts", ["a"]),
    ("SELECT max(data ->> 'password') AS a, count(data ->> 'password') AS b FROM accounts", ["a"]),
    ("SELECT substr(data::text, 3) AS a, md5(data::text) AS b, length(data::text) AS c"
     " FROM accounts", ["a"]),
    ("SELECT p, n FROM seen", ["p"]),
    ("SELECT data ->> 'password' IS NULL AS a, data ->> 'password' = 'x' AS b FROM accounts",
     ["b"]),
    ("SELECT array_agg(data::text) AS a FROM accounts", ["a"]),
    ("SELECT t, n FROM made", ["t"]),
    ("SELECT name FROM accounts, jsonb_array_elements(data -> 'deep') e (name)", []),
    ("SELECT id FROM accounts WHERE data ->> 'password' = 'x'", []),
    ("SELECT ARRAY['password'], 'token' AS label, data ? 'password' AS has FROM accounts", []),
]  # fmt: skip
# What comes out as JSON, or its text, is masked inside.
INSIDE = [
    "SELECT data::text FROM accounts",
    "SELECT jsonb_pretty(data) FROM accounts",
    "SELECT data || '{}' FROM accounts",
    "SELECT json_agg(data) FROM accounts",
    "SELECT ARRAY[jsonb_pretty(data)] FROM accounts",
    "SELECT to_json(a) FROM accounts a",
    "SELECT jsonb_build_object('password', 'hunter', 'name', 'ada')",
    "SELECT jsonb_path_query(data, '$') FROM accounts",
    "SELECT ROW(raw, 1) FROM accounts",
    "SELECT data -> 'deep' FROM accounts",
    "SELECT d, t FROM seen",
    "SELECT left(a.t, 60) FROM (SELECT data::text AS t FROM accounts OFFSET 0) a",
]


@pytest.mark.parametrize(
    ("sql", "expected"), EXPRESSIONS, ids=[sql[7:60] for sql, _ in EXPRESSIONS]
)
async def test_an_expression_that_reads_a_secret_key_is_masked(
    url: str, sql: str, expected: list[str]
) -> None:
    async with connected(url) as connection:
        result = await run_query(connection, sql, masks=Masks())
    assert SECRET not in json.dumps([*result.rows])
    assert [header.name for header in result.headers if header.masked] == expected


@pytest.mark.parametrize("sql", INSIDE)
async def test_json_that_an_expression_makes_is_masked_inside(url: str, sql: str) -> None:
    async with connected(url) as connection:
        result = await run_query(connection, sql, masks=Masks())
        assert not any(header.masked for header in result.headers)
        texts = [row.text for row in result.rows]  # type: ignore[attr-defined]
        assert SECRET not in f"{texts} {result.rows}"
        assert "123456" not in f"{texts} {result.rows}"
        assert any("***" in text for text in texts)


async def test_an_error_does_not_tell_the_value_of_a_secret_key(url: str) -> None:
    sql = "SELECT (data ->> 'password')::int FROM accounts"
    async with connected(url) as connection:
        with pytest.raises(OperationFailed, match="kept back") as failed:
            await run_query(connection, sql, masks=Masks())
    assert SECRET not in f"{failed.value}"


async def test_the_place_of_a_row_does_not_tell_its_json(url: str) -> None:
    async with connected(url) as connection:
        options: dict[str, Any] = {"order": ["data"], "limit": 1}
        assert (await list_rows(connection, "accounts", **options)).next is None
        revealed = await list_rows(connection, "accounts", masks=NOTHING_MASKED, **options)
        assert revealed.next
