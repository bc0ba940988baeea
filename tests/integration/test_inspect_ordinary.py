"""`inspect query` answers what people ask every day; what it refuses, it refuses for a reason."""

from __future__ import annotations

from collections.abc import Iterator

import asyncpg
import pytest

from dbctl.errors import RefusedError, UsageError
from dbctl.inspect.masking import Masks
from dbctl.inspect.query import extensions
from tests.support.databases import TestServer, connected, execute
from tests.support.looks import list_rows, run_query
from tests.support.ordinary import (
    EXTENSIONS,
    LACKING,
    QUERIES,
    REFUSED,
    SETUP,
    SIBLINGS,
    UNREADABLE_SETUP,
)


@pytest.fixture(scope="module")
def url(server: TestServer) -> Iterator[str]:
    """A database with the usual extensions, and code that cannot be read; the tests only read."""
    with server.database() as url:
        execute(url, *(f"CREATE EXTENSION {name}" for name in EXTENSIONS))
        execute(url, *SETUP, *UNREADABLE_SETUP)
        yield url


async def failures(url: str, queries: list[str]) -> dict[str, str]:
    """Return which of the queries are not answered, and why."""
    found = {}
    async with connected(url) as connection:
        for sql in queries:
            given: dict[str, str | None] = {"x": "1"} if ":x" in sql else {}
            try:
                await run_query(connection, sql, masks=Masks(), given=given)
            except (RefusedError, UsageError, asyncpg.PostgresError) as error:
                if not any(text in str(error) for text in LACKING):
                    found[sql] = str(error)
    return found


async def test_ordinary_queries_are_answered(url: str) -> None:
    assert len(QUERIES) == 81
    found = await failures(url, QUERIES)
    assert found.keys() == REFUSED.keys() & set(QUERIES)


async def test_queries_on_types_and_extensions_of_ones_own_are_answered(url: str) -> None:
    found = await failures(url, SIBLINGS)
    assert not found, found


@pytest.mark.parametrize("sql", REFUSED)
async def test_query_that_does_more_is_refused_with_the_reason(url: str, sql: str) -> None:
    async with connected(url) as connection:
        with pytest.raises(RefusedError) as refused:
            await run_query(connection, sql, masks=Masks())
    assert REFUSED[sql] in refused.value.message


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM odd_table",
        "SELECT 'x'::odd = 'y'::odd",
        "SELECT 'x'::odd ~ 'y'",
        "SELECT to_json('x'::odd)",
        "SELECT 'a'::odd_domain",
        "SELECT ARRAY['x'::odd] = ARRAY['y'::odd]",
        "SELECT odd_ok('a')",
        "SELECT bt_index_check(indexrelid, true) FROM pg_index",
        "SELECT bt_index_check('odd_table_odd_text_idx', true)",
        "SELECT pg_input_is_valid('a', 'odd_domain')",
        "SELECT pg_input_is_valid('a', 'odd_' || 'domain')",
    ],
)
async def test_code_that_cannot_be_read_is_refused_where_its_type_occurs(
    url: str, sql: str
) -> None:
    async with connected(url) as connection:
        with pytest.raises(RefusedError, match="cannot be read"):
            await run_query(connection, sql)


async def test_rows_of_a_table_are_read_beside_code_that_cannot_be(url: str) -> None:
    async with connected(url) as connection:
        for table in ("users", "own", "seen", "est"):
            assert (await list_rows(connection, table)).count
        with pytest.raises(RefusedError, match="cannot be read"):
            await list_rows(connection, "odd_table")


# --- extensions -----------------------------------------------------------------------------


async def test_every_volatile_function_of_the_extensions_is_decided(empty_url: str) -> None:
    async with connected(empty_url) as connection:
        names = await connection.fetch("SELECT name FROM pg_available_extensions")
        for (name,) in names:
            await connection.execute(f'CREATE EXTENSION IF NOT EXISTS "{name}" CASCADE')
        found = await connection.fetch(
            "SELECT DISTINCT e.extname, p.proname FROM pg_proc p"
            " JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass"
            " AND d.deptype = 'e' JOIN pg_extension e ON e.oid = d.refobjid"
            " JOIN pg_language l ON l.oid = p.prolang AND l.lanname = 'c'"
            " WHERE p.provolatile = 'v' AND p.proname !~ '_validator$'"
            " AND p.prorettype <> ALL (array['internal', 'trigger', 'event_trigger',"
            " 'index_am_handler', 'fdw_handler', 'language_handler']::regtype[])"
            " AND NOT 'internal'::regtype = ANY (p.proargtypes)"
        )
    unknown = [
        f"{extension}: {name}"
        for extension, name in found
        if "not known" in (extensions.deed(extension, name, "v") or "")
    ]
    assert unknown == []


WRITERS = [
    "SELECT bt_index_check('users_pkey', true)",
    "SELECT * FROM verify_heapam('users')",
    "SELECT * FROM pgstattuple('users')",
    "SELECT * FROM pgstattuple_approx('users')",
    "SELECT * FROM pgstatindex('users_pkey')",
    "SELECT pg_relpages('users')",
    "SELECT * FROM pgrowlocks('users')",
    "SELECT * FROM pg_freespace('users')",
    "SELECT * FROM pg_visibility('users')",
    "SELECT * FROM pg_visibility_map_summary('users')",
    "SELECT * FROM pg_check_frozen('users')",
    "SELECT * FROM pg_check_visible('users')",
    "SELECT * FROM bt_metap('users_pkey')",
    "SELECT * FROM users TABLESAMPLE SYSTEM_ROWS (1)",
]


async def test_functions_of_extensions_that_are_allowed_lock_no_writer_out(url: str) -> None:
    async with connected(url) as writer, connected(url) as connection:
        transaction = writer.transaction()
        await transaction.start()
        await writer.execute("UPDATE users SET name = name")
        for sql in WRITERS:
            # What waits for the writer would keep the next one waiting; three seconds end it.
            await run_query(connection, sql)
        with pytest.raises(RefusedError, match="locks a table against writing"):
            await run_query(connection, "SELECT bt_index_parent_check('users_pkey')")
        await transaction.rollback()
