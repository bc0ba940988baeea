"""The version store: made, moved and written on every driver, read back on dbctl's own."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.db import dsn, own_tables
from dbctl.db.engine import DatabaseSessionManager
from dbctl.db.names import quote
from dbctl.db.own_tables import marker_table, seeds_table
from dbctl.errors import OperationFailed
from dbctl.migrate.scripts import open_checkout
from dbctl.migrate.store import Entry, Recorded, VersionStore
from dbctl.seed import ledger as seeds
from dbctl.seed import marker
from dbctl.seed.marker import Verdict
from dbctl.settings import load_settings
from tests.support.databases import connected, execute, fetch
from tests.support.drivers import DRIVERS, on
from tests.support.project import Project

WHEN = datetime(2026, 11, 22, 10, 15, 30, tzinfo=UTC)
SHA = "0" * 64
ODD = """o"d%d %s :x $1 \\'[é]."""
LEDGERS = "select n.nspname || '.' || c.relname from pg_class c join pg_namespace n"
LEDGERS += " on n.oid = c.relnamespace where relkind = 'r' and relname like 'dbctl%' order by 1"
VERSIONS = "create table alembic_version (version_num varchar(32) primary key)"
# As version 0.1 made them.
OLD_LEDGER = """
    create table {}dbctl_ledger (
        id bigint generated always as identity primary key,
        revision text not null,
        direction text not null check (direction in ('up', 'down', 'stamp', 'repair')),
        sha256 text check (sha256 ~ '^[0-9a-f]{{64}}$'),
        started_at timestamptz not null,
        seconds double precision not null,
        attempts integer not null,
        role text not null default session_user,
        host text not null,
        actor text,
        dbctl text not null
    )
"""
OLD_ROW = f"""
    insert into {{}}dbctl_ledger (revision, direction, sha256, started_at, seconds, attempts, host,
                                actor, dbctl)
    values ('{{}}', 'up', '{SHA}', '2026-11-22 10:15:30+00', 1, 1, 'here', 'ada', '0.1')
"""
OLD_SEEDS = """
    create table dbctl_seeds (
        kind text not null, name text not null, state jsonb not null,
        sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
        first_run timestamptz not null default now(), last_run timestamptz not null default now(),
        role text not null default session_user, host text not null, actor text,
        dbctl text not null, primary key (kind, name)
    )
"""
OLD_MARKER = """
    create table dbctl_seed_marker (
        only_one boolean primary key default true check (only_one),
        verdict text not null check (verdict in ('allowed', 'forbidden')),
        database_oid oid not null, database_name text not null, system_identifier bigint,
        marked_at timestamptz not null default now(), role text not null default session_user,
        host text not null, actor text, dbctl text not null
    )
"""


def entry(revision: str, **changes: Any) -> Entry:
    return replace(Entry(revision, "up", SHA, WHEN, 0.5, 2, "here", "ada"), **changes)


def writing(store: VersionStore, *entries: Entry) -> Callable[[Connection], None]:
    """Return what makes the ledger and writes `entries` to it."""

    def write(connection: Connection) -> None:
        store.ensure(connection)
        assert not connection.in_transaction()
        with connection.begin():
            store.record(connection, *entries)

    return write


def reading[T](url: str, read: Callable[[AsyncConnection], Any], *statements: str) -> Any:
    """Return what `read` does on a connection of dbctl's, left in no transaction."""

    async def work() -> Any:
        manager = DatabaseSessionManager(dsn.parse(url, environ={}), pooling=False)
        async with manager.connect() as connection:
            for statement in statements:
                await connection.exec_driver_sql(statement)
            await connection.commit()
            done = await read(connection)
            assert not connection.in_transaction()
            return done

    return asyncio.run(work())


def applied(url: str, store: VersionStore, *statements: str) -> list[str]:
    return list(reading(url, store.read_applied, *statements))


@contextmanager
def role(url: str) -> Iterator[str]:
    """Make a role that may do nothing but log in, for one test; yield its name."""
    name = f"guest_{dsn.parse(url, environ={}).database}"
    execute(url, f"create role {name} login")
    try:
        yield name
    finally:
        execute(url, f"drop owned by {name} cascade", f"drop role {name}")


def as_role(url: str, name: str) -> str:
    return url.replace("//postgres@", f"//{name}@")


@pytest.mark.parametrize("driver", DRIVERS)
def test_ensure_and_record_any_driver_any_name_reads_back(empty_url: str, driver: str) -> None:
    store = VersionStore(version_table=f"v {ODD}", version_schema=f"s {ODD}", schema=ODD)
    written = [entry("r1"), entry("r2", sha256=None, actor="not \udcff Unicode")]
    on(driver, empty_url, writing(store, *written))
    on(driver, empty_url, writing(store))
    found: dict[str, Recorded] = reading(empty_url, store.read_applied)
    assert found["r1"] == Recorded("r1", "up", SHA, WHEN, "postgres", "here", "ada")
    assert (found["r2"].sha256, found["r2"].actor) == (None, "not \\udcff Unicode")
    schemas = fetch(empty_url, "select nspname from pg_namespace where nspname like 'o%'")
    assert schemas == [ODD]


@pytest.mark.parametrize("driver", DRIVERS)
def test_ensure_autocommit_makes_all_or_nothing(empty_url: str, driver: str) -> None:
    store = VersionStore()
    on(driver, empty_url, store.ensure, isolation_level="AUTOCOMMIT")
    assert fetch(empty_url, LEDGERS) == ["dbctl.dbctl_ledger"]
    execute(empty_url, "drop schema dbctl cascade")

    def broken(connection: Connection) -> None:
        def work() -> None:
            with own_tables.transaction(connection):
                own_tables.make(connection, seeds_table("dbctl"))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            work()

    on(driver, empty_url, broken, isolation_level="AUTOCOMMIT")
    assert fetch(empty_url, LEDGERS) == []
    on(driver, empty_url, writing(store, entry("r1")), isolation_level="AUTOCOMMIT")
    assert applied(empty_url, store) == ["r1"]


@pytest.mark.parametrize("driver", DRIVERS)
def test_record_rolled_back_leaves_nothing(empty_url: str, driver: str) -> None:
    store = VersionStore()

    def write(connection: Connection) -> None:
        store.ensure(connection)
        store.record(connection, entry("r1"))
        connection.rollback()
        store.record(connection)

    on(driver, empty_url, write)
    assert applied(empty_url, store) == []


@pytest.mark.parametrize("driver", DRIVERS)
def test_record_refused_says_why_in_words(empty_url: str, driver: str) -> None:
    store = VersionStore()

    def write(connection: Connection) -> None:
        with pytest.raises(OperationFailed, match=r"violates check constraint .* \(SQLSTATE 23514"):
            store.record(connection, entry("r1", sha256="abc"))
        connection.rollback()

    on(driver, empty_url, store.ensure)
    on(driver, empty_url, write)


@pytest.mark.parametrize("driver", DRIVERS)
def test_schema_translate_map_does_not_move_the_ledger(empty_url: str, driver: str) -> None:
    store = VersionStore(schema="a[b]")
    maps: dict[str | None, str] = {None: "tenant", "a[b]": "tenant"}

    def write(connection: Connection) -> None:
        writing(store, entry("r1"))(connection.execution_options(schema_translate_map=maps))

    on(driver, empty_url, write, "create schema tenant")
    assert fetch(empty_url, LEDGERS) == ["a[b].dbctl_ledger"]
    assert applied(empty_url, store) == ["r1"]


@pytest.mark.parametrize("driver", DRIVERS)
def test_ensure_old_ledger_is_moved_with_its_rows(empty_url: str, driver: str) -> None:
    store = VersionStore()
    execute(empty_url, VERSIONS, OLD_LEDGER.format(""), OLD_ROW.format("", "r1"))
    assert applied(empty_url, store) == ["r1"]
    on(driver, empty_url, writing(store, entry("r2")))
    assert fetch(empty_url, LEDGERS) == ["dbctl.dbctl_ledger"]
    assert applied(empty_url, store) == ["r1", "r2"]
    # What is moved is what is made new: its columns, constraints and defaults.
    columns = (
        "select format('%s %s %s %s', column_name, data_type, is_nullable, column_default)"
        " from information_schema.columns where table_name = 'dbctl_ledger' order by 1"
    )
    checks = (
        "select conname || pg_get_constraintdef(oid) from pg_constraint"
        " where conrelid = 'dbctl.dbctl_ledger'::regclass and contype <> 'n' order by 1"
    )
    moved = fetch(empty_url, columns) + fetch(empty_url, checks)
    execute(empty_url, "drop table dbctl.dbctl_ledger")
    on(driver, empty_url, store.ensure)
    assert fetch(empty_url, columns) + fetch(empty_url, checks) == moved


def test_ensure_old_ledger_beside_the_version_table_is_moved(empty_url: str) -> None:
    execute(
        empty_url,
        "create schema first",
        "create schema second",
        "create table second.alembic_version (version_num varchar(32) primary key)",
        OLD_LEDGER.format("second."),
        OLD_ROW.format("second.", "r1"),
    )
    path = "set search_path to first, second"
    assert applied(empty_url, VersionStore(), path) == ["r1"]
    on("psycopg", empty_url, writing(VersionStore(), entry("r2")), path)
    assert applied(empty_url, VersionStore(), path) == ["r1", "r2"]
    assert applied(empty_url, VersionStore(version_schema="second")) == ["r1", "r2"]
    assert applied(empty_url, VersionStore(version_schema="first")) == []


def test_ensure_two_old_ledgers_become_one_with_all_rows_apart(empty_url: str) -> None:
    for name in ("one", "two"):
        execute(
            empty_url,
            f"create schema {name}",
            f"create table {name}.alembic_version (version_num varchar(32) primary key)",
            OLD_LEDGER.format(f"{name}."),
            OLD_ROW.format(f"{name}.", f"{name}_1"),
            OLD_ROW.format(f"{name}.", f"{name}_2"),
        )
    store = VersionStore()
    one, two = "set search_path to one", "set search_path to two"
    on("psycopg", empty_url, store.ensure, one)
    assert applied(empty_url, store, one) == ["one_1", "one_2"]
    assert applied(empty_url, store, two) == ["two_1", "two_2"]  # not moved yet
    on("psycopg", empty_url, writing(store, entry("two_3")), two)
    assert fetch(empty_url, LEDGERS) == ["dbctl.dbctl_ledger"]
    assert applied(empty_url, store, one) == ["one_1", "one_2"]
    assert applied(empty_url, store, two) == ["two_1", "two_2", "two_3"]


def test_ensure_old_ledger_in_place_gets_its_columns(empty_url: str) -> None:
    store = VersionStore(schema="ops")
    execute(empty_url, "create schema ops", VERSIONS, OLD_LEDGER.format("ops."))
    execute(empty_url, OLD_ROW.format("ops.", "r1"))
    other = VersionStore(schema="ops", version_table="billing_version")
    assert (applied(empty_url, store), applied(empty_url, other)) == (["r1"], [])
    on("psycopg", empty_url, writing(other, entry("b1")))
    assert (applied(empty_url, store), applied(empty_url, other)) == (["r1"], ["b1"])


def test_ensure_strangers_table_in_its_place_is_left_alone(empty_url: str) -> None:
    execute(empty_url, "create schema dbctl", "create table dbctl.dbctl_ledger (id int)")

    def write(connection: Connection) -> None:
        with pytest.raises(OperationFailed, match="is not dbctl's"):
            VersionStore().ensure(connection)

    on("psycopg", empty_url, write)
    columns = "select column_name from information_schema.columns where table_schema = 'dbctl'"
    assert fetch(empty_url, columns) == ["id"]


def test_ensure_strangers_table_on_the_path_is_passed_over(empty_url: str) -> None:
    execute(empty_url, "create table dbctl_ledger (id int, revision text)")
    assert applied(empty_url, VersionStore()) == []
    on("psycopg", empty_url, writing(VersionStore(), entry("r1")))
    assert fetch(empty_url, LEDGERS) == ["dbctl.dbctl_ledger", "public.dbctl_ledger"]
    assert applied(empty_url, VersionStore()) == ["r1"]


def test_ensure_planted_ledger_is_neither_read_nor_moved(empty_url: str) -> None:
    """A trigger of a table that anybody made would run with the privileges of the deployer."""
    with role(empty_url) as name:
        execute(empty_url, f"grant create, usage on schema public to {name}")
        execute(as_role(empty_url, name), OLD_LEDGER.format(""), OLD_ROW.format("", "evil"))
        assert applied(empty_url, VersionStore()) == []
        on("psycopg", empty_url, writing(VersionStore(), entry("r1")))
        assert applied(empty_url, VersionStore()) == ["r1"]
        assert fetch(empty_url, LEDGERS) == ["dbctl.dbctl_ledger", "public.dbctl_ledger"]


def test_two_version_tables_keep_their_ledgers_apart(empty_url: str) -> None:
    shop, billing = VersionStore(), VersionStore(version_table="billing_version")
    on("psycopg", empty_url, writing(shop, entry("r1"), entry("r2")))
    on("pg8000", empty_url, writing(billing, entry("r1", sha256="1" * 64)))
    assert applied(empty_url, shop) == ["r1", "r2"]
    assert reading(empty_url, shop.read_fingerprints) == {"r1": SHA, "r2": SHA}
    assert reading(empty_url, billing.read_fingerprints) == {"r1": "1" * 64}
    on("psycopg2", empty_url, writing(billing, entry("r1", direction="down")))
    assert applied(empty_url, billing) == []
    assert applied(empty_url, shop) == ["r1", "r2"]


def test_read_version_of_another_table_sees_its_heads_and_other_tables(empty_url: str) -> None:
    billing = VersionStore(version_table=f"v {ODD}", version_schema=f"s {ODD}")
    table = f"{quote(f's {ODD}')}.{quote(f'v {ODD}')}"
    assert reading(empty_url, billing.read_version) == ((), False)
    on("psycopg", empty_url, writing(billing, entry("b1")))
    execute(
        empty_url,
        f"create schema {quote(f's {ODD}')}",
        f"create table {table} (version_num text)",
        f"insert into {table} values ('b2'), ('b1')",
    )
    assert reading(empty_url, billing.read_version) == (("b1", "b2"), False)
    assert reading(empty_url, VersionStore().read_version) == ((), True)
    execute(empty_url, VERSIONS)
    assert reading(empty_url, VersionStore().read_version) == ((), True)
    assert reading(empty_url, billing.read_version) == (("b1", "b2"), True)


@pytest.mark.parametrize("driver", DRIVERS)
def test_role_that_may_not_create_the_schema_gets_the_grant(empty_url: str, driver: str) -> None:
    store = VersionStore()

    def refused(connection: Connection) -> str:
        with pytest.raises(OperationFailed) as raised:
            store.ensure(connection)
        return f"{raised.value.message}\n{raised.value.hint}"

    with role(empty_url) as name:
        guest = as_role(empty_url, name)
        database = dsn.parse(empty_url, environ={}).database
        grant = f'GRANT CREATE ON DATABASE "{database}" TO "{name}";'
        said = on(driver, guest, refused)
        assert grant in said
        assert "[tool.dbctl]" in said
        execute(empty_url, "create schema dbctl")
        grant = f'GRANT USAGE, CREATE ON SCHEMA "dbctl" TO "{name}";'
        assert grant in on(driver, guest, refused)
        on("psycopg", empty_url, store.ensure)
        grant = (
            f'GRANT USAGE ON SCHEMA "dbctl" TO "{name}"; '
            f'GRANT SELECT, INSERT ON "dbctl"."dbctl_ledger" TO "{name}";'
        )
        assert grant in on(driver, guest, refused)
        execute(empty_url, *grant.split("; "))
        on(driver, guest, writing(store, entry("r1")))
        assert fetch(empty_url, "select role from dbctl.dbctl_ledger") == [name]


def test_role_that_may_only_insert_writes_and_reads_no_fingerprint(empty_url: str) -> None:
    store = VersionStore()
    on("psycopg", empty_url, store.ensure)
    with role(empty_url) as name:
        guest = as_role(empty_url, name)
        execute(empty_url, f"grant insert on dbctl.dbctl_ledger to {name}")
        for driver in DRIVERS:
            on(driver, guest, writing(store, entry(driver)))
        assert reading(guest, store.read_fingerprints) == {}
        execute(empty_url, "revoke usage on schema dbctl from public")
        assert reading(guest, store.read_fingerprints) == {}
    assert applied(empty_url, store) == list(DRIVERS)


def test_role_that_does_not_own_the_old_ledger_gets_the_sql_of_its_owner(empty_url: str) -> None:
    execute(empty_url, VERSIONS, OLD_LEDGER.format(""), OLD_ROW.format("", "r1"))
    with role(empty_url) as name:
        database = dsn.parse(empty_url, environ={}).database
        execute(empty_url, f'grant create on database "{database}" to {name}')

        def refused(connection: Connection) -> str:
            with pytest.raises(OperationFailed, match='only its owner, "postgres"') as raised:
                VersionStore().ensure(connection)
            return str(raised.value.hint)

        hint = on("psycopg", as_role(empty_url, name), refused)
        assert 'ALTER TABLE "public"."dbctl_ledger" SET SCHEMA "dbctl";' in hint
        execute(empty_url, *hint.partition("run there: ")[2].strip(";").split("; "))
    assert applied(empty_url, VersionStore()) == ["r1"]


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ", "AUTOCOMMIT"])
def test_eight_at_once_all_find_it_made(
    empty_url: str, driver: str, old: bool, isolation: str
) -> None:
    store = VersionStore()
    if old:
        execute(empty_url, OLD_LEDGER.format(""), OLD_ROW.format("", "r0"))
    work = writing(store, entry("r1"))
    with ThreadPoolExecutor(8) as threads:
        futures = [
            threads.submit(on, driver, empty_url, work, isolation_level=isolation) for _ in range(8)
        ]
    for future in futures:
        future.result()
    assert fetch(empty_url, "select count(*) from dbctl.dbctl_ledger") == [8 + old]


@pytest.mark.parametrize("driver", DRIVERS)
def test_eight_that_make_it_in_transactions_of_their_own_wait_for_each_other(
    empty_url: str, driver: str
) -> None:
    def work(connection: Connection) -> None:
        with connection.begin():
            own_tables.make(connection, seeds_table("dbctl"))

    with ThreadPoolExecutor(8) as threads:
        for future in [threads.submit(on, driver, empty_url, work) for _ in range(8)]:
            future.result()
    assert fetch(empty_url, LEDGERS) == ["dbctl.dbctl_seeds"]


def test_ensure_in_a_transaction_is_refused(empty_url: str) -> None:
    def write(connection: Connection) -> None:
        connection.exec_driver_sql("select 1")
        with pytest.raises(InvalidRequestError):
            VersionStore().ensure(connection)
        connection.rollback()

    on("psycopg", empty_url, write)
    assert fetch(empty_url, LEDGERS) == []


@pytest.mark.parametrize("old", [False, True])
def test_ensure_says_nothing_and_locks_nothing_once_it_is_there(empty_url: str, old: bool) -> None:
    said: list[str] = []
    if old:
        execute(empty_url, VERSIONS, OLD_LEDGER.format(""))

    async def work() -> None:
        manager = DatabaseSessionManager(dsn.parse(empty_url, environ={}), pooling=False)
        async with manager.connect() as connection:
            raw = (await connection.get_raw_connection()).driver_connection
            assert raw is not None

            def listen(_connection: object, message: asyncpg.PostgresLogMessage) -> None:
                said.append(str(message))

            raw.add_log_listener(listen)
            await connection.run_sync(VersionStore().ensure)
            async with connected(empty_url) as other, other.transaction():
                await other.execute("lock table dbctl.dbctl_ledger")
                async with asyncio.timeout(5):
                    await connection.run_sync(VersionStore().ensure)
            raw.remove_log_listener(listen)

    asyncio.run(work())
    assert said == []


@pytest.mark.parametrize("old", [False, True])
def test_preamble_is_what_ensure_does(empty_urls: tuple[str, str], old: bool) -> None:
    url, other = empty_urls
    store = VersionStore(schema=ODD)
    for each in empty_urls:
        if old:
            execute(each, VERSIONS, OLD_LEDGER.format(""), OLD_ROW.format("", "r1"))
    sql = reading(url, store.preamble)
    execute(url, sql)
    on("pg8000", other, store.ensure)
    assert fetch(url, LEDGERS) == fetch(other, LEDGERS) == [f"{ODD}.dbctl_ledger"]
    assert applied(url, store) == (["r1"] if old else [])
    assert reading(url, store.preamble) == ""


def test_log_of_old_and_new_rows_is_the_newest_first(tmp_path: Path, empty_url: str) -> None:
    checkout = open_checkout(load_settings(start=Project.create(tmp_path, empty_url, "x").root))
    store = checkout.store
    on("psycopg", empty_url, writing(store, entry("r1"), entry("r2")))
    # An earlier version of dbctl has run once more.
    execute(empty_url, OLD_LEDGER.format(""), OLD_ROW.format("", "r3"), OLD_ROW.format("", "r4"))

    def log(limit: int | None) -> tuple[int, list[str]]:
        found = reading(empty_url, lambda c: store.read_log(c, checkout, "shop", limit=limit))
        return found.total, [row.revision for row in found.entries]

    assert log(None) == (4, ["r4", "r3", "r2", "r1"])
    assert log(3) == (4, ["r4", "r3", "r2"])
    assert applied(empty_url, store) == ["r1", "r2", "r3", "r4"]
    on("psycopg", empty_url, store.ensure)
    assert fetch(empty_url, LEDGERS) == ["dbctl.dbctl_ledger"]
    assert log(None) == (4, ["r4", "r3", "r2", "r1"])


def test_another_schema_by_its_setting_is_used_by_every_command(
    tmp_path: Path, empty_url: str
) -> None:
    project = Project.create(tmp_path, empty_url, "create table team (id int, name text)")
    (project.root / "pyproject.toml").write_text('[tool.dbctl]\nschema = "ops"\n')
    assert project.run("migrate", "up").exit_code == 0
    assert project.run("seed", "generate", "team=3").exit_code == 0
    assert project.run("seed", "forbid").exit_code == 0
    assert fetch(empty_url, LEDGERS) == [
        "ops.dbctl_ledger",
        "ops.dbctl_seed_marker",
        "ops.dbctl_seeds",
    ]
    assert project.run("migrate", "log", "--json").json["total"] == 1
    assert project.run("migrate", "up", DBCTL_SCHEMA="two").exit_code == 0
    assert project.run("migrate", "log", "--json", DBCTL_SCHEMA="two").json["total"] == 0
    assert project.run("migrate", "plan", "--json").exit_code == 0
    assert project.run("seed", "generate", "team=3", "--json").json["error"]["code"] == "seed_guard"


def test_seeds_old_record_is_read_and_moved_when_it_is_written(empty_url: str) -> None:
    state = {"created": [["a", "1"]], "found": []}
    document = seeds._document(state)
    execute(
        empty_url,
        OLD_SEEDS,
        "insert into dbctl_seeds (kind, name, state, sha256, host, actor, dbctl) values"
        f" ('set', 'demo', '{document}', '{seeds._digest(document)}', 'here', 'ada', '0.1')",
    )

    async def read(connection: AsyncConnection) -> Any:
        found = await seeds.read_state(connection, "set", "demo", schema="dbctl")
        runs = await seeds.read_sets(connection, schema="dbctl")
        await connection.rollback()
        return found, [(name, run.author, run.rows) for name, run in runs.items()]

    async def write(connection: AsyncConnection) -> None:
        await seeds.write_state(connection, "generate", "team", {"next": 7}, schema="dbctl")
        await connection.commit()

    assert reading(empty_url, read) == (state, [("demo", "ada", 1)])
    reading(empty_url, write)
    assert fetch(empty_url, LEDGERS) == ["dbctl.dbctl_seeds"]
    assert reading(empty_url, read) == (state, [("demo", "ada", 1)])


def test_seeds_two_records_become_one_with_the_last_run_of_each(empty_url: str) -> None:
    def run(table: str, name: str, number: int, day: int) -> str:
        document = seeds._document({"next": number})
        return (
            f"insert into {table} (kind, name, state, sha256, host, dbctl, last_run) values"
            f" ('generate', '{name}', '{document}', '{seeds._digest(document)}', 'here', '0.1',"
            f" '{WHEN + timedelta(days=day)}')"
        )

    async def read(connection: AsyncConnection) -> list[int]:
        states = [
            await seeds.read_state(connection, "generate", name, schema="dbctl")
            for name in ("a", "b", "c")
        ]
        await connection.rollback()
        return [state["next"] for state in states if state is not None]

    on("psycopg", empty_url, lambda c: own_tables.ensure(c, seeds_table("dbctl")))
    execute(
        empty_url,
        OLD_SEEDS,
        run("dbctl.dbctl_seeds", "a", 1, 1),
        run("dbctl_seeds", "a", 2, 2),
        run("dbctl.dbctl_seeds", "b", 3, 2),
        run("dbctl_seeds", "b", 4, 1),
        run("dbctl_seeds", "c", 5, 1),
    )
    assert reading(empty_url, read) == [2, 3, 5]
    on("pg8000", empty_url, lambda c: own_tables.ensure(c, seeds_table("dbctl")))
    assert fetch(empty_url, LEDGERS) == ["dbctl.dbctl_seeds"]
    assert reading(empty_url, read) == [2, 3, 5]


def test_mark_of_an_earlier_version_holds_and_is_moved_when_it_is_set(empty_url: str) -> None:
    execute(
        empty_url,
        OLD_MARKER,
        "insert into dbctl_seed_marker (verdict, database_oid, database_name, host, dbctl)"
        " values ('forbidden', 1, 'elsewhere', 'here', '0.1')",
    )

    async def read(connection: AsyncConnection) -> Verdict | None:
        mark = await marker.read(connection)
        await connection.rollback()
        return mark.verdict if mark else None

    async def allow(connection: AsyncConnection) -> None:
        await marker.write(connection, Verdict.ALLOWED, schema="dbctl")
        await connection.commit()

    assert reading(empty_url, read) is Verdict.FORBIDDEN
    on("psycopg", empty_url, VersionStore().ensure)  # which moves no other table
    assert reading(empty_url, read) is Verdict.FORBIDDEN
    reading(empty_url, allow)
    assert fetch(empty_url, LEDGERS) == ["dbctl.dbctl_ledger", "dbctl.dbctl_seed_marker"]
    assert reading(empty_url, read) is Verdict.ALLOWED


def test_mark_is_read_by_a_role_without_a_privilege(empty_url: str) -> None:
    async def forbid(connection: AsyncConnection) -> None:
        await marker.write(connection, Verdict.FORBIDDEN, schema="dbctl")
        await connection.commit()

    async def read(connection: AsyncConnection) -> Verdict | None:
        mark = await marker.read(connection)
        await connection.rollback()
        return mark.verdict if mark else None

    # A schema that somebody made for dbctl, which others may not look into.
    execute(empty_url, "create schema dbctl")
    reading(empty_url, forbid)
    with role(empty_url) as name:
        assert reading(as_role(empty_url, name), read) is Verdict.FORBIDDEN
    assert fetch(empty_url, "select count(*) from dbctl.dbctl_seed_marker") == [1]


def test_tables_of_a_version_before_are_what_is_made_now(empty_url: str) -> None:
    """The definitions in Python give what the SQL files of version 0.1 gave."""
    execute(empty_url, OLD_SEEDS, OLD_MARKER)
    for table in (seeds_table("dbctl"), marker_table("dbctl")):
        execute(empty_url, f"create schema old_{table.name}")
        execute(empty_url, f"alter table {table.name} set schema old_{table.name}")
        on("psycopg", empty_url, partial(own_tables.ensure, table=table))
        described = [
            fetch(
                empty_url,
                "select format('%s %s %s %s', attname, atttypid::regtype, attnotnull,"
                " replace(pg_get_expr(adbin, adrelid), 'pg_catalog.', '')) from pg_attribute"
                " left join pg_attrdef on adrelid = attrelid and adnum = attnum"
                f" where attrelid = '{schema}.{table.name}'::regclass and attnum > 0 order by 1",
            )
            + fetch(
                empty_url,
                "select conname || pg_get_constraintdef(oid) from pg_constraint where conrelid ="
                f" '{schema}.{table.name}'::regclass and contype <> 'n' order by 1",
            )
            for schema in ("dbctl", f"old_{table.name}")
        ]
        assert described[0] == described[1]


@pytest.mark.parametrize("path", ["public", "public, pg_catalog"])
def test_own_sql_runs_nothing_of_the_search_path(empty_url: str, path: str) -> None:
    """A role with CREATE on public could have its own function run by whoever deploys."""
    bomb = "language plpgsql as $$ begin raise 'called'; end $$"
    # On the second path, which nobody has by accident, not even `text = text` is the server's.
    lefts = ("text", "name", "varchar", "jsonb") if path == "public" else ()
    path = f"set search_path to {path}"
    for left in lefts:
        for right in ("text", "varchar", "name", "int4"):
            execute(
                empty_url,
                f"create function public.bomb({left}, {right}) returns bool {bomb}",
                *(
                    f"create operator public.{operator} (leftarg = {left}, rightarg = {right},"
                    " function = public.bomb)"
                    for operator in ("=", "<>", "~", "->", "+")
                ),
            )
    execute(
        empty_url,
        "create function public.coalesce_bomb() returns int language plpgsql as"
        " $$ begin raise 'called'; end $$",
        "create function public.pg_table_is_visible(oid) returns bool language plpgsql as"
        " $$ begin raise 'called'; end $$",
        "create function public.now() returns timestamptz language plpgsql as"
        " $$ begin raise 'called'; end $$",
        "create function public.current_schema() returns name language plpgsql as"
        " $$ begin raise 'called'; end $$",
    )
    for driver in DRIVERS:
        on(driver, empty_url, writing(VersionStore(), entry(driver)), path)
    assert applied(empty_url, VersionStore(), path) == list(DRIVERS)
    billing = VersionStore(version_table="billing")
    assert applied(empty_url, billing, path) == []
    assert reading(empty_url, billing.read_version, path) == ((), False)

    async def seed(connection: AsyncConnection) -> None:
        state: dict[str, list[str]] = {"created": [], "found": []}
        await seeds.write_state(connection, "set", "demo", state, schema="dbctl")
        assert await seeds.read_state(connection, "set", "demo", schema="dbctl") == state
        assert list(await seeds.read_sets(connection, schema="dbctl")) == ["demo"]
        await marker.write(connection, Verdict.FORBIDDEN, schema="dbctl")
        assert await marker.read(connection) is not None
        await connection.rollback()

    reading(empty_url, seed, path)
