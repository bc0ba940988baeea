"""Every way to a function that a statement does not name: closed by the server, or refused."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from dbctl.db import dsn
from dbctl.errors import ErrorCode, RefusedError
from dbctl.sqltokens import Kind, pieces
from tests.support.call_paths import CLOSED, FUNCTIONS, PLANTER, REFUSED, UNCALLED, CallPath
from tests.support.cli import invoke
from tests.support.databases import TestServer, connected, execute, holding
from tests.support.looks import list_rows, run_query

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "inspect.md"
EXTENSIONS = ("amcheck", "file_fdw", "postgres_fdw", "tablefunc")


@dataclass(frozen=True)
class Ground:
    """One database in which the planter may create; what it plants shows only where it is meant."""

    superuser_url: str
    planter_url: str

    async def plant(self, path: CallPath) -> None:
        """Make what a path leads to; skip the test on a server that lacks it."""
        parts = dsn.parse(self.superuser_url, environ={})
        (address,) = parts.addresses
        values = {":host": address.host, ":port": address.port, ":database": parts.database}
        url = self.superuser_url if path.superuser else self.planter_url
        async with connected(url) as connection:
            if connection.get_server_version().major < path.version:
                pytest.skip(f"PostgreSQL has it since {path.version}")
            for statement in path.setup:
                for name, value in values.items():
                    statement = statement.replace(name, str(value))
                await connection.execute(statement)


@pytest.fixture(scope="module")
def ground(server: TestServer) -> Iterator[Ground]:
    with server.database() as url:
        server.execute(f"CREATE ROLE {PLANTER} LOGIN")
        planter_url = url.replace("//postgres@", f"//{PLANTER}@")
        try:
            execute(url, f"GRANT CREATE ON SCHEMA public TO {PLANTER}")
            execute(url, *(f"CREATE EXTENSION {name}" for name in EXTENSIONS))
            execute(url, "CREATE SERVER files FOREIGN DATA WRAPPER file_fdw")
            execute(url, f"GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO {PLANTER}")
            execute(planter_url, *FUNCTIONS)
            yield Ground(url, planter_url)
        finally:
            execute(url, f"DROP OWNED BY {PLANTER} CASCADE")
            server.execute(f"DROP ROLE {PLANTER}")


def named(path: CallPath) -> str:
    return path.name.replace(" ", "-")


async def locks(connection: asyncpg.Connection[Any]) -> int:
    found: int = await connection.fetchval(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
    )
    return found


async def is_called(connection: asyncpg.Connection[Any], path: CallPath) -> bool:
    """Return whether what was planted runs where the statement is run as it is."""
    heard: list[str] = []
    connection.add_log_listener(lambda _, message: heard.append(message.message))
    transaction = connection.transaction(readonly=True)
    await transaction.start()
    try:
        with pytest.raises(asyncpg.PostgresError) if path.fails else nullcontext():
            rows = await connection.fetch(path.sql)
            if any("FOREIGN TABLE" in statement for statement in path.setup):
                return len(rows) > 0
    finally:
        await transaction.rollback()
    return "called" in heard


@pytest.mark.parametrize("path", REFUSED, ids=named)
async def test_call_path_that_is_open_is_refused(ground: Ground, path: CallPath) -> None:
    await ground.plant(path)
    url = ground.superuser_url if path.privileged else ground.planter_url
    async with connected(url) as connection:
        assert await is_called(connection, path)
    async with connected(ground.superuser_url) as connection:
        with pytest.raises(RefusedError) as refused:
            await run_query(connection, path.sql)
        assert refused.value.code is ErrorCode.NOT_READ_ONLY
        with pytest.raises(RefusedError):
            await run_query(connection, f"EXPLAIN {path.sql}")
        if path.relation is not None:
            with pytest.raises(RefusedError):
                await list_rows(connection, path.relation)
        assert await locks(connection) == 0


@pytest.mark.parametrize("path", UNCALLED, ids=named)
async def test_call_path_that_reading_does_not_take_is_answered(
    ground: Ground, path: CallPath
) -> None:
    async with connected(ground.planter_url) as connection:
        await connection.execute(
            "CREATE OR REPLACE FUNCTION fired() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN PERFORM public.evil(); RETURN NULL; END'"
        )
    await ground.plant(path)
    async with connected(ground.superuser_url) as connection:
        assert not await is_called(connection, path)
        assert (await run_query(connection, path.sql)).headers
        assert path.relation is not None
        assert (await list_rows(connection, path.relation)).headers


@pytest.mark.parametrize("name", CLOSED)
async def test_call_path_that_the_server_closes_cannot_be_made(ground: Ground, name: str) -> None:
    denied = (
        asyncpg.InsufficientPrivilegeError,
        asyncpg.InvalidFunctionDefinitionError,
        asyncpg.FeatureNotSupportedError,
        asyncpg.WrongObjectTypeError,
        asyncpg.InvalidObjectDefinitionError,
    )
    async with connected(ground.planter_url) as connection:
        if "virtual" in name and connection.get_server_version().major < 18:
            pytest.skip("PostgreSQL has them since 18")
        transaction = connection.transaction()
        await transaction.start()
        try:
            with pytest.raises(denied):
                await connection.execute(CLOSED[name])
        finally:
            await transaction.rollback()


# A parent whose child runs a program, and one whose child has a planted CHECK; a table refers to
# both.
PARENTS = (
    "CREATE TABLE pipes (id int PRIMARY KEY)",
    "INSERT INTO pipes VALUES (1)",
    "CREATE FOREIGN TABLE pipes_child () INHERITS (pipes) SERVER files OPTIONS (program 'echo 7')",
    "CREATE TABLE locked (id int PRIMARY KEY)",
    "INSERT INTO locked VALUES (1)",
    "CREATE TABLE locked_child (CHECK (id > evil(0))) INHERITS (locked)",
    "CREATE TABLE plain (id int PRIMARY KEY, pipe int REFERENCES pipes, locked int"
    " REFERENCES locked)",
    "INSERT INTO plain VALUES (1, 1, 1)",
)


@pytest.fixture(scope="module")
def parents(ground: Ground) -> str:
    execute(ground.superuser_url, *PARENTS)
    return ground.superuser_url


@pytest.mark.parametrize("table", ["pipes", "locked"])
@pytest.mark.parametrize(
    "command",
    [("rows",), ("rows", "id=1"), ("rows", "--count"), ("rows", "--sample", "1"), ("row", "1")],
    ids=" ".join,
)
def test_inspect_of_a_parent_whose_child_does_more_exits_5(
    parents: str, table: str, command: tuple[str, ...]
) -> None:
    name, *arguments = command
    done = invoke("inspect", name, table, *arguments, "--json", env={"DATABASE_URL": parents})
    assert (done.exit_code, done.json["error"]["code"]) == (5, "not_read_only")


def test_tables_exact_does_not_count_what_does_more(parents: str) -> None:
    done = invoke("inspect", "tables", "--exact", "--json", env={"DATABASE_URL": parents})
    found = {one["name"]: one for one in done.json["tables"]}
    assert found["plain"]["exact_rows"] == 1
    assert "runs a program of the server" in found["pipes"]["not_counted"]
    assert "advisory lock" in found["locked"]["not_counted"]


def test_row_does_not_read_what_it_refers_to_where_that_does_more(parents: str) -> None:
    done = invoke("inspect", "row", "plain", "1", "--json", env={"DATABASE_URL": parents})
    assert done.exit_code == 0
    notes = {one["table"]: one["note"] for one in done.json["references"]}
    assert "runs a program of the server" in notes["public.pipes"]
    assert "advisory lock" in notes["public.locked"]


def test_a_locked_child_is_not_waited_for_to_check_its_parent(parents: str) -> None:
    with holding(parents, "LOCK TABLE locked_child IN ACCESS EXCLUSIVE MODE"):
        tables = invoke("inspect", "tables", "--exact", "--json", env={"DATABASE_URL": parents})
        row = invoke("inspect", "row", "plain", "1", "--json", env={"DATABASE_URL": parents})
    assert (tables.exit_code, row.exit_code) == (0, 0)
    found = {one["name"]: one.get("not_counted") for one in tables.json["tables"]}
    assert (found["locked"], found["plain"]) == ("locked", None)
    assert {one["table"]: one["note"] for one in row.json["references"]}[
        "public.locked"
    ] == "locked"


_OPERATOR_CHARACTERS = "+-*/<>=~!@#%^&|`?"


async def test_operators_are_cut_as_the_server_cuts_them(ground: Ground) -> None:
    chance, looked_up = random.Random(7), 0
    async with connected(ground.superuser_url) as connection:
        await connection.execute("CREATE TYPE uncut AS ENUM ('a')")
        for _ in range(400):
            run = "".join(chance.choices(_OPERATOR_CHARACTERS, k=chance.randint(1, 6)))
            if "--" in run or "/*" in run:
                continue
            text = f"SELECT 1 {run}{chance.choice(('', '/* - */', '/**/-'))} 'a'::uncut"
            found = [piece for piece in pieces(text) if piece.token.kind is Kind.SYMBOL]
            # The last one is looked up first, and there is none for this type.
            *_, last = (piece for piece in found if piece.token.text != "::")
            with pytest.raises(asyncpg.PostgresError) as failed:
                await connection.prepare(text)
            if isinstance(failed.value, asyncpg.PostgresSyntaxError):
                assert last.token.text in {"=>", "=", "<", ">", "*", "/", "%", "^"}, text
                continue
            assert int(failed.value.position) == last.start + 1, text
            name = "<>" if last.token.text == "!=" else last.token.text
            assert f" {name} " in str(failed.value), text
            looked_up += 1
    assert looked_up > 100


def test_call_paths_are_those_that_the_documentation_lists() -> None:
    text = DOCUMENTATION.read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| ([^|]+?) \| (refused|closed|not called) \|", text, re.MULTILINE))
    expected = {path.name: "refused" for path in REFUSED}
    expected |= dict.fromkeys(CLOSED, "closed") | {path.name: "not called" for path in UNCALLED}
    assert listed == expected


# `family` has a child that runs a program, `friends` none.
FAMILY = (
    "CREATE TABLE family (id int, line text)",
    "INSERT INTO family VALUES (1, 'parent')",
    "CREATE TABLE middle () INHERITS (family)",
    "CREATE FOREIGN TABLE family_child () INHERITS (middle) SERVER files"
    " OPTIONS (program 'echo 1,child', format 'csv')",
    "CREATE TABLE friends (id int)",
    "INSERT INTO friends VALUES (1)",
    "CREATE VIEW parents AS SELECT line FROM ONLY family",
    "CREATE VIEW all_family AS SELECT line FROM family",
)


@pytest.fixture(scope="module")
def family_url(ground: Ground) -> str:
    execute(ground.superuser_url, *FAMILY)
    return ground.superuser_url


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT line FROM ONLY family",
        "SELECT line FROM ONLY (family)",
        "SELECT family.line FROM only public.family",
        'SELECT f.line FROM ONLY ("public"."family") AS f JOIN friends USING (id)',
        "SELECT f.line FROM friends JOIN ONLY family f ON f.id = friends.id",
        "SELECT f.line FROM friends r, ONLY family f WHERE f.id = r.id",
        "SELECT line FROM family_only",
        "TABLE ONLY family",
        "WITH f AS (SELECT * FROM ONLY family) SELECT line FROM f WHERE EXISTS (TABLE ONLY family)",
        "SELECT (SELECT line FROM ONLY family LIMIT 1) FROM friends",
        "SELECT line FROM parents",
        "EXPLAIN SELECT line FROM ONLY family",
    ],
)
async def test_a_parent_without_its_children_is_answered(family_url: str, sql: str) -> None:
    sql = sql.replace("family_only", "ONLY family FETCH FIRST ROW ONLY")
    async with connected(family_url) as connection:
        result = await run_query(connection, sql)
    assert result.count >= 1
    assert "child" not in str(result.rows)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT line FROM family",
        "SELECT line FROM family *",
        "SELECT line FROM ONLY family UNION SELECT line FROM family",
        "SELECT line FROM family WHERE id IN (SELECT id FROM ONLY family)",
        "SELECT line FROM ONLY family, middle",
        "SELECT line FROM family, ONLY middle m",
        "SELECT line FROM ONLY family_child",
        "SELECT line FROM ONLY parents, all_family",
        "SELECT line FROM ONLY all_family",
        "SELECT * FROM ONLY family, query_to_xml('SELECT line FROM family', true, true, '')",
    ],
)
async def test_a_program_of_a_child_is_refused_where_only_stands_elsewhere(
    family_url: str, sql: str
) -> None:
    async with connected(family_url) as connection:
        with pytest.raises(RefusedError, match="runs a program"):
            await run_query(connection, sql)
