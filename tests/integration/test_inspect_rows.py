"""`dbctl inspect rows` and `row` against a real server: what they find, and what they ask first."""

import csv
import io
import json
import shlex
from collections.abc import AsyncIterator, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from dbctl.db import dsn
from dbctl.errors import DbctlError, ErrorCode, ExitCode, UsageError
from dbctl.inspect.data import row_views, views
from dbctl.inspect.data.collecting import collect
from dbctl.inspect.data.cost import CostRefused, Guard
from dbctl.inspect.data.counting import count_rows
from dbctl.inspect.data.results import RowsResult
from dbctl.inspect.data.row import find_row
from dbctl.inspect.data.rows import find_rows
from dbctl.inspect.data.sampling import find_sample
from dbctl.inspect.masking import NOTHING_MASKED, Masks
from dbctl.inspect.reading import reading
from dbctl.rendering import console
from tests.support.cli import invoke
from tests.support.databases import TestServer, connected, execute
from tests.support.looks import list_rows
from tests.support.pgbouncer import Pgbouncer
from tests.support.terminal import Terminal

type Connection = asyncpg.Connection[Any]

SCHEMA = (
    "CREATE TYPE mood AS ENUM ('sad', 'so so', 'glad')",
    "CREATE TABLE things (id int PRIMARY KEY, n int, word text, born date, mood mood,"
    " tags text[], data jsonb, loose json, at point, blob bytea, during int4range,"
    " short varchar(9), code char(4), xid xid)",
    """INSERT INTO things VALUES
        (1, 5, 'Alpha beta', '2024-01-01', 'sad', '{red,"a,b"}', '{"a": {"b": 1}, "l": [1, 2]}',
         '{"x": 1}', '(1,2)', '\\x00ff', '[1,5)', 'abc', 'k1', '7'),
        (2, 50, '100% sure', '2024-06-01', 'so so', '{blue,null}', '[1, "two"]',
         '{"x": 2}', '(3,4)', '\\x01', '[10,20)', 'ABC', 'k2', '8'),
        (3, NULL, 'under_score', NULL, 'glad', '{}', '"text"', NULL, NULL, NULL, NULL, NULL,
         NULL, NULL),
        (4, -5, 'back\\slash', '2023-01-01', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
         NULL, NULL),
        (5, 500, NULL, '2025-01-01', 'glad', '{red,blue}', '{"a": {"b": 2}}', NULL, NULL, NULL,
         'empty', '', 'K1', NULL)""",
    # Pages: ties, nulls, a key of two columns, and an index for what is asked of it.
    "CREATE TABLE pages (a int, b text, c int, d int NOT NULL, PRIMARY KEY (b, a))",
    "INSERT INTO pages SELECT i, 'b' || i % 7, nullif(i % 4, 0), i % 3"
    " FROM generate_series(1, 25) i",
    "UPDATE pages SET b = '' WHERE a = 7",
    "UPDATE pages SET b = 'q\"u,o' || chr(10) || 'te' WHERE a = 14",
    "CREATE TABLE big (id int PRIMARY KEY, kind int NOT NULL, tags int[], word text)",
    "INSERT INTO big SELECT i, i % 100, array[i], 'w' || i FROM generate_series(1, 20000) i",
    "CREATE INDEX big_kind ON big (kind, id)",
    "CREATE INDEX big_tags ON big USING gin (tags)",
    "CREATE INDEX big_word ON big (word)",
    "VACUUM ANALYZE big",
    "CREATE TABLE huge (id int PRIMARY KEY, n int)",
    "INSERT INTO huge SELECT i, i FROM generate_series(1, 100) i",
    "ANALYZE huge",
    "UPDATE pg_class SET reltuples = 120000000 WHERE relname = 'huge'",
    "CREATE TABLE huge_child (id int PRIMARY KEY, huge_id int REFERENCES huge)",
    "INSERT INTO huge_child SELECT i, 1 FROM generate_series(1, 100) i",
    "ANALYZE huge_child",
    "UPDATE pg_class SET reltuples = 120000000 WHERE relname = 'huge_child'",
    # Kinds of relations.
    "CREATE VIEW seen AS SELECT id, word FROM things",
    "CREATE MATERIALIZED VIEW kept AS SELECT id, word FROM things",
    "CREATE TABLE parted (id int PRIMARY KEY, word text) PARTITION BY RANGE (id)",
    "CREATE TABLE parted_low PARTITION OF parted FOR VALUES FROM (0) TO (100)",
    "INSERT INTO parted SELECT i, 'p' || i FROM generate_series(1, 50) i",
    "CREATE TABLE elder (id int PRIMARY KEY, word text)",
    "CREATE TABLE heir (PRIMARY KEY (id)) INHERITS (elder)",
    "CREATE TABLE grandchild (PRIMARY KEY (id)) INHERITS (heir)",
    "INSERT INTO heir VALUES (1, 'private')",
    "INSERT INTO grandchild VALUES (2, 'private')",
    "CREATE TABLE of_heirs (id int PRIMARY KEY, heir int REFERENCES heir)",
    "INSERT INTO of_heirs VALUES (1, 1)",
    # Not every build can make one that is not deterministic, which takes ICU.
    "CREATE COLLATION loose (provider = libc, locale = 'C.UTF-8')",
    "UPDATE pg_collation SET collisdeterministic = false WHERE collname = 'loose'",
    "CREATE DOMAIN loose_text AS text COLLATE loose",
    "CREATE TABLE cases (id int PRIMARY KEY, word text COLLATE loose, d loose_text,"
    " words text[] COLLATE loose, v varchar(9) COLLATE loose)",
    "INSERT INTO cases VALUES (1, 'Great', 'Great', '{Great}', 'Great'), (2, 'x', 'x', '{x}', 'x')",
    "CREATE TABLE keyless (n int)",
    "INSERT INTO keyless VALUES (1), (2), (3)",
    "CREATE TABLE bare ()",
    "INSERT INTO bare DEFAULT VALUES",
    "CREATE TABLE documents (id int PRIMARY KEY, j json, b jsonb)",
    """INSERT INTO documents VALUES (1, '{"a": 1, "a": 2,  "s": "\\ud800 é"}',
         '0.12345678901234567890')""",
    f"INSERT INTO documents VALUES (2, '{'[' * 3000}{']' * 3000}', NULL)",
    "CREATE TABLE notes (document_id int REFERENCES documents, j json)",
    """INSERT INTO notes VALUES (1, '1.10')""",
    "CREATE TABLE hub (id int PRIMARY KEY, other int UNIQUE)",
    "INSERT INTO hub VALUES (1, NULL)",
    "DO $$ BEGIN FOR i IN 1..60 LOOP"
    " EXECUTE format('CREATE TABLE spoke_%s (hub int REFERENCES hub,"
    " other int REFERENCES hub (other))', i);"
    " EXECUTE format('INSERT INTO spoke_%s SELECT 1 FROM generate_series(1, %s)', i, i);"
    " END LOOP; END $$",
    "CREATE TABLE pointing (id int PRIMARY KEY)",
    "INSERT INTO pointing VALUES (1)",
    "DO $$ BEGIN FOR i IN 1..7 LOOP"
    " EXECUTE format('CREATE TABLE pointed_%s (id int PRIMARY KEY, name text)', i);"
    " EXECUTE format('INSERT INTO pointed_%s VALUES (%s, ''name %s'')', i, i, i);"
    " EXECUTE format('ALTER TABLE pointing ADD p_%s int DEFAULT %s REFERENCES pointed_%s',"
    " i, i, i); END LOOP; END $$",
    "CREATE TABLE letters (id int PRIMARY KEY, o text, r int REFERENCES letters, s int)",
    "INSERT INTO letters VALUES (1, 'x', 1, 2)",
    # What refers to what.
    "CREATE SCHEMA shop",
    "CREATE TABLE shop.tenants (region text, no bigint, title text, password text,"
    " PRIMARY KEY (region, no), UNIQUE (title))",
    "CREATE TABLE people (id int PRIMARY KEY, full_name text, boss_id int REFERENCES people,"
    " region text, tenant int, mentor_id int CONSTRAINT mentor REFERENCES people,"
    " FOREIGN KEY (region, tenant) REFERENCES shop.tenants (region, no))",
    "CREATE INDEX ON people (boss_id)",
    "CREATE TABLE shop.orders (id int PRIMARY KEY, person_id int REFERENCES people,"
    " tenant_title text REFERENCES shop.tenants (title), secret_token text)",
    "INSERT INTO shop.tenants VALUES ('eu,x', 7, '-odd ''title''', 'hunter2'),"
    " ('null', 9000000000, 'null', NULL)",
    "INSERT INTO people VALUES (1, 'Ada', NULL, 'eu,x', 7, NULL), (2, 'Bob', 1, NULL, 7, 1),"
    " (3, NULL, 1, NULL, NULL, 2)",
    "INSERT INTO shop.orders SELECT i, 1, '-odd ''title''', 's' FROM generate_series(1, 7) i",
    "INSERT INTO shop.orders SELECT i, 2, 'null', 's' FROM generate_series(100, 1200) i",
    "CREATE VIEW contacts AS SELECT id, upper(full_name) AS who, id AS n FROM people",
    "CREATE MATERIALIZED VIEW contacts_kept AS SELECT * FROM contacts",
    "CREATE VIEW slow AS SELECT count(*) FROM (SELECT generate_series(1, 200000000)) s",
    "CREATE VIEW trap AS SELECT pg_advisory_lock(77)::text AS locked",
    "CREATE VIEW chance AS SELECT setseed(0.5)::text AS seeded, random()",
)


@pytest.fixture(scope="module")
def rows_url(server: TestServer) -> Iterator[str]:
    """The URL of the one database that all tests here read and none writes to."""
    with server.database() as url:
        server.execute(*SCHEMA, database=dsn.parse(url, environ={}).database)
        yield url


@pytest.fixture
async def connection(rows_url: str) -> AsyncIterator[Connection]:
    """A connection to it, in no transaction."""
    async with connected(rows_url) as connection:
        yield connection


async def ids(connection: Connection, *where: str, table: str = "things") -> list[int]:
    result = await list_rows(connection, table, columns=["id"], where=where, limit=None)
    return [row["id"] for row in result.rows]


async def refused(work: Any) -> DbctlError:
    with pytest.raises(DbctlError) as caught:
        await work
    return caught.value


async def plan(connection: Connection, table: str, **asked: Any) -> list[dict[str, Any]]:
    """Return the nodes that the server reads these rows by."""
    async with reading(connection):
        answer = await find_rows(
            connection, table, masks=NOTHING_MASKED, guard=Guard(), **({"limit": 5} | asked)
        )
        statement = answer.source.statement(answer.limit)
        text = await connection.fetchval(
            f"EXPLAIN (FORMAT JSON) {statement}", *answer.source.parameters
        )

    def nodes(node: dict[str, Any]) -> list[dict[str, Any]]:
        return [node, *(below for one in node.get("Plans", []) for below in nodes(one))]

    return nodes(json.loads(text)[0]["Plan"])


# --- conditions -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("n=5", [1]),
        ("n!=5", [2, 3, 4, 5]),
        ("n<>5", [2, 3, 4, 5]),
        ("n=null", [3]),
        ("n!=null", [1, 2, 4, 5]),
        ("n<5", [4]),
        ("n<=5", [1, 4]),
        ("n>50", [5]),
        ("n>=-5", [1, 2, 4, 5]),
        ("born>=2024-06-01", [2, 5]),
        ("mood>sad", [2, 3, 5]),
        ("mood!=glad", [1, 2, 4]),
        ("word<B", [2, 1]),
        ("word~ALPHA", [1]),
        ("word~alpha%", [1]),
        ("word~beta%", []),
        ("word~%beta", [1]),
        ("word~a b", [1]),
        ("word~100\\%", [2]),
        ("word~100%", [2]),
        ("word~r_s", [3]),
        ("word~r\\_s", [3]),
        ("word~a\\_b", []),
        ("word~k\\s", [4]),
        ("word~slash\\", []),
        ("word~back\\", [4]),
        ("word!~a", [2, 3, 5]),
        ("n~5", [1, 2, 4, 5]),
        ("born~2024-", [1, 2]),
        ("mood~so", [2]),
        ("tags~blue", [2, 5]),
        ("data~two", [2]),
        ("loose~x", [1, 2]),
        ("code~k1", [1, 5]),
        ("short~abc", [1, 2]),
        ("tags@>red", [1, 5]),
        ("tags@>a,b", [1]),
        ('tags@>["red","blue"]', [5]),
        ("tags@>{red,blue}", [5]),
        ("tags@>null", []),
        ("tags@>[]", [1, 2, 3, 5]),
        ('data@>{"a": {"b": 1}}', [1]),
        ('data@>{"l": [2]}', [1]),
        ('data@>"text"', [3]),
        ("data@>[1]", [2]),
        ("during@>15", [2]),
        ("during@>[2,3]", [1]),
        ("short<abd", [1, 2, 5]),
        ("blob=AP8=", [1]),
        ("blob>=\\x01", [2]),
        ("at!=(1,2)", [2, 3, 4, 5]),
        ("xid!=7", [2, 3, 4, 5]),
    ],
)
async def test_a_condition_finds_the_rows_that_satisfy_it(
    connection: Connection, condition: str, found: list[int]
) -> None:
    assert sorted(await ids(connection, condition)) == sorted(found)


@pytest.mark.parametrize(
    ("condition", "message", "has"),
    [
        ("at<(1,2)", "at is of type point, which has no <", "=, !=, ~ and !~"),
        ("loose>=1", "loose is of type json, which has no >=", "=, !=, ~ and !~"),
        ("xid<9", "xid is of type xid, which has no <", "=, !=, ~ and !~"),
        ("n@>5", "n is of type integer, which has no @>", "=, !=, <, <=, >, >=, ~ and !~"),
        ("blob~x", "blob is of type bytea, which has no ~", "=, !=, <, <=, > and >="),
    ],
)
async def test_an_operator_that_the_type_lacks_is_a_usage_error_with_those_it_has(
    connection: Connection, condition: str, message: str, has: str
) -> None:
    error = await refused(list_rows(connection, "things", where=[condition]))
    assert error.exit_code == ExitCode.USAGE
    assert (error.message, error.hint) == (message, f"It has {has}.")


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ("n<x", "invalid input syntax for type integer"),
        ("born>2024-02-30", "out of range"),
        ("mood>=happy", "It takes sad, so so or glad."),
        ("data@>two", "It takes JSON, such as"),
        ("tags@>{red", "malformed array literal"),
        ("during@>x", "invalid input syntax for type integer"),
    ],
)
async def test_a_value_that_the_type_does_not_take_is_a_usage_error(
    connection: Connection, condition: str, says: str
) -> None:
    error = await refused(list_rows(connection, "things", where=["id=1", condition]))
    assert isinstance(error, UsageError)
    assert "does not take" in error.message
    assert says in (error.hint or "")


@pytest.mark.parametrize("condition", ["id<5", "word=w77", "word>=w999", "tags@>77"])
async def test_a_condition_uses_the_index_of_its_column(
    connection: Connection, condition: str
) -> None:
    nodes = await plan(connection, "big", where=[condition], limit=None)
    assert any("Index Cond" in node for node in nodes)
    assert "Seq Scan" not in {node["Node Type"] for node in nodes}


async def test_an_injection_in_a_value_is_only_a_value(connection: Connection) -> None:
    for sign in ("=", "!=", "<", "~", "!~"):
        await ids(connection, f"word{sign}'; DROP TABLE things; --")
    await ids(connection, "tags@>'}'); DROP TABLE things; --")
    assert len(await ids(connection)) == 5


# --- pages ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "order",
    [
        [],
        ["a"],
        ["a:desc"],
        ["c"],
        ["c:desc"],
        ["d,c:desc"],
        ["d:desc,c"],
        ["c:desc,d,b:desc"],
        ["d", "b", "a"],
        ["d:desc", "b:desc", "a:desc"],
        ["c:desc", "b:desc", "a:desc"],
    ],
)
@pytest.mark.parametrize("limit", [1, 6])
async def test_pages_by_place_are_the_same_rows_in_the_same_order(
    connection: Connection, order: list[str], limit: int
) -> None:
    whole = await list_rows(connection, "pages", order=order, limit=100)
    found: list[dict[str, Any]] = []
    place = None
    while True:
        # Where the columns that sort are not shown, too.
        page = await list_rows(
            connection, "pages", columns=["a"], order=order, limit=limit, after=place
        )
        found += page.rows
        assert len(page.rows) == limit or not page.more
        assert (page.next is None) == (not page.more)
        if not page.more:
            break
        place = page.next
    assert [row["a"] for row in found] == [row["a"] for row in whole.rows]
    assert len(found) == 25


async def test_a_column_may_be_called_as_what_a_statement_calls_its_own(
    connection: Connection,
) -> None:
    row = {"id": 1, "o": "x", "r": 1, "s": 2}
    page = await list_rows(connection, "letters", order=["o"])
    assert page.rows == (row,)
    found = await find_row(connection, "letters", ["1"], follow=True)
    assert found.references[0].rows is not None
    assert found.references[0].rows.rows == (row,)


async def test_a_place_goes_with_filters_and_an_offset(connection: Connection) -> None:
    first = await list_rows(connection, "pages", where=["d=1"], order=["a"], limit=3)
    rest = await list_rows(
        connection, "pages", where=["d=1"], order=["a"], limit=2, after=first.next, offset=1
    )
    assert [row["a"] for row in first.rows] == [1, 4, 7]
    assert [row["a"] for row in rest.rows] == [13, 16]


@pytest.mark.parametrize(
    ("order", "after", "condition"),
    [
        ([], "15000", "(id > 15000)"),
        (["kind"], "50,5050", "(ROW(kind, id) > ROW(50, 5050))"),
        (["kind:desc", "id:desc"], "50,1", "(ROW(kind, id) < ROW(50, 1))"),
    ],
)
async def test_a_page_far_down_is_read_from_its_place_by_the_index(
    connection: Connection, order: list[str], after: str, condition: str
) -> None:
    limit, scan = await plan(connection, "big", order=order, after=after)
    assert limit["Node Type"] == "Limit"
    assert (scan["Index Cond"], scan.get("Filter")) == (condition, None)


async def test_an_index_serves_mixed_directions_from_the_first_column_on(
    connection: Connection,
) -> None:
    nodes = await plan(connection, "big", order=["kind:desc", "id"], after="3,5")
    assert "(kind <= 3)" in {node.get("Index Cond") for node in nodes}


@pytest.mark.parametrize(
    ("table", "order", "after", "says"),
    [
        ("pages", ["c"], "1,b1", "--after has 2 values, and the rows are sorted by 3: c, b and a"),
        ("pages", [], "1", "--after has 1 value, and the rows are sorted by 2: b and a"),
        ("pages", [], "b1,x", "a is of type integer and does not take 'x'"),
        ("pages", [], "b1,", "--after has no value for a, never NULL"),
        ("pages", [], 'b1,"2', "--after cannot be read"),
        ("keyless", ["n"], "1", "public.keyless has no primary key"),
        ("seen", [], "1", "public.seen has no primary key"),
    ],
)
async def test_a_place_that_does_not_fit_is_a_usage_error(
    connection: Connection, table: str, order: list[str], after: str, says: str
) -> None:
    error = await refused(list_rows(connection, table, order=order, after=after))
    assert error.exit_code == ExitCode.USAGE
    assert says in error.message
    assert error.hint


async def test_where_no_key_tells_a_place_the_footer_says_how_many_to_skip(
    connection: Connection,
) -> None:
    page = await list_rows(connection, "keyless", order=["n"], limit=2)
    assert (page.more, page.next) == (True, None)
    assert "more with --offset 2" in shown(page)


async def test_the_values_of_a_masked_column_do_not_leave_in_a_place(
    connection: Connection,
) -> None:
    masks = Masks(columns={"public.pages.c": "marked"})
    page = await list_rows(connection, "pages", order=["c"], limit=2, masks=masks)
    assert page.next is None
    assert {row["c"] for row in page.rows} == {"***"}
    error = await refused(list_rows(connection, "pages", order=["c"], after="1,b1,1", masks=masks))
    assert "c is masked" in error.message
    other = await list_rows(connection, "pages", limit=2, masks=masks)
    assert other.next is not None


# --- counting and sampling ------------------------------------------------------------------


async def test_rows_are_counted_exactly_and_with_their_filters(connection: Connection) -> None:
    assert (await count_rows(connection, "big")).count == 20000
    counted = await count_rows(connection, "big", where=["kind<10", "id>100"])
    assert (counted.table, counted.count) == ("public.big", 1990)


async def sampled(connection: Connection, table: str, size: int, **asked: Any) -> RowsResult:
    async with reading(connection):
        answer = await find_sample(
            connection, table, size, masks=NOTHING_MASKED, guard=Guard(), **asked
        )
        return await collect(connection, answer)


@pytest.mark.parametrize("table", ["big", "parted", "seen", "kept", "keyless"])
async def test_a_sample_has_distinct_rows_of_any_relation(
    connection: Connection, table: str
) -> None:
    result = await sampled(connection, table, 3)
    assert len({json.dumps(row) for row in result.rows}) == 3
    assert (result.sample, result.more, result.next) == (True, False, None)
    assert "3 random rows" in shown(result)


async def test_a_sample_heeds_the_filters_and_a_seed_repeats_it(connection: Connection) -> None:
    one = await sampled(connection, "big", 5, where=["kind=7"], seed=1)
    again = await sampled(connection, "big", 5, where=["kind=7"], seed=1)
    other = await sampled(connection, "big", 5, where=["kind=7"], seed=2)
    assert {row["kind"] for row in one.rows} == {7}
    assert one.rows == again.rows != other.rows


async def test_of_a_huge_table_only_some_pages_are_sampled(connection: Connection) -> None:
    async with reading(connection):
        answer = await find_sample(
            connection, "huge", 3, seed=1, masks=NOTHING_MASKED, guard=Guard()
        )
        text = await connection.fetchval(
            f"EXPLAIN (FORMAT JSON) {answer.source.statement(None)}", *answer.source.parameters
        )
    assert "Sample Scan" in text
    assert "TABLESAMPLE SYSTEM" in answer.source.tail


@pytest.mark.parametrize("column", ["word", "d", "words", "v"])
async def test_a_text_is_looked_for_whatever_its_collation_takes_for_equal(
    connection: Connection, column: str
) -> None:
    assert await ids(connection, f"{column}~gREA", table="cases") == [1]
    assert await ids(connection, f"{column}!~gREA", table="cases") == [2]


# --- what it would cost ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "asked",
    [{"order": ["n"]}, {"where": ["n=5"]}, {"limit": None}, {"offset": 100_000_000}],
)
async def test_a_read_of_a_huge_table_is_refused_with_its_cost_and_its_cause(
    connection: Connection, asked: dict[str, Any]
) -> None:
    error = await refused(list_rows(connection, "huge", **asked))
    assert isinstance(error, CostRefused)
    assert (error.exit_code, error.code) == (ExitCode.REFUSED, ErrorCode.COST_GUARD)
    assert error.estimate.cost > 1_000_000
    assert "Scan on public.huge, which has about 120,000,000 rows" in error.message
    assert "--yes" in (error.hint or "")
    result = await list_rows(connection, "huge", **asked, guard=Guard(agreed=True))
    assert result.table == "public.huge"


@pytest.mark.parametrize("asked", [{}, {"where": ["id=5"]}, {"limit": 100}, {"after": "50"}])
async def test_what_an_index_serves_is_not_asked_about(
    connection: Connection, asked: dict[str, Any]
) -> None:
    assert (await list_rows(connection, "huge", **asked)).rows


async def test_counting_a_huge_table_is_asked_about(connection: Connection) -> None:
    error = await refused(count_rows(connection, "huge"))
    assert error.code == ErrorCode.COST_GUARD
    assert error.hint == "Filter by a column with an index or add --yes."
    assert (await count_rows(connection, "huge", guard=Guard(agreed=True))).count == 100


def test_a_project_sets_what_a_read_may_cost(rows_url: str, tmp_path: Path) -> None:
    env = {"DATABASE_URL": rows_url}
    config = tmp_path / "pyproject.toml"

    config.write_text("[tool.dbctl.inspect]\nmax_cost = 1\n")
    refused = invoke("inspect", "rows", "big", "--all", "--json", env=env, cwd=tmp_path)
    assert (refused.exit_code, refused.json["error"]["code"]) == (5, "cost_guard")
    agreed = invoke("inspect", "rows", "big", "--all", "--yes", "--json", env=env, cwd=tmp_path)
    assert agreed.json["count"] == 20000

    config.write_text("[tool.dbctl.inspect]\nmax_cost = 1e12\n")
    allowed = invoke("inspect", "rows", "huge", "--count", env=env, cwd=tmp_path)
    assert (allowed.exit_code, allowed.stdout) == (0, "100\n")

    for line in ("max_cost = 0", "max_cost = true", "max_cost = 'x'", "most = 1"):
        config.write_text(f"[tool.dbctl.inspect]\n{line}\n")
        wrong = invoke("inspect", "rows", "big", "--json", env=env, cwd=tmp_path)
        assert (wrong.exit_code, wrong.json["error"]["code"]) == (2, "configuration")


def test_on_a_terminal_a_costly_read_is_asked_about(rows_url: str, tmp_path: Path) -> None:
    env = {"DATABASE_URL": rows_url}
    arguments = ("inspect", "rows", "huge", "--order", "n", "--limit", "3")
    with Terminal(*arguments, env=env, cwd=tmp_path) as terminal:
        terminal.wait_for("Read it nevertheless?")
        terminal.type("y\r")
        assert terminal.finish() == 0
        assert "3 rows, more with --after 3,3" in terminal.screen
    with Terminal(*arguments, env=env, cwd=tmp_path) as terminal:
        terminal.wait_for("Read it nevertheless?")
        terminal.type("n\r")
        assert terminal.finish() not in {0, 70}
        assert "3 rows" not in terminal.screen


# --- row and its relatives ------------------------------------------------------------------


async def test_a_row_tells_what_it_refers_to_and_what_refers_to_it(
    connection: Connection,
) -> None:
    result = await find_row(connection, "people", ["1"])
    references = {one.columns: one for one in result.references}
    tenant = references["region", "tenant"]
    assert (tenant.table, tenant.referenced_columns) == ("shop.tenants", ("region", "no"))
    assert (tenant.key, tenant.found, tenant.label) == (("eu,x", "7"), True, "-odd 'title'")
    assert (references["boss_id",].key, references["boss_id",].found) == (None, False)
    referrers = {(one.table, one.columns): one for one in result.referenced_by}
    assert {key: (one.count, one.more) for key, one in referrers.items()} == {
        ("public.people", ("boss_id",)): (2, False),
        ("public.people", ("mentor_id",)): (1, False),
        ("shop.orders", ("person_id",)): (7, False),
    }
    text = shown_row(result)
    for part in ("References", "Referenced by", "-odd 'title'", "shop.orders by person_id  7 rows"):
        assert part in text


async def test_many_referring_rows_are_counted_up_to_a_bound(connection: Connection) -> None:
    result = await find_row(connection, "people", ["2"])
    (orders,) = (one for one in result.referenced_by if one.table == "shop.orders")
    assert (orders.count, orders.more) == (1000, True)
    assert "1,000+ rows" in shown_row(result)


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("people", ["1"]),
        ("people", ["2"]),
        ("shop.tenants", ["eu,x", "7"]),
        ("shop.tenants", ["null", "9000000000"]),
        ("shop.orders", ["100"]),
    ],
)
def test_the_commands_that_a_row_names_show_what_they_promise(
    rows_url: str, table: str, key: list[str]
) -> None:
    env = {"DATABASE_URL": rows_url}
    row = invoke("inspect", "row", table, "--json", "--", *key, env=env).json
    references = [one for one in row["references"] if one["key"]]
    for reference in references:
        shown = invoke(*shlex.split(reference["command"])[1:], env=env)
        assert (shown.exit_code, reference["key"][-1] in shown.stdout) == (0, True)
    for referrer in row["referenced_by"]:
        if referrer["count"] == 0:
            assert referrer["command"] is None
            continue
        argv = [*shlex.split(referrer["command"])[1:], "--count", "--json"]
        count = invoke(*argv, env=env).json["count"]
        assert (min(count, 1000), count > 1000) == (referrer["count"], referrer["more"])
    assert references or row["referenced_by"]


async def test_a_key_of_too_many_values_is_a_usage_error(connection: Connection) -> None:
    error = await refused(find_row(connection, "hub", ["1", "2"]))
    assert error.message == "the primary key of public.hub is id: 1 value, not 2"


async def test_the_rows_of_many_tables_are_counted_in_a_few_statements(
    connection: Connection,
) -> None:
    statements: list[str] = []
    with connection.query_logger(lambda record: statements.append(record.query)):
        result = await find_row(connection, "hub", ["1"])
    counts = {(one.table, one.columns): one.count for one in result.referenced_by}
    expected = {(f"public.spoke_{i}", ("hub",)): i for i in range(1, 61)}
    expected |= {(f"public.spoke_{i}", ("other",)): 0 for i in range(1, 61)}
    assert counts == expected
    assert len(statements) < 40


async def test_what_a_row_refers_to_is_read_in_a_few_statements(connection: Connection) -> None:
    statements: list[str] = []
    with connection.query_logger(lambda record: statements.append(record.query)):
        result = await find_row(connection, "pointing", ["1"])
    labels = [one.label for one in result.references]
    assert labels == [f"name {i}" for i in range(1, 8)]
    assert len([one for one in statements if "name" in one and "pointed" in one]) == 1
    assert len([one for one in statements if "SAVEPOINT" in one]) == 2


async def test_one_table_that_may_not_be_read_does_not_keep_others_from_being_counted(
    connection: Connection, rows_url: str
) -> None:
    await connection.execute("CREATE ROLE guest LOGIN")
    try:
        await connection.execute("GRANT SELECT ON hub, spoke_7 TO guest")
        async with connected(rows_url.replace("postgres@", "guest@")) as guest:
            result = await find_row(guest, "hub", ["1"])
        told = [one for one in result.referenced_by if one.columns == ("hub",)]
        assert {one.table: one.count for one in told if one.note is None} == {"public.spoke_7": 7}
        assert len(told) == 60
    finally:
        await connection.execute("DROP OWNED BY guest")
        await connection.execute("DROP ROLE guest")


async def test_following_shows_the_rows_at_both_ends(connection: Connection) -> None:
    result = await find_row(connection, "people", ["2"], follow=True)
    references = {one.columns: one for one in result.references}
    boss = references["boss_id",].rows
    assert boss is not None
    assert [row["full_name"] for row in boss.rows] == ["Ada"]
    (orders,) = (one for one in result.referenced_by if one.table == "shop.orders")
    assert orders.rows is not None
    assert [row["id"] for row in orders.rows.rows] == [100, 101, 102, 103, 104]
    assert orders.rows.more
    document = json.loads(result.model_dump_json())
    assert document["referenced_by"][-1]["rows"]["rows"][0]["id"] == 100
    assert "Ada" in shown_row(result)


async def test_masked_columns_stay_masked_in_what_belongs_to_a_row(
    connection: Connection,
) -> None:
    masks = Masks(
        columns=dict.fromkeys(
            ("shop.tenants.title", "shop.tenants.region", "shop.orders.tenant_title"), "marked"
        )
    )
    result = await find_row(connection, "shop.orders", ["1"], follow=True, masks=masks)
    titled = next(one for one in result.references if one.columns == ("tenant_title",))
    assert (titled.key, titled.label, titled.command) == (("***",), None, None)
    assert titled.rows is not None
    assert titled.rows.rows[0] | {"no": 7} == {
        "region": "***", "no": 7, "title": "***", "password": "***",
    }  # fmt: skip
    assert result.row["secret_token"] == "***"
    person = await find_row(connection, "people", ["1"], follow=True, masks=masks)
    everything = person.model_dump_json() + result.model_dump_json() + shown_row(person)
    assert "hunter2" not in everything
    assert "odd" not in person.model_dump_json()


@pytest.mark.parametrize("table", ["heir", "grandchild"])
async def test_what_inherits_is_masked_as_its_parents_are(
    connection: Connection, table: str
) -> None:
    masks = Masks(columns={"elder.word": "marked", "elder.id": "marked"})
    result = await list_rows(connection, table, limit=None, masks=masks)
    assert {row["word"] for row in result.rows} == {"***"}
    by_word = Masks(columns={"elder.word": "marked"})
    assert (await find_row(connection, table, ["2"], masks=by_word)).row["word"] == "***"
    (reference,) = (await find_row(connection, "of_heirs", ["1"], masks=masks)).references
    assert (reference.key, reference.label, reference.command) == (("***",), None, None)


async def test_an_unindexed_scan_of_a_huge_table_is_left_out_with_a_word(
    connection: Connection,
) -> None:
    result = await find_row(connection, "huge", ["5"])
    (child,) = result.referenced_by
    assert (child.count, child.note) == (None, "no index on huge_id")
    assert "not counted: no index on huge_id" in shown_row(result)
    agreed = await find_row(connection, "huge", ["1"], guard=Guard(agreed=True))
    assert agreed.referenced_by[0].count == 100


async def test_a_table_that_may_not_be_read_does_not_hide_the_row(
    connection: Connection, rows_url: str
) -> None:
    await connection.execute("CREATE ROLE visitor LOGIN")
    try:
        await connection.execute("GRANT SELECT ON people TO visitor")
        async with connected(rows_url.replace("postgres@", "visitor@")) as visitor:
            result = await find_row(visitor, "people", ["1"])
        notes = {one.table: one.note for one in result.references}
        assert result.row["full_name"] == "Ada"
        assert "permission denied" in (notes["shop.tenants"] or "")
        assert notes["public.people"] is None
        commands = {one.table: one.command for one in result.referenced_by}
        assert commands["shop.orders"] is None
        assert commands["public.people"] is not None
    finally:
        await connection.execute("DROP OWNED BY visitor")
        await connection.execute("DROP ROLE visitor")


def test_json_in_a_row_is_what_the_server_wrote_to_the_byte(rows_url: str) -> None:
    env = {"DATABASE_URL": rows_url}
    done = invoke("inspect", "row", "documents", "1", "--follow", "--json", env=env)
    text = r'{"id":1,"j":{"a": 1, "a": 2,  "s": "\ud800 é"},"b":0.12345678901234567890}'
    assert f'  "row": {text},\n' in done.stdout
    assert '{"document_id":1,"j":1.10}' in done.stdout
    assert done.json["referenced_by"][0]["count"] == 1
    line = invoke("inspect", "row", "documents", "1", "--format", "ndjson", env=env)
    assert line.stdout == text + "\n"
    for output in ("json", "ndjson", "csv", "markdown", "vertical", "table"):
        deep = invoke("inspect", "row", "documents", "2", "--format", output, env=env)
        assert (deep.exit_code, deep.stderr) == (0, "")
        assert deep.stdout.count("[") > 300


@pytest.mark.parametrize("output", ["json", "ndjson", "csv", "vertical", "table"])
def test_a_row_that_is_not_there_is_a_finding_in_every_format(rows_url: str, output: str) -> None:
    argv = ("inspect", "row", "documents", "7", "--format", output)
    assert invoke(*argv, env={"DATABASE_URL": rows_url}).exit_code == 1


async def test_a_row_shows_the_columns_asked_for(connection: Connection) -> None:
    result = await find_row(connection, "people", ["1"], columns=["full_name"])
    assert result.row == {"full_name": "Ada"}


# --- views ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["contacts", "contacts_kept"])
async def test_a_view_hides_what_comes_from_a_masked_column(
    connection: Connection, name: str
) -> None:
    masks = Masks(columns={"people.full_name": "marked in the models"})
    result = await list_rows(connection, name, order=["id"], limit=1, masks=masks)
    assert result.rows == ({"id": 1, "who": "***", "n": 1},)
    assert "masked: who (marked in the models); --reveal" in shown(result)
    open_ = await list_rows(connection, name, order=["id"], limit=1)
    assert open_.rows[0]["who"] == "ADA"


async def test_what_a_kept_view_is_made_of_is_hidden_where_nobody_may_look(
    connection: Connection, rows_url: str
) -> None:
    await connection.execute("CREATE ROLE guest LOGIN")
    try:
        await connection.execute("GRANT SELECT ON contacts_kept TO guest")
        async with connected(rows_url.replace("postgres@", "guest@")) as guest:
            result = await list_rows(guest, "contacts_kept", limit=1)
        assert set(result.rows[0].values()) == {"***"}
    finally:
        await connection.execute("DROP OWNED BY guest")
        await connection.execute("DROP ROLE guest")


async def test_secrets_of_the_system_are_masked_too(connection: Connection) -> None:
    await connection.execute("CREATE ROLE keeper PASSWORD 'hunter3'")
    try:
        result = await list_rows(connection, "pg_catalog.pg_authid", where=["rolname=keeper"])
    finally:
        await connection.execute("DROP ROLE keeper")
    (row,) = result.rows
    assert (row["rolname"], row["rolpassword"]) == ("keeper", "***")


async def test_a_view_that_would_do_more_than_read_is_refused(connection: Connection) -> None:
    for work in (
        list_rows(connection, "trap"),
        count_rows(connection, "trap"),
        sampled(connection, "trap", 1),
    ):
        error = await refused(work)
        assert error.exit_code == ExitCode.REFUSED
        assert "pg_advisory_lock" in error.message
    assert await connection.fetchval("SELECT count(*) FROM pg_locks WHERE locktype='advisory'") == 0
    error = await refused(list_rows(connection, "chance"))
    assert "setseed() sets the seed of random(), which outlives the transaction" in error.message


# --- the command line -----------------------------------------------------------------------


def shown(result: RowsResult, width: int = 80) -> str:
    return drawn(views.rows(result), width)


def shown_row(result: Any, width: int = 80) -> str:
    return drawn(row_views.row(result), width)


def drawn(view: Any, width: int) -> str:
    with redirect_stdout(io.StringIO()) as out:
        wide = console()
        wide.width = width
        wide.print(view)
    return out.getvalue()


def test_rows_takes_its_conditions_as_arguments_and_as_options(rows_url: str) -> None:
    env = {"DATABASE_URL": rows_url}
    both = invoke(
        "inspect", "rows", "big", "id<=10", "kind>3", "--where", "word~w1%", "--json", env=env
    )  # fmt: skip
    assert [row["id"] for row in both.json["rows"]] == [10]
    everything = invoke("inspect", "rows", "pages", "--all", "--format", "csv", env=env)
    assert len(list(csv.DictReader(io.StringIO(everything.stdout, newline="")))) == 25
    counted = invoke("inspect", "rows", "big", "id<=10", "--count", "--json", env=env)
    assert counted.json == {"table": "public.big", "count": 10}
    place = invoke("inspect", "rows", "big", "--limit", "2", "--json", env=env).json["next"]
    rest = invoke("inspect", "rows", "big", "--limit", "1", "--after", place, "--json", env=env)
    assert [row["id"] for row in rest.json["rows"]] == [3]
    sample = invoke("inspect", "rows", "big", "--sample", "4", "--json", env=env)
    assert (len(sample.json["rows"]), sample.json["sample"]) == (4, True)


@pytest.mark.parametrize(
    "options",
    [
        ["--count", "--limit", "5"],
        ["--count", "--after", "x"],
        ["--count", "--sample", "3"],
        ["--sample", "3", "--order", "id"],
        ["--sample", "3", "--offset", "1"],
        ["--all", "--limit", "0"],
        ["--seed", "1"],
    ],
)
def test_options_that_make_no_sense_together_are_a_usage_error(
    rows_url: str, options: list[str]
) -> None:
    done = invoke("inspect", "rows", "big", *options, "--json", env={"DATABASE_URL": rows_url})
    assert (done.exit_code, done.json["error"]["code"]) == (2, "usage")
    assert done.json["error"]["hint"]


def test_a_time_limit_ends_a_read_and_zero_is_none(rows_url: str) -> None:
    env = {"DATABASE_URL": rows_url}
    for more in ((), ("--count",), ("--sample", "1"), ("--format", "csv")):
        argv = ("inspect", "rows", "slow", "--timeout", "0.1", "--yes", *more)
        ended = invoke(*argv, env=env)
        assert ended.exit_code == 4
        assert "statement timeout" in ended.stderr
    assert invoke("inspect", "rows", "seen", "--timeout", "0", env=env).exit_code == 0
    assert invoke("inspect", "rows", "seen", "--timeout", "-1", env=env).exit_code == 2


def test_masked_values_are_shown_with_reveal_and_not_in_production_without_a_word(
    rows_url: str,
) -> None:
    env = {"DATABASE_URL": rows_url}
    masked = invoke("inspect", "rows", "shop.tenants", env=env)
    assert "hunter2" not in masked.stdout
    assert "masked: password (its name says password); --reveal" in masked.stdout
    assert "hunter2" in invoke("inspect", "rows", "shop.tenants", "--reveal", env=env).stdout
    row = invoke("inspect", "row", "shop.tenants", "eu,x", "7", "--reveal", "--json", env=env)
    assert row.json["row"]["password"] == "hunter2"

    production = env | {"ENVIRONMENT": "production"}
    refused = invoke("inspect", "rows", "shop.tenants", "--reveal", "--json", env=production)
    assert (refused.exit_code, refused.json["error"]["code"]) == (5, "production_guard")
    allowed = invoke(
        "inspect", "rows", "shop.tenants", "--reveal", "--allow-production", env=production
    )
    assert "hunter2" in allowed.stdout


async def test_everything_works_through_a_transaction_pooler(
    rows_url: str, pgbouncer: Pgbouncer
) -> None:
    url = pgbouncer.url_of(dsn.parse(rows_url, environ={}).database or "")
    async with connected(url) as one, connected(url) as two:
        for connection in (one, two, one):
            page = await list_rows(connection, "big", where=["kind=3"], limit=2)
            rest = await list_rows(connection, "big", where=["kind=3"], limit=2, after=page.next)
            assert [row["id"] for row in rest.rows] == [203, 303]
            assert (await count_rows(connection, "big", where=["kind>=99"])).count == 200
            assert len((await sampled(connection, "big", 4)).rows) == 4
            assert (await find_row(connection, "people", ["1"], follow=True)).referenced_by


@pytest.mark.parametrize("name", ["seen", "kept", "parted", "parted_low", "keyless", "bare"])
async def test_every_kind_of_relation_can_be_read_and_counted(
    connection: Connection, name: str
) -> None:
    result = await list_rows(connection, name, limit=1)
    assert len(result.rows) == 1
    assert (await count_rows(connection, name)).count >= 1
    assert shown(result)


async def test_all_rows_together_are_not_sorted_unless_asked(connection: Connection) -> None:
    async def sorted_by(**options: Any) -> tuple[str, ...]:
        return (await list_rows(connection, "pages", **options)).order

    assert await sorted_by(limit=None) == ()
    assert await sorted_by(limit=None, order=["c"]) == ("c", "b", "a")
    assert await sorted_by(limit=None, offset=1) == ("b", "a")
    assert await sorted_by(limit=5) == ("b", "a")


KEYS = [
    ("int[]", "{1,2}"),
    ("text[]", '{"a,b",NULL,"null","x y"}'),
    ("int[]", "{{1},{2}}"),
    ("bytea[]", '{"\\\\x00ff",NULL}'),
    ("timestamptz[]", "{2024-01-01 10:00+00}"),
    ("bytea", "\\x00ff"),
    ("int4range", "[1,5)"),
    ("mood[]", '{"so so"}'),
    ("text", ""),
    ("text", "null"),
    ("text", "'q'"),
    ("text", " x "),
    ("text", "[1]"),
]


@pytest.mark.parametrize(("kind", "value"), KEYS)
def test_row_takes_a_key_as_rows_shows_it(rows_url: str, kind: str, value: str) -> None:
    env = {"DATABASE_URL": rows_url}
    execute(
        rows_url,
        f"create table keyed (id {kind}, n int default 1, primary key (id, n))",
        f"insert into keyed values ($q${value}$q$)",
    )
    try:
        shown = invoke("inspect", "rows", "keyed", "--json", env=env).json["rows"][0]["id"]
        table = invoke("inspect", "rows", "keyed", "--format", "table", env=env).stdout
        cell = table.splitlines()[3].strip().rpartition(" ")[0].strip()
        exported = invoke("inspect", "rows", "keyed", "--format", "csv", env=env).stdout
        (line,) = csv.DictReader(io.StringIO(exported))
        forms = {shown if isinstance(shown, str) else json.dumps(shown), cell, line["id"]}
        for form in forms:
            done = invoke("inspect", "row", "keyed", "--json", "--", form, "1", env=env)
            assert done.exit_code == 0, (form, done.stdout)
        assert "1 row\n" in invoke("inspect", "rows", "keyed", f"id={cell}", env=env).stdout
    finally:
        execute(rows_url, "drop table keyed")
