"""What one call of `context.configure` says about the connection that env.py gives Alembic."""

import asyncio

import pytest
from sqlalchemy import Connection, NullPool, create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine

from dbctl.migrate.run.record import EnvRecord, record_of
from tests.support.databases import TestServer
from tests.support.foreign import Driver, driver_url, name_of
from tests.support.pgbouncer import Pgbouncer

every_driver = pytest.mark.parametrize("driver", list(Driver))


def read(connection: Connection) -> EnvRecord:
    record = record_of(connection, {})
    assert not connection.in_transaction()
    assert connection.scalar(text("select 1")) == 1
    return record


def record_by(driver: Driver, url: str) -> EnvRecord:
    """Return what is known of a connection that `driver` opens."""
    url = driver_url(url, driver)
    if driver is not Driver.ASYNCPG:
        with create_engine(url, poolclass=NullPool).connect() as connection:
            return read(connection)

    async def work() -> EnvRecord:
        options = {"statement_cache_size": 0, "prepared_statement_cache_size": 0}
        engine = create_async_engine(url, poolclass=NullPool, connect_args=options)
        async with engine.connect() as connection:
            return await connection.run_sync(read)

    return asyncio.run(work())


@every_driver
def test_record_of_a_connection_to_the_server_is_direct(driver: Driver, tcp_url: str) -> None:
    record = record_by(driver, tcp_url)
    assert record.direct
    assert (record.driver, record.database) == (driver, name_of(tcp_url))
    assert (record.version_schema, record.found) == ("public", False)


@every_driver
def test_record_of_a_connection_to_a_pooler_is_not_direct(
    driver: Driver, empty_url: str, pgbouncer: Pgbouncer
) -> None:
    record = record_by(driver, pgbouncer.url_of(name_of(empty_url)))
    assert not record.direct
    assert record.label == f"127.0.0.1:{pgbouncer.port}/{name_of(empty_url)}"


@pytest.mark.parametrize("driver", [Driver.ASYNCPG, Driver.PSYCOPG, Driver.PSYCOPG2])
def test_record_of_a_url_without_a_host_names_what_the_driver_reached(
    driver: Driver, empty_url: str, server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = server.dsn.addresses[0]
    monkeypatch.setenv("PGHOST", str(address.host))
    monkeypatch.setenv("PGPORT", str(address.port))
    record = record_by(driver, f"postgresql://postgres@/{name_of(empty_url)}")
    assert record.label == f"{address}/{name_of(empty_url)}"
