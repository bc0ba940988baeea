"""`inspect query`: what it takes for a statement, what it finds, and what it masks."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from dbctl.db import dsn
from dbctl.db.catalog import resolve
from dbctl.errors import DbctlError, ExitCode, RefusedError, UsageError
from dbctl.inspect.masking import NOTHING_MASKED, Masks
from dbctl.inspect.query import builtins
from dbctl.inspect.query.guard import guard_relation
from dbctl.inspect.query.parameters import parse_parameters
from dbctl.inspect.query.results import QueryResult
from dbctl.inspect.query.statement import LONGEST, parse_statement
from dbctl.sqltokens import Kind, tokenize
from tests.support.cli import invoke, run_dbctl
from tests.support.databases import TestServer, connected, execute
from tests.support.looks import run_query
from tests.support.pgbouncer import Pgbouncer

TABLES = (
    "CREATE TABLE users (id int PRIMARY KEY, name text, password text, email text)",
    "INSERT INTO users VALUES (1, 'ada', 'pw1', 'a@x'), (2, 'bob', 'pw2', 'b@x')",
    "CREATE TABLE orders (id int PRIMARY KEY, user_id int REFERENCES users, tags text[])",
    "INSERT INTO orders VALUES (10, 1, '{a,b}'), (11, 2, NULL)",
    "CREATE VIEW people AS SELECT id, name, password AS p, email FROM users",
    "CREATE TABLE logins (at date, token text) PARTITION BY RANGE (at)",
    "CREATE TABLE logins_2024 PARTITION OF logins FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')",
    "INSERT INTO logins VALUES ('2024-02-29', 't')",
    "CREATE DOMAIN code AS varchar(5)",
    """CREATE FUNCTION all_users() RETURNS SETOF users LANGUAGE plpgsql AS
       $$ BEGIN RETURN QUERY SELECT * FROM people_of_old; END $$""",
    """CREATE FUNCTION one(n int) RETURNS text LANGUAGE plpgsql AS
       $$ BEGIN RETURN (SELECT p FROM people WHERE id = n); END $$""",
    "CREATE FUNCTION twice(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 2 * n; END $$",
    "CREATE VIEW people_of_old AS SELECT * FROM users",
    "CREATE VIEW deep AS SELECT pg_try_advisory_lock(id) FROM users",
)


@pytest.fixture(scope="module")
def url(server: TestServer) -> Iterator[str]:
    """A database with some tables, which the tests only read."""
    with server.database() as url:
        execute(url, *TABLES)
        yield url


async def found(url: str, sql: str, **options: Any) -> QueryResult:
    async with connected(url) as connection:
        return await run_query(connection, sql, **options)


async def values(url: str, sql: str, **options: Any) -> list[list[object]]:
    return [list(row.values()) for row in (await found(url, sql, **options)).rows]


# --- what it finds --------------------------------------------------------------------------

QUERIES: list[tuple[str, list[list[object]]]] = [
    ("SELECT id, name FROM users ORDER BY id DESC", [[2, "bob"], [1, "ada"]]),
    ("SELECT id FROM users ORDER BY name DESC, id LIMIT 1 OFFSET 1", [[1]]),
    ("SELECT id FROM users ORDER BY id FETCH FIRST ROW ONLY", [[1]]),
    ("SELECT name, row_number() OVER (ORDER BY id DESC) FROM users ORDER BY 2", [
        ["bob", 1], ["ada", 2],
    ]),
    ("SELECT generate_series(1, 3) AS g, 'x' ORDER BY 1 DESC", [[3, "x"], [2, "x"], [1, "x"]]),
    ("VALUES (1, 'a'), (2, NULL)", [[1, "a"], [2, None]]),
    ("TABLE orders ORDER BY id", [[10, 1, ["a", "b"]], [11, 2, None]]),
    ("WITH RECURSIVE t (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 3)"
     " SELECT n FROM t ORDER BY n DESC", [[3], [2], [1]]),
    ("(SELECT 1 ORDER BY 1) UNION ALL (SELECT 2) ORDER BY 1 DESC", [[2], [1]]),
    ("SELECT DISTINCT ON (user_id) user_id, id FROM orders ORDER BY user_id", [[1, 10], [2, 11]]),
    ("SELECT tags[1:1], tags[:1], tags[2] FROM orders WHERE id = 10", [[["a"], ["a"], "b"]]),
    ("SELECT 1 WHERE false", []),
    ("SELECT 12345678901234567890.123::numeric, 'NaN'::float8, '2024-02-29'::timestamptz,"
     " 'x'::bytea, '{\"a\": 1}'::jsonb, 'abc'::code, ARRAY['a']::code[], ROW(1, 'a')", [
        ["12345678901234567890.123", "NaN", "2024-02-29T00:00:00+00:00", "eA==", '{"a": 1}', "abc",
         ["a"], "(1,a)"],
    ]),
    ("SELECT ';', '--', '/*', $$:x$$, E'\\':y', 1::int, ':z'", [
        [";", "--", "/*", ":x", "':y", 1, ":z"],
    ]),
    ("SELECT 1 -- the end", [[1]]),
    ("/* a */ SELECT /* b */ 1 /* c */ ; -- d", [[1]]),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "expected"), QUERIES, ids=[sql[:40] for sql, _ in QUERIES])
async def test_a_query_finds_what_the_server_does(
    url: str, sql: str, expected: list[list[object]]
) -> None:
    assert await values(url, sql) == expected


async def test_columns_of_one_name_are_told_apart(url: str) -> None:
    result = await found(url, "SELECT u.id, o.*, 1 AS id_2 FROM users u JOIN orders o ON true")
    assert result.columns() == ["id", "id_3", "user_id", "tags", "id_2"]
    assert [header.type for header in result.headers][3] == "text[]"


async def test_a_query_without_columns_counts_its_rows(url: str) -> None:
    result = await found(url, "SELECT FROM users")
    assert (result.columns(), result.count) == ([], 2)


async def test_a_query_stops_at_its_limit_and_says_that_there_is_more(url: str) -> None:
    result = await found(url, "SELECT generate_series(1, 5) g ORDER BY 1 DESC", limit=2)
    assert ([row["g"] for row in result.rows], result.more) == ([5, 4], True)
    assert not (await found(url, "SELECT id FROM users", limit=2)).more


async def test_show_and_explain_answer_in_rows(url: str) -> None:
    assert await values(url, "SHOW transaction_isolation") == [["repeatable read"]]
    everything = await found(url, "SHOW ALL")
    assert everything.columns() == ["name", "setting", "description"]
    plan = await found(url, "EXPLAIN (ANALYZE, COSTS OFF) SELECT * FROM users WHERE id = 1")
    assert plan.is_plan
    assert "users" in plan.rows[0]["QUERY PLAN"]
    explained = await found(
        url, "EXPLAIN (FORMAT JSON) SELECT * FROM users WHERE id = :id", given={"id": "1"}
    )
    assert (explained.headers[0].type, explained.is_plan) == ("json", False)
    assert json.loads(explained.rows[0]["QUERY PLAN"])[0]["Plan"]["Relation Name"] == "users"


# --- one statement --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("", "there is no statement"),
        (" ;; -- nothing", "there is no statement"),
        ("SELECT 1; SELECT 2", "there are 2 statements, and one is run at a time\n"
         "line 1: SELECT 1; SELECT 2\n                  ^"),
        ("SELECT nam FROM users", 'column "nam" does not exist\n'
         "line 1: SELECT nam FROM users\n               ^"),
        ("SELECT :a,\n  nam FROM users", 'column "nam" does not exist\n'
         "line 2:   nam FROM users\n          ^"),
        ("SELECT 'a", "unterminated quoted string at or near \"'a\"\nline 1: SELECT 'a\n"
         "               ^"),
        ("SELECT 1 FROM", "syntax error at end of input\nline 1: SELECT 1 FROM\n"
         "                     ^"),
        ("SELECT * FROM nowhere", 'relation "nowhere" does not exist\n'
         "line 1: SELECT * FROM nowhere\n                      ^"),
        ("SELECT $1", "$1 has no value\nline 1: SELECT $1\n               ^"),
        ("SELECT :b", ":b has no value\nline 1: SELECT :b\n               ^"),
        ("SELECT 1\0", "there is a NUL byte in the statement, at character 9"),
        ("\\d users", "'\\\\d' is a command of psql, not SQL\nline 1: \\d users\n        ^"),
        ("SELECT '" + "x" * LONGEST, f"the statement is {LONGEST + 8:,} characters long; "
         f"at most {LONGEST:,} are read"),
        ("SELECT 1" + "+1" * 30000, "stack depth limit exceeded"),
    ],
    ids=range(14),
)  # fmt: skip
async def test_what_is_no_statement_is_refused_with_the_place(
    url: str, sql: str, message: str
) -> None:
    given = {"a": "1"} if ":a" in sql else {}
    with pytest.raises(UsageError) as caught:
        await found(url, sql, given=given)
    assert caught.value.message == message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("DROP TABLE users", "DROP"),
        ("(DELETE FROM users)", "DELETE"),
        ("EXPLAIN DELETE FROM users", "EXPLAIN DELETE"),
        ("EXPLAIN (ANALYZE) UPDATE users SET id = 1", "EXPLAIN UPDATE"),
        ("WITH a AS MATERIALIZED (DELETE FROM users RETURNING id) TABLE a", "DELETE"),
        ("SELECT 1 INTO x", "SELECT INTO"),
        ("SELECT 1 FROM users FOR NO KEY UPDATE", "FOR NO"),
        ("'SELECT 1'", "\"'SELECT 1'\""),
    ],
)
def test_a_statement_that_does_not_read_is_refused_by_name(sql: str, named: str) -> None:
    with pytest.raises(RefusedError) as caught:
        parse_statement(sql)
    assert caught.value.message.split(" is not run")[0].split(" writes")[0] == named
    assert caught.value.exit_code is ExitCode.REFUSED


# Pieces that change how the rest of a text is read.
_FRAGMENTS = [
    "'", "'", "''", "\\", "\\'", "\n", "\n'", "E'", "e'", "U&'", "N'", "B'1", "$a$", "$$", "$a",
    "--", "/*", "*/", '"', ", 1", ", 1", " ", "a", "AS x$a$", "::text", "+", "1.5e", "(", ")", "\r",
]  # fmt: skip


async def test_a_text_is_cut_up_as_the_server_cuts_it(url: str) -> None:
    chance, understood = random.Random(5), 0
    async with connected(url) as connection:
        for _ in range(6000):
            text = "SELECT 1, 'x" + "".join(chance.choices(_FRAGMENTS, k=chance.randint(1, 9)))
            try:
                prepared = await connection.prepare(text, name="")
            except asyncpg.PostgresError:
                continue
            depth, columns = 0, 1
            for token in tokenize(text):
                if token.kind is Kind.SYMBOL:
                    depth += (token.text == "(") - (token.text == ")")
                    columns += token.text == "," and depth == 0
            assert len(prepared.get_attributes()) == columns, text
            understood += 1
    assert understood > 300


# --- parameters -----------------------------------------------------------------------------


async def test_parameters_are_bound_as_what_they_are_compared_with(url: str) -> None:
    sql = "SELECT name FROM users WHERE id = ANY(:ids) AND name <> :no AND :no IS NOT NULL"
    assert await values(url, sql, given={"ids": "[1,2]", "no": "bob'; --"}) == [["ada"], ["bob"]]
    assert await values(url, sql, given={"ids": "{1,2}", "no": "bob"}) == [["ada"]]
    assert await values(url, "SELECT :x || 'b', :y::int + 1", given={"x": "a", "y": "2"}) == [
        ["ab", 3]
    ]
    assert await values(url, "SELECT CAST(:x AS int) IS NULL", given={"x": None}) == [[True]]
    assert await values(url, "SELECT id FROM users ORDER BY id LIMIT :n", given={"n": "1"}) == [[1]]
    assert await values(url, "SELECT tags[:i] FROM orders WHERE id = 10", given={"i": "2"}) == [
        ["b"]
    ]


@pytest.mark.parametrize(
    ("sql", "given", "message"),
    [
        ("SELECT 1", {"x": "1"}, "the statement has no parameter :x"),
        ("SELECT ':x'", {"x": "1"}, "the statement has no parameter :x"),
        ("SELECT id + :x FROM users", {"x": "a"}, ":x is of type integer here and does not take"
         " 'a'"),
        ("SELECT :y, :x IS NULL", {"x": "a", "y": "1"}, "could not determine data type of "
         "parameter :x"),
    ],
)  # fmt: skip
async def test_a_parameter_that_does_not_fit_is_refused(
    url: str, sql: str, given: dict[str, str | None], message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        await found(url, sql, given=given)
    assert caught.value.message.split("\n")[0] == message
    assert caught.value.hint


def test_parameters_are_read_as_conditions_are() -> None:
    texts = ["a=null", "b='null'", "c=", "D=x=y", ":e=''"]
    assert parse_parameters(texts) == {"a": None, "b": "null", "c": "", "d": "x=y", "e": ""}
    for wrong in (["a"], ["=1"], ["a b=1"], ["a=1", "A=2"]):
        with pytest.raises(UsageError):
            parse_parameters(wrong)


# --- masking --------------------------------------------------------------------------------

# A statement, and which of its columns are masked.
MASKED: list[tuple[str, list[str]]] = [
    ("SELECT * FROM users", ["password"]),
    ("SELECT id, password AS p, upper(password) AS u, length(password) AS l FROM users",
     ["p", "u", "l"]),
    ("SELECT count(password), count(DISTINCT password) AS d, bool_or(password IS NULL) FROM users",
     []),
    ("SELECT name FROM users WHERE password = 'pw1'", []),
    ("SELECT name FROM users ORDER BY password", []),
    ("SELECT p, name FROM people", ["p"]),
    ("SELECT people FROM people", ["people"]),
    ("SELECT users FROM users", ["users"]),
    ("SELECT row_to_json(u) AS j, u::text AS t, to_jsonb(u) - 'id' AS b, u.name FROM users u",
     ["j", "t", "b"]),
    ("SELECT array_agg(password) AS a, string_agg(password, ',') AS s, min(password), max(name)"
     " FROM users", ["a", "s", "min"]),
    ("SELECT json_agg(u) AS j, count(u) FROM users u", ["j"]),
    ("SELECT name FROM users UNION ALL SELECT password FROM users", ["name"]),
    ("SELECT NULL AS a, name FROM users UNION SELECT password, name FROM users", ["a"]),
    ("SELECT name AS a FROM users UNION ALL SELECT password FROM users ORDER BY a", ["a"]),
    ("SELECT 'x' AS a, 'y' AS b UNION ALL SELECT password, name FROM users ORDER BY 1", ["a"]),
    ("SELECT a || 'z' AS c FROM (SELECT 'x' AS a UNION SELECT password FROM users) q", ["c"]),
    ("SELECT CASE WHEN id = 1 THEN password ELSE name END AS c, name FROM users", ["c"]),
    ("SELECT coalesce(name, password) AS c, password || 'x' AS d FROM users", ["c", "d"]),
    ("SELECT a, b FROM (SELECT name AS a, password AS b FROM users) q", ["b"]),
    ("SELECT a, b FROM (SELECT name AS a, password AS b FROM users OFFSET 0) q", ["b"]),
    ("SELECT q FROM (SELECT name, password FROM users OFFSET 0) q", ["q"]),
    ("WITH c AS (SELECT * FROM users) SELECT name, password AS p FROM c", ["p"]),
    ("WITH c (a, b) AS MATERIALIZED (SELECT name, password FROM users) SELECT a, b FROM c", ["b"]),
    ("WITH RECURSIVE c AS (SELECT password AS x FROM users UNION ALL"
     " SELECT x || 'a' FROM c WHERE length(x) < 6) SELECT x FROM c", ["x"]),
    ("SELECT (SELECT max(password) FROM users) AS m, id FROM users", ["m"]),
    ("SELECT (SELECT v.password FROM users v WHERE v.id = u.id) AS m, u.id FROM users u", ["m"]),
    ("SELECT u.id, EXISTS (SELECT v.password FROM users v WHERE v.id = u.id + 1) AS e FROM users u",
     []),
    ("SELECT o.id, u.password AS p FROM orders o JOIN users u ON u.id = o.user_id", ["p"]),
    ("SELECT x.c, u.id FROM users u, LATERAL (VALUES (u.password), (u.name)) x (c)", ["c"]),
    ("SELECT g, u.id FROM users u, regexp_split_to_table(u.password, '') g", ["g"]),
    ("SELECT j.value, u.id FROM users u, jsonb_each(to_jsonb(u)) j", ["value"]),
    ("SELECT first_value(password) OVER (ORDER BY id) AS f, rank() OVER (ORDER BY password)"
     " FROM users", ["f"]),
    ("SELECT min(id) OVER (PARTITION BY id), password AS p FROM users GROUP BY id, password",
     ["p"]),
    ("SELECT upper(password) AS u, count(*) FROM users GROUP BY upper(password)", ["u"]),
    ("SELECT DISTINCT password AS p, name FROM users", ["p"]),
    ("SELECT u.password IS NULL AS n, u.password = 'pw1' AS eq FROM users u", ["eq"]),
    ("SELECT md5(name) AS password, name AS token FROM users", ["password"]),
    ("SELECT at, token AS t FROM logins", ["t"]),
    ("SELECT t FROM (TABLE logins_2024 LIMIT 1) AS l (at, t)", ["t"]),
    ("SELECT rolname, rolpassword AS p FROM pg_authid", ["p"]),
    ("SELECT usename, passwd AS p FROM pg_shadow", ["p"]),
    ("SELECT stavalues1::text AS s, stanullfrac FROM pg_statistic", ["s"]),
    ("SELECT name COLLATE \"C\" AS c, now() AT TIME ZONE 'UTC' AS t, substring(name FROM 1 FOR 2),"
     " position('a' IN name), overlay(name PLACING 'x' FROM 1), trim(BOTH 'a' FROM name),"
     " name SIMILAR TO 'a%', name IS DISTINCT FROM 'a', sum(id) OVER w, password"
     " FROM users WINDOW w AS (PARTITION BY name)", ["password"]),
    ("SELECT substring(password FROM 1 FOR 2) AS a, password COLLATE \"C\" AS b, name"
     " FROM users", ["a", "b"]),
    ("SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY password) AS p,"
     " max(name) FILTER (WHERE password > '') AS n FROM users", ["p", "n"]),
    ("SELECT one(1) AS p, twice(2), 3 AS three", ["p", "twice"]),
    ("SELECT twice(id) AS t, name FROM users", []),
    ("SELECT f, 1 AS one FROM all_users() f", ["f"]),
    ("SELECT all_users() AS f", ["f"]),
    ("VALUES ('password')", []),
    ("SELECT 'x'::varchar(3) AS v, now()::timestamp with time zone AS t,"
     " extract(year FROM now()) AS y, name FROM users", []),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "expected"), MASKED, ids=[sql[:60] for sql, _ in MASKED])
async def test_a_column_is_masked_where_it_comes_from_a_masked_one(
    url: str, sql: str, expected: list[str]
) -> None:
    result = await found(url, sql, masks=Masks())
    assert [header.name for header in result.headers if header.masked] == expected
    assert all(header.reason for header in result.headers if header.masked)
    shown = json.dumps([*result.rows])
    assert "pw1" not in shown
    assert "pw2" not in shown


async def test_a_column_that_the_configuration_names_is_masked_in_views_and_partitions(
    url: str,
) -> None:
    masks = Masks(columns={"public.users.email": "because", "public.logins.at": "also"})
    result = await found(url, "SELECT email AS e, name FROM people", masks=masks)
    assert [header.reason for header in result.headers] == ["because", None]
    result = await found(url, "SELECT at FROM logins_2024", masks=masks)
    assert [header.reason for header in result.headers] == ["also"]


async def test_nothing_is_masked_where_it_is_revealed(url: str) -> None:
    found_ = await values(url, "SELECT password FROM users ORDER BY 1", masks=NOTHING_MASKED)
    assert found_ == [["pw1"], ["pw2"]]


# --- functions ------------------------------------------------------------------------------


async def test_every_volatile_function_of_the_server_is_decided(url: str) -> None:
    async with connected(url) as connection:
        names = await connection.fetch(
            "SELECT DISTINCT proname FROM pg_proc p WHERE p.oid < 16384 AND provolatile = 'v'"
            " AND prokind <> 'p' AND prorettype <> ALL (array['internal', 'trigger',"
            " 'index_am_handler', 'table_am_handler', 'language_handler']::regtype[])"
            " AND NOT 'internal'::regtype = ANY (proargtypes) AND proname !~ '^plpgsql_'"
        )
    unknown = [n for (n,) in names if "not known" in (builtins.deed(n, "v") or "")]
    assert unknown == []


async def test_a_view_is_looked_at_before_its_rows_are_read(url: str) -> None:
    async with connected(url) as connection:
        await guard_relation(connection, await resolve(connection, "people"))
        with pytest.raises(
            RefusedError, match=r"advisory lock, and the view public\.deep calls it"
        ):
            await guard_relation(connection, await resolve(connection, "deep"))


# --- the command ----------------------------------------------------------------------------


def test_the_statement_may_be_an_argument_a_file_or_stdin(url: str, tmp_path: Path) -> None:
    file = tmp_path / "a.sql"
    file.write_bytes(b"\xef\xbb\xbfSELECT 'f\xc3\xbc' AS a;\n")
    env = {"DATABASE_URL": url}
    assert invoke("inspect", "query", "-f", str(file), "--json", env=env).json["rows"] == [
        {"a": "fü"}
    ]
    assert invoke("inspect", "query", "SELECT 2", "--format", "csv", env=env).stdout == (
        "?column?\n2\n"
    )
    for arguments in (["-"], []):
        done = run_dbctl(
            "inspect", "query", *arguments, "--format", "csv", stdin="SELECT 3", env=env
        )
        assert done.stdout == "?column?\n3\n"


def test_a_statement_that_cannot_be_read_is_a_usage_error(url: str, tmp_path: Path) -> None:
    file = tmp_path / "a.sql"
    file.write_bytes(b"SELECT '\xff'")
    for arguments in (
        ["-f", str(file)],
        ["-f", str(tmp_path)],
        ["-f", "nowhere.sql"],
        ["SELECT 1", "-f", str(file)],
        ["SELECT 1", "--all", "--limit", "1"],
    ):
        done = invoke("inspect", "query", *arguments, "--json", env={"DATABASE_URL": url})
        assert (done.exit_code, done.json["error"]["code"]) == (ExitCode.USAGE, "usage"), arguments
        assert done.json["error"]["hint"]


def test_a_table_has_a_limit_and_what_a_program_reads_has_none(url: str) -> None:
    env, sql = {"DATABASE_URL": url}, "SELECT generate_series(1, 1001) AS g"
    table = invoke("inspect", "query", sql, env=env)
    assert "1,000 rows, and there are more: --limit N, or --all" in table.stdout
    assert "1,001 rows" in invoke("inspect", "query", sql, "--all", env=env).stdout
    assert len(invoke("inspect", "query", sql, "--format", "csv", env=env).stdout.split()) == 1002
    assert invoke("inspect", "query", sql, "--json", "--limit", "3", env=env).json["more"] is True


def test_a_plan_is_printed_as_it_is(url: str) -> None:
    sql = "EXPLAIN (COSTS OFF) SELECT * FROM users u JOIN orders o ON o.user_id = u.id"
    done = invoke("inspect", "query", sql, env={"DATABASE_URL": url})
    assert done.stdout.startswith(("Hash Join\n  Hash Cond:", "Merge Join", "Nested Loop"))
    assert "│" not in done.stdout


def test_what_is_masked_is_told_and_shown_on_demand(url: str) -> None:
    env, sql = {"DATABASE_URL": url}, "SELECT password AS p FROM users"
    masked = invoke("inspect", "query", sql, env=env)
    assert "masked: p (its name says password); --reveal shows what is there" in masked.stdout
    assert "pw1" not in masked.stdout
    assert "pw1" in invoke("inspect", "query", sql, "--reveal", env=env).stdout
    production = env | {"ENVIRONMENT": "production"}
    refused = invoke("inspect", "query", sql, "--reveal", "--json", env=production)
    assert (refused.exit_code, refused.json["error"]["code"]) == (5, "production_guard")
    allowed = ["--reveal", "--allow-production"]
    assert "pw1" in invoke("inspect", "query", sql, *allowed, env=production).stdout
    for format_ in ("csv", "ndjson", "vertical", "markdown"):
        done = invoke("inspect", "query", sql, "--format", format_, env=env)
        assert "pw1" not in done.stdout
        assert "***" in done.stdout.replace("\\", "")


def test_a_query_that_costs_too_much_is_refused_unless_agreed_to(url: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.dbctl.inspect]\nmax_cost = 5\n")
    sql, env = "SELECT count(*) FROM generate_series(1, 1000) g", {"DATABASE_URL": url}
    done = invoke("inspect", "query", sql, "--json", env=env, cwd=tmp_path)
    assert (done.exit_code, done.json["error"]["code"]) == (5, "cost_guard")
    agreed = invoke("inspect", "query", sql, "--json", "--yes", env=env, cwd=tmp_path)
    assert agreed.json["rows"] == [{"count": 1000}]
    cheap = "SELECT * FROM generate_series(1, 1000) g LIMIT 1"
    assert invoke("inspect", "query", cheap, env=env, cwd=tmp_path).exit_code == 0


def test_a_superuser_is_told_what_does_not_bind_it(url: str, server: TestServer) -> None:
    superuser = invoke("inspect", "query", "SELECT 1", env={"DATABASE_URL": url})
    assert superuser.stderr.count("connected as a superuser") == 1
    server.execute("CREATE ROLE plain LOGIN")
    plain = url.replace("//postgres@", "//plain@")
    assert invoke("inspect", "query", "SELECT 1", env={"DATABASE_URL": plain}).stderr == ""
    server.execute("DROP ROLE plain")


def test_text_of_the_database_does_not_drive_the_terminal(url: str) -> None:
    sql = "SELECT E'\\x1b[31m[bold]\u202e' AS \"a\x1b]0;x\x07\", '[/foo]' AS b"
    done = invoke("inspect", "query", sql, env={"DATABASE_URL": url})
    assert done.exit_code == 0
    assert "\\x1b[31m[bold]\\u202e" in done.stdout
    assert not {"\x1b", "\x07", "\u202e"} & set(done.stdout)
    failed = invoke("inspect", "query", 'SELECT "\x1b[31m"', env={"DATABASE_URL": url})
    assert "\x1b" not in failed.stderr


def test_a_statement_ends_at_its_time_limit(url: str) -> None:
    done = invoke(
        "inspect", "query", "SELECT pg_sleep(60)", "--timeout", "0.2", "--json",
        env={"DATABASE_URL": url},
    )  # fmt: skip
    assert (done.exit_code, done.json["error"]["code"]) == (4, "query_failed")


async def test_a_query_runs_through_a_transaction_pooler(url: str, pgbouncer: Pgbouncer) -> None:
    pooled = pgbouncer.url_of(str(dsn.parse(url, environ={}).database))
    sql = "SELECT id, :x AS x, password FROM users ORDER BY id"
    assert await values(pooled, sql, given={"x": "y"}, masks=Masks()) == [
        [1, "y", "***"],
        [2, "y", "***"],
    ]
    with pytest.raises(DbctlError):
        await found(pooled, "SELECT pg_advisory_lock(1)")
