"""Databases of a test server: made from a template in milliseconds, dropped with their test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import asyncpg

from dbctl.db import dsn
from dbctl.db.connect import Connector
from dbctl.db.dsn import Dsn


def execute(url: str, *statements: str) -> None:
    """Run statements on the database at `url`, each on its own."""

    async def work() -> None:
        connection = await asyncpg.connect(**dsn.parse(url, environ={}).connect_kwargs())
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(work())


def fetch(url: str, query: str) -> list[Any]:
    """Return the first column of what `query` finds in the database at `url`."""

    async def work() -> list[Any]:
        connection = await asyncpg.connect(**dsn.parse(url, environ={}).connect_kwargs())
        try:
            return [row[0] for row in await connection.fetch(query)]
        finally:
            await connection.close()

    return asyncio.run(work())


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    """Yield a connection to `url`, opened as commands that read open theirs."""
    connection = await Connector(dsn.parse(url, environ={}), timeout=15, deadline=60)()
    try:
        yield connection
    finally:
        await connection.close()


@dataclass(frozen=True)
class TestServer:
    """A running server; `url` reaches its maintenance database as superuser."""

    __test__ = False

    url: str
    _numbers: Iterator[int] = field(default_factory=count)

    @property
    def dsn(self) -> Dsn:
        """The parsed `url`."""
        return dsn.parse(self.url, environ={})

    def url_of(self, database: str) -> str:
        """Return the URL of another database of the server."""
        parts = self.dsn
        return self.url.replace(f"/{parts.database}", f"/{database}", 1)

    def execute(self, *statements: str, database: str | None = None) -> None:
        """Run statements as superuser, each on its own."""
        execute(self.url if database is None else self.url_of(database), *statements)

    @contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """Create a database from `template`, yield its URL, and drop it whoever still uses it."""
        name = f"test_{next(self._numbers)}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        try:
            yield self.url_of(name)
        finally:
            self.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def holding(url: str, *statements: str) -> Iterator[int]:
    """Hold open a transaction in which `statements` were run; yield the pid of its session."""
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(**dsn.parse(url, environ={}).connect_kwargs()))
        try:
            for statement in ("begin", *statements):
                runner.run(connection.execute(statement))
            yield connection.get_server_pid()
        finally:
            runner.run(connection.close())


def wait_for(url: str, condition: str, timeout: float = 30) -> None:
    """Return once the SQL expression `condition` holds in the database at `url`."""

    async def work() -> None:
        connection = await asyncpg.connect(**dsn.parse(url, environ={}).connect_kwargs())
        try:
            async with asyncio.timeout(timeout):
                while not await connection.fetchval(f"select {condition}"):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)  # a database tells nobody
        finally:
            await connection.close()

    asyncio.run(work())
