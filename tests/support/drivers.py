"""Synchronous connections of the drivers that an env.py may open."""

import asyncio
from collections.abc import Callable
from typing import Any

from sqlalchemy import URL, Connection, NullPool, create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from dbctl.db import dsn

DRIVERS = ("psycopg", "psycopg2", "pg8000", "asyncpg")


def on[T](
    driver: str, url: str, work: Callable[[Connection], T], *statements: str, **options: Any
) -> T:
    """Return what `work` does on a new connection of `driver`, in no transaction before it.

    `statements` are run and committed first; `options` are those of the engine.
    """
    target = URL.create(f"postgresql+{driver}", **_place(url, driver))
    options = {"poolclass": NullPool} | options

    def run(connection: Connection) -> T:
        for statement in statements:
            connection.exec_driver_sql(statement)
        connection.commit()
        done = work(connection)
        assert not connection.in_transaction()
        return done

    async def run_async() -> T:
        engine = create_async_engine(target, **options)
        async with engine.connect() as connection:
            return await connection.run_sync(run)

    if driver == "asyncpg":
        return asyncio.run(run_async())
    with create_engine(target, **options).connect() as connection:
        return run(connection)


def _place(url: str, driver: str) -> dict[str, Any]:
    parsed = dsn.parse(url, environ={})
    address = parsed.addresses[0]
    place: dict[str, Any] = {
        "username": parsed.user,
        "password": parsed.password,
        "database": parsed.database,
    }
    if not address.is_unix:
        return place | {"host": address.host, "port": address.port}
    if driver == "pg8000":
        return place | {"query": {"unix_sock": f"{address.host}/.s.PGSQL.{address.port}"}}
    return place | {"query": {"host": address.host or "", "port": str(address.port)}}
