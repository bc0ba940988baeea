"""`inspect query`: what is masked where the plan hides it, and what must not be masked with it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import asyncpg
import pytest

from dbctl.errors import OperationFailed, RefusedError
from dbctl.inspect.masking import NOTHING_MASKED, Masks
from dbctl.inspect.query.results import QueryResult
from tests.support.databases import TestServer, connected, execute
from tests.support.looks import list_rows, run_query

TABLES = (
    "CREATE TABLE users (id int PRIMARY KEY, name text, password text)",
    "INSERT INTO users VALUES (1, 'ada', 'hunter1'), (2, 'bob', 'hunter2')",
    "CREATE TABLE admins (level int) INHERITS (users)",
    "INSERT INTO admins VALUES (3, 'cy', 'hunter3', 1)",
    "CREATE TABLE orders (id int PRIMARY KEY, user_id int, total numeric)",
    "INSERT INTO orders VALUES (1, 2, 10), (2, 1, 20)",
    "CREATE MATERIALIZED VIEW kept AS SELECT id, name, password AS p FROM users",
    "CREATE MATERIALIZED VIEW kept_again AS SELECT name, p AS q FROM kept",
    "CREATE VIEW swapped AS SELECT q.name AS a, q.password AS b"
    " FROM (SELECT password, name FROM users OFFSET 0) q",
    "CREATE VIEW failing AS SELECT id FROM users WHERE password::int > 0",
    "CREATE FUNCTION fixed(n int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS"
    " $$ BEGIN RETURN (SELECT password FROM users WHERE id = n); END $$",
    "CREATE FUNCTION slug(t text) RETURNS text LANGUAGE sql IMMUTABLE AS"
    " $$ SELECT lower(replace(t, ' ', '-')) $$",
    "CREATE FUNCTION step(s text, n int) RETURNS text LANGUAGE sql AS"
    " 'SELECT password FROM users WHERE id = 1'",
    "CREATE AGGREGATE sneaky (int) (SFUNC = step, STYPE = text)",
)
# They are looked at with every statement, so they have a database of their own.
SILENT = (
    "CREATE TYPE pair AS (a text, b text)",
    "CREATE FUNCTION cast_to_pair(n int) RETURNS pair LANGUAGE sql STABLE AS"
    " $$ SELECT (password, 'x')::pair FROM users WHERE id = n $$",
    "CREATE CAST (int AS pair) WITH FUNCTION cast_to_pair(int)",
    "CREATE FUNCTION operated(n int, m int) RETURNS text LANGUAGE sql STABLE AS"
    " 'SELECT password FROM users WHERE id = n'",
    "CREATE OPERATOR @#@ (LEFTARG = int, RIGHTARG = int, FUNCTION = operated)",
)


@pytest.fixture(scope="module")
def url(server: TestServer) -> Iterator[str]:
    """A database with some tables, which the tests only read."""
    with server.database() as url:
        execute(url, *TABLES)
        yield url


async def make(url: str, *statements: str) -> None:
    async with connected(url) as connection:
        for statement in statements:
            await connection.execute(statement)


async def masked(url: str, sql: str) -> list[str]:
    """Return the names of the masked columns; no value of one is in the rows."""
    async with connected(url) as connection:
        result: QueryResult = await run_query(connection, sql, masks=Masks())
    assert "hunter" not in json.dumps([*result.rows])
    return [header.name for header in result.headers if header.masked]


# A statement, and which of its columns are masked.
CASES: list[tuple[str, list[str]]] = [
    # What the server reorders.
    ("SELECT i.z FROM orders o LEFT JOIN (SELECT id, password AS z FROM users OFFSET 0) i"
     " ON i.id = o.user_id", ["z"]),
    ("SELECT q.id, q.z FROM (SELECT name, password AS z, id FROM users OFFSET 0) q"
     " JOIN orders o ON o.id = q.id", ["z"]),
    ("SELECT q.name, q.password FROM (SELECT password AS name, name AS password, id FROM users"
     " OFFSET 0) q JOIN orders o ON o.id = q.id", ["name", "password"]),
    ("SELECT a FROM swapped", []),
    ("SELECT b FROM swapped", ["b"]),
    ("SELECT p AS x, name FROM kept", ["x"]),
    ("SELECT * FROM kept_again", ["q"]),
    # What the plan does not show.
    ("SELECT fixed(1) AS f, 'a' || fixed(2) AS g, name FROM users", ["f", "g"]),
    ("SELECT z FROM (SELECT fixed(1) AS z OFFSET 0) q", ["z"]),
    ("SELECT z FROM (VALUES (fixed(1)), ('x')) v (z)", ["z"]),
    ("SELECT sneaky(id) AS s FROM orders", ["s"]),
    ("WITH RECURSIVE r (n, z) AS (SELECT 1, ''::text UNION ALL SELECT n + 1,"
     " (SELECT password FROM users WHERE id = n) FROM r WHERE n < 3) SELECT z FROM r", ["z"]),
    ("EXPLAIN (VERBOSE) SELECT fixed(1)", ["QUERY PLAN"]),
    ("EXPLAIN SELECT name FROM users WHERE password = 'x'", []),
    # One name for two CTEs.
    ("WITH c AS MATERIALIZED (SELECT name AS c FROM users) SELECT x.c FROM"
     " (WITH c AS MATERIALIZED (SELECT password AS c FROM users) SELECT * FROM c) x, c", ["c"]),
    # What people ask every day.
    ("WITH a AS (SELECT * FROM users) SELECT x.id, y.name, y.password FROM a x JOIN a y"
     " ON x.id = y.id", ["password"]),
    ("WITH a (x, y) AS MATERIALIZED (SELECT password, name FROM users) SELECT y FROM a", []),
    ("WITH a (x, y) AS MATERIALIZED (SELECT password, name FROM users) SELECT x FROM a", ["x"]),
    ("SELECT * FROM (SELECT u.*, row_number() OVER (PARTITION BY name ORDER BY id) AS rn"
     " FROM users u) q WHERE rn = 1", ["password"]),
    ("SELECT u.id, v.label FROM users u JOIN (VALUES (1, 'one'), (2, 'two')) v (id, label)"
     " ON v.id = u.id", []),
    ("WITH RECURSIVE t AS (SELECT id, name, 1 AS depth FROM users WHERE id = 1 UNION ALL"
     " SELECT u.id, u.name, depth + 1 FROM users u JOIN t ON u.id = t.id + 1)"
     " SELECT * FROM t", []),
    ("SELECT u.name, sum(o.total) FROM users u JOIN orders o ON o.user_id = u.id"
     " GROUP BY u.name", []),
    ("SELECT slug(name) AS s, tableoid::regclass FROM users", []),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "expected"), CASES, ids=[sql[:60] for sql, _ in CASES])
async def test_a_column_is_masked_where_its_values_come_from_a_masked_one(
    url: str, sql: str, expected: list[str]
) -> None:
    assert await masked(url, sql) == expected


@pytest.mark.parametrize("sql", ["SELECT 1 @#@ 1 AS z", "SELECT (1::pair).a AS z"])
async def test_what_runs_without_a_name_is_masked_too(empty_url: str, sql: str) -> None:
    await make(empty_url, TABLES[0], TABLES[1], *SILENT)
    assert await masked(empty_url, sql) == ["z"]
    assert await masked(empty_url, "SELECT name, id FROM users") == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT password::int FROM users",
        "SELECT count(*) FROM users WHERE password::date > now()",
        "SELECT password::regrole FROM users",
        "SELECT p::json FROM kept",
        "SELECT id FROM failing",
        "SELECT fixed(1)::int",
        "EXPLAIN ANALYZE SELECT password::int FROM users",
    ],
)
async def test_an_error_does_not_tell_a_masked_value(url: str, sql: str) -> None:
    async with connected(url) as connection:
        with pytest.raises(OperationFailed, match="kept back") as failed:
            await run_query(connection, sql, masks=Masks())
        assert "hunter" not in f"{failed.value} {failed.value.hint}"
        with pytest.raises(asyncpg.PostgresError, match="hunter"):
            await run_query(connection, sql, masks=NOTHING_MASKED)
        with pytest.raises(asyncpg.DivisionByZeroError):
            await run_query(connection, "SELECT 1 / (id - id) FROM orders", masks=Masks())


async def test_a_generated_column_is_masked_as_what_it_is_made_of(empty_url: str) -> None:
    await make(
        empty_url,
        "CREATE TABLE t (secret text, n int, low text GENERATED ALWAYS AS (lower(secret)) STORED,"
        " m int GENERATED ALWAYS AS (n + 1) STORED)",
        "INSERT INTO t VALUES ('HUNTER', 1)",
    )
    assert await masked(empty_url, "SELECT low AS l, m FROM t") == ["l"]
    async with connected(empty_url) as connection:
        found = await list_rows(connection, "t")
    assert [header.name for header in found.headers if header.masked] == ["secret", "low"]


async def test_an_error_of_a_view_does_not_tell_a_masked_value(url: str) -> None:
    async with connected(url) as connection:
        with pytest.raises(OperationFailed, match="kept back"):
            await list_rows(connection, "failing")


# --- functions behind operators -------------------------------------------------------------

LOCKING = (
    "CREATE TYPE kind AS ENUM ('a')",
    "CREATE FUNCTION locking(kind, kind) RETURNS bool LANGUAGE sql AS"
    " 'SELECT pg_try_advisory_lock(1)'",
    "CREATE FUNCTION locking(kind, int) RETURNS bool LANGUAGE sql AS"
    " 'SELECT pg_try_advisory_lock(1)'",
)


@pytest.mark.parametrize(
    ("operator", "sql"),
    [
        ("= (LEFTARG = kind, RIGHTARG = kind", "SELECT 'a'::kind IN ('a'::kind)"),
        ("= (LEFTARG = kind, RIGHTARG = kind", "SELECT nullif('a'::kind, 'a'::kind)"),
        ("~~ (LEFTARG = kind, RIGHTARG = kind", "SELECT 'a'::kind LIKE 'a'::kind"),
        ("* (LEFTARG = kind, RIGHTARG = int", "SELECT 'a'::kind *-1"),
    ],
)
async def test_an_operator_that_a_statement_implies_is_looked_at(
    empty_url: str, operator: str, sql: str
) -> None:
    await make(empty_url, *LOCKING, f"CREATE OPERATOR {operator}, FUNCTION = locking)")
    async with connected(empty_url) as connection:
        with pytest.raises(RefusedError, match="advisory lock"):
            await run_query(connection, sql)


async def test_an_extension_of_the_server_does_not_stop_every_query(empty_url: str) -> None:
    await make(empty_url, "CREATE EXTENSION citext", "CREATE EXTENSION isn")
    async with connected(empty_url) as connection:
        found = await run_query(connection, "SELECT 1 WHERE 'a'::citext ~ 'A' AND 1 = 1")
    assert found.count == 1


@pytest.mark.parametrize("body", ["PREPARE x AS SELECT 1", "SET statement_timeout = 0"])
async def test_a_function_that_changes_the_session_is_refused(empty_url: str, body: str) -> None:
    await make(
        empty_url,
        f"CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN 1; END $$",
    )
    async with connected(empty_url) as connection:
        with pytest.raises(RefusedError, match=body.split()[0]):
            await run_query(connection, "SELECT f()")


@pytest.mark.parametrize(
    ("extension", "sql"),
    [
        ("pageinspect", "SELECT heap_page_items(get_raw_page('t', 0))"),
        ("pageinspect", "SELECT bt_page_items('t_pkey', 1)"),
        ("pg_trgm", "SELECT set_limit(0.9)"),
    ],
)
async def test_an_extension_does_not_read_past_the_masks(
    empty_url: str, extension: str, sql: str
) -> None:
    await make(empty_url, f"CREATE EXTENSION {extension}", "CREATE TABLE t (a text PRIMARY KEY)")
    async with connected(empty_url) as connection:
        with pytest.raises(RefusedError):
            await run_query(connection, sql)


# --- fields of composite types, statements of others ----------------------------------------

COMPOSITES = (
    "CREATE TYPE login AS (name text, password text)",
    "CREATE TYPE plain AS (name text, size int)",
    "CREATE TYPE outer_login AS (id int, inner_login login)",
    "CREATE DOMAIN checked_login AS login CHECK (VALUE IS NOT NULL)",
    "CREATE TABLE composed (id int PRIMARY KEY, one login, many login[], deep outer_login,"
    " checked checked_login, fine plain)",
    "INSERT INTO composed VALUES (1, ROW('ada', 'hunter'), ARRAY[ROW('ada', 'hunter')::login],"
    " ROW(1, ROW('ada', 'hunter')), ROW('ada', 'hunter'), ROW('x', 1))",
    "CREATE VIEW seen AS SELECT id, one AS o, fine FROM composed",
    "CREATE FUNCTION login_of(int) RETURNS login LANGUAGE sql AS"
    " 'SELECT one FROM composed WHERE id = $1'",
)
_HIDING = ["one", "many", "deep", "checked"]


async def test_a_column_whose_type_has_a_masked_field_is_masked(empty_url: str) -> None:
    await make(empty_url, *COMPOSITES)
    assert await masked(empty_url, "SELECT * FROM composed") == _HIDING
    assert await masked(empty_url, "SELECT (one).password AS p, fine FROM composed") == ["p"]
    assert await masked(empty_url, "SELECT (deep).inner_login AS i, (fine).name FROM composed") == [
        "i"
    ]
    assert await masked(empty_url, "SELECT u AS u, id FROM composed, unnest(many) u") == ["u"]
    assert await masked(empty_url, "SELECT login_of(1) AS l, id FROM composed") == ["l"]
    assert await masked(empty_url, "SELECT to_json(one) AS j FROM composed") == ["j"]
    async with connected(empty_url) as connection:
        for relation, expected in (("composed", _HIDING), ("seen", ["o"])):
            found = await list_rows(connection, relation)
            assert [header.name for header in found.headers if header.masked] == expected
            assert "hunter" not in json.dumps([*found.rows])
        masks = Masks(columns={"plain.size": "because"})
        found = await list_rows(connection, "composed", masks=masks)
        (reason,) = (header.reason for header in found.headers if header.name == "fine")
        assert reason == "because, of its field size"


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT pid, state, query FROM pg_stat_activity", ["query"]),
        ("SELECT pid, upper(query) AS q FROM pg_stat_activity JOIN pg_locks USING (pid)", ["q"]),
        ("SELECT a FROM pg_stat_activity a", ["a"]),
        ("SELECT pid, query FROM pg_stat_get_activity(NULL)", ["query"]),
        ("SELECT pid FROM pg_stat_get_activity(NULL)", []),
        ("SELECT pg_stat_get_backend_activity(1) AS q", ["q"]),
        ("SELECT state, count(*) FROM pg_stat_activity GROUP BY state", []),
        ("SELECT count(*) FROM pg_stat_activity WHERE query ~ 'x'", []),
    ],
)  # fmt: skip
async def test_what_other_sessions_run_is_masked(url: str, sql: str, expected: list[str]) -> None:
    async with connected(url) as other, connected(url) as connection:
        await other.execute("SELECT 'hunter' AS password")
        result = await run_query(connection, sql, masks=Masks())
    assert "hunter" not in json.dumps([*result.rows])
    assert [header.name for header in result.headers if header.masked] == expected
