"""Whose names a statement means: dbctl's own runs under an empty search_path, the user's does not.

On the path of a session a role with CREATE on one of its schemas has functions and operators of its
own called: what PostgreSQL has no exact match for (`oid = regclass`) goes to whoever has made one.
Every transaction of dbctl's own therefore begins with an empty path. `dbctl.search_path` and
`dbctl.schemas` keep the session's meanwhile: the names that a user types are looked up there, and
what is to run as it would in the application (a trigger, a view, a query) gets it back.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg

from dbctl.db.names import literal, quote
from dbctl.sqltokens import Kind, tokenize

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

# Local to the transaction, so that nothing of it outlives that behind a pooler.
_RESTORED = (
    "pg_catalog.set_config('search_path', coalesce("
    "pg_catalog.current_setting('dbctl.search_path', true),"
    " pg_catalog.current_setting('search_path')), true)"
)
RESTORE_PATH = f"select {_RESTORED}"
# A statement's own names are resolved before it runs. With this in its WHERE, tested once before
# the first row, they mean what they do on an empty path, and the functions that it calls (of
# triggers, views, policies) run under that of the session. What follows needs `EMPTY_PATH`.
ON_SESSION_PATH = f"(select {_RESTORED}) is not null"
# Not a query: no name in it is resolved, whatever the path.
EMPTY_PATH = "set local search_path = ''"


@dataclass(frozen=True, slots=True)
class SearchPath:
    """The search_path of a session, as `current_setting` has it, and the role that `$user` is."""

    setting: str = ""
    role: str = ""

    @property
    def schemas(self) -> tuple[str, ...]:
        """The names on the path, whether there are such schemas or not."""
        return tuple(
            self.role if token.text == "$user" else token.text
            for token in tokenize(self.setting)
            if token.kind is not Kind.SYMBOL
        )

    @property
    def emptied(self) -> str:
        """The statements that empty the path for a transaction: none that takes a snapshot.

        What has to come before the first query, such as the isolation level, can follow.
        """
        array = ",".join(map(quote, self.schemas)).replace("\\", "\\\\")
        return (
            "set local search_path = '';"
            f"set local dbctl.search_path = {literal(self.setting)};"
            f"set local dbctl.schemas = {literal(f'{{{array}}}')};"
        )


async def restore_path(connection: AsyncConnection | asyncpg.Connection[Any]) -> None:
    """Give the rest of the transaction the path that the session has otherwise."""
    await (await _driver_of(connection)).execute(RESTORE_PATH)


@asynccontextmanager
async def session_path(
    connection: AsyncConnection | asyncpg.Connection[Any],
) -> AsyncIterator[None]:
    """Run the body under the path that the session has otherwise, then empty it again.

    For what calls functions of the database that were written for that path. The statements in the
    body must name every object with its schema, operators too. Takes a connection in a transaction.
    """
    driver = await _driver_of(connection)
    await driver.execute(RESTORE_PATH)
    try:
        yield
    except Exception:
        # A transaction that has failed gets its path back with the savepoint, or ends.
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError):
            await driver.execute(EMPTY_PATH)
        raise
    await driver.execute(EMPTY_PATH)


@asynccontextmanager
async def own_path(connection: AsyncConnection | asyncpg.Connection[Any]) -> AsyncIterator[None]:
    """Run the body, SQL of dbctl's own in a transaction that has the session's path, without it."""
    driver = await _driver_of(connection)
    await driver.execute(EMPTY_PATH)
    yield
    await driver.execute(RESTORE_PATH)


async def _driver_of(
    connection: AsyncConnection | asyncpg.Connection[Any],
) -> asyncpg.Connection[Any]:
    if isinstance(connection, asyncpg.Connection):
        return connection
    driver = (await connection.get_raw_connection()).driver_connection
    assert isinstance(driver, asyncpg.Connection)  # noqa: S101 - the engine has no other
    return driver
