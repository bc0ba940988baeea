"""Plans of several statements: each is described as the database will be by then."""

import asyncio
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from dbctl.db import dsn
from dbctl.db.engine import DatabaseSessionManager
from dbctl.migrate.catalogue.describe import describe
from dbctl.migrate.catalogue.effects import Effect
from dbctl.migrate.catalogue.reached import Lock
from dbctl.migrate.statements import Assessment, Work, assess
from tests.support.databases import TestServer, execute, holding
from tests.support.planning import plan_of
from tests.support.project import Project

ENV = """
from alembic import context
from sqlalchemy import NullPool, create_engine

url = context.config.get_main_option("sqlalchemy.url")
settings = {"options": "-csearch_path=app -ctimezone=Asia/Tokyo"}
with create_engine(url, poolclass=NullPool, connect_args=settings).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
SCHEMA = (
    "create schema app",
    "create table parent (id int primary key, name varchar(10))",
    "create table child (id int primary key, parent_id int references parent)",
    "create table app.thing (id int primary key, name varchar(10))",
    "create table app.part (id int references app.thing) partition by range (id)",
    'create table app."Part 1" partition of app.part for values from (0) to (10)',
    "create table sale (id int, day int) partition by range (day)",
    *(
        f"create table sale_{day} partition of sale for values from ({day}) to ({day + 1})"
        for day in range(7)
    ),
    "insert into sale select n, n % 7 from generate_series(1, 70) n",
    "insert into parent select n, 'x' from generate_series(1, 500) n",
    "analyze",
)


@pytest.fixture(scope="module")
def url(server: TestServer) -> Iterator[str]:
    """The URL of one database with `SCHEMA` for every test that does not change it."""
    with server.database() as url:
        execute(url, *SCHEMA)
        yield url


def effects_of(
    url: str, *revisions: Sequence[str], path: Sequence[str] = ("public",), zone: str = ""
) -> list[Effect]:
    """Return the effects of the statements of all revisions, in their order."""
    created: set[str] = set()
    assessed: list[list[Assessment]] = []
    for statements in revisions:
        assessed.append([])
        for sql in statements:
            assessed[-1].append(assess(sql, created))
            created.update(assessed[-1][-1].creates)

    async def work() -> list[list[Effect]]:
        manager = DatabaseSessionManager(dsn.parse(url, environ={}), pooling=False)
        async with manager.connect() as connection:
            found = await describe(connection, path, zone, assessed)
        await manager.close()
        return found

    return [effect for each in asyncio.run(work()) for effect in each]


def named(effect: Effect) -> list[str]:
    return sorted(lock.table for lock in effect.locks)


def lock_on(effect: Effect, table: str) -> Lock:
    return next(lock for lock in effect.locks if lock.table == table)


def test_describe_table_renamed_before_finds_what_hangs_on_it(url: str) -> None:
    *_, dropped, typed = effects_of(
        url,
        ["alter table child rename to kid"],
        ["alter table kid drop column parent_id", "alter table parent alter name type text"],
    )
    assert named(dropped) == ["kid", "parent"]
    assert typed.work is Work.NONE


def test_describe_table_moved_to_another_schema_is_found_there(url: str) -> None:
    _, moved, _, renamed = effects_of(
        url,
        [
            "alter table child set schema app",
            "alter table app.child drop column parent_id",
            "alter table app.thing rename to stuff",
        ],
        ["alter table app.stuff alter column id type bigint"],
    )
    assert named(moved) == ["app.child", "parent"]
    assert named(renamed) == ['app."Part 1"', "app.part", "app.stuff"]


def test_describe_foreign_key_that_was_dropped_reaches_nothing(url: str) -> None:
    first, second = effects_of(
        url,
        ["alter table child drop constraint child_parent_id_fkey"],
        ["truncate parent cascade"],
    )
    assert named(first) == ["child", "parent"]
    assert named(second) == ["parent"]


def test_describe_foreign_key_that_was_added_reaches_both_sides(url: str) -> None:
    *_, last = effects_of(
        url,
        ["alter table app.thing add foreign key (id) references parent not valid"],
        ["truncate parent cascade"],
    )
    assert {"app.thing", "parent", "child", "app.part"} <= set(named(last))


def test_describe_new_table_dropped_again_locks_what_it_refers_to(url: str) -> None:
    *_, last = effects_of(
        url, ["create table n (parent_id int references parent)"], ["drop table n"]
    )
    assert named(last) == ["parent"]


def test_describe_table_in_place_of_a_dropped_one_is_new(url: str) -> None:
    first, *_, last = effects_of(
        url,
        ["drop table sale", "create table sale (id int)", "alter table sale add column x int"],
    )
    assert "sale_3" in named(first)
    assert named(last) == []


def test_describe_partition_that_was_attached_or_detached_counts(url: str) -> None:
    *_, attached, _, _, detached = effects_of(
        url,
        [
            "alter table sale attach partition child for values from (100) to (200)",
            "alter table sale add column x int",
        ],
        [
            "alter table sale detach partition child",
            "alter table sale detach partition sale_1",
            "alter table sale add column y int",
        ],
    )
    assert {"child", "sale_1"} <= set(named(attached))
    assert not {"child", "sale_1"} & set(named(detached))


@pytest.mark.parametrize(
    "before",
    [
        ["set search_path = app, public"],
        ["set local search_path to 'app'"],
        ["select pg_catalog.set_config('search_path', 'app', false)"],
    ],
)
def test_describe_search_path_that_a_revision_sets_holds_for_it_alone(
    url: str, before: list[str]
) -> None:
    statement = "alter table thing alter column id type bigint"
    _, inside, after = effects_of(url, [*before, statement], [statement])
    assert named(inside) == ['"Part 1"', "part", "thing"]
    assert named(after) == ["thing"]


def test_describe_name_is_looked_up_on_the_path_of_the_revision(url: str) -> None:
    (effect,) = effects_of(
        url, ["alter table part add column x int"], path=("nowhere", "app", "public")
    )
    assert named(effect) == ['"Part 1"', "part"]


def test_describe_table_measures_rows_and_bytes_and_says_why(url: str) -> None:
    (effect,) = effects_of(url, ["alter table sale add column x int"])
    partition = lock_on(effect, "sale_3")
    assert (partition.rows, partition.bytes) == (10, 8192)
    assert partition.reason == "partition of sale"
    assert lock_on(effect, "sale").reason == ""


def test_describe_table_that_is_locked_is_named_without_waiting(url: str) -> None:
    with holding(url, "lock table parent in access exclusive mode"):
        (effect,) = effects_of(url, ["alter table parent alter name type text"])
    assert (lock_on(effect, "parent").rows, lock_on(effect, "parent").bytes) == (None, None)
    assert effect.work is Work.NONE


@pytest.mark.parametrize(
    ("sql", "lost"),
    [
        ("truncate parent cascade", {"parent", "child"}),
        ("truncate sale", {"sale", *(f"sale_{day}" for day in range(7))}),
        ("drop table app.thing cascade", {"app.thing"}),
        ("drop schema app cascade", {"app.thing", "app.part", 'app."Part 1"'}),
        ("drop table app.part", {"app.part", 'app."Part 1"'}),
        ("drop type nothing cascade", {"every table that uses nothing"}),
    ],
)
def test_describe_cascade_names_the_rows_that_are_lost(url: str, sql: str, lost: set[str]) -> None:
    (effect,) = effects_of(url, [sql])
    assert {loss.table for loss in effect.losses} == lost
    assert effect.known == ("nothing" not in sql)


def test_describe_timestamp_to_timestamptz_goes_by_the_time_zone(server: TestServer) -> None:
    alter = "alter table t alter column at type timestamptz"

    def work(*before: str, zone: str = "") -> Work:
        *_, effect = effects_of(own, [*before, alter], zone=zone)
        return effect.work

    with server.database() as own:
        name = dsn.parse(own, environ={}).database
        execute(own, "create table t (at timestamp)", f"alter database {name} set timezone = 'GMT'")
        assert work() is Work.NONE
        assert work(zone="Europe/Berlin") is Work.REWRITE
        for unset in ("set time zone 'America/Lima'", "set local timezone to 'Asia/Tokyo'"):
            assert work(unset) is Work.REWRITE
            assert work(unset, "set time zone default") is Work.NONE
        assert work("select set_config('TimeZone', 'UTC', true)", zone="Asia/Tokyo") is Work.NONE
        first, second = effects_of(own, ["set timezone = 'Asia/Tokyo'", alter], [alter])[1:]
        assert (first.work, second.work) == (Work.REWRITE, Work.NONE)


@pytest.mark.parametrize("sql", ["reindex table sale", "reindex index sale_id", "cluster sale"])
def test_describe_partitioned_table_is_refused_in_a_transaction(
    server: TestServer, sql: str
) -> None:
    with server.database() as url:
        execute(
            url,
            "create table sale (id int) partition by range (id)",
            "create table sale_1 partition of sale default",
            "create index sale_id on sale (id)",
        )
        (effect,) = effects_of(url, [sql])
    assert not effect.transactional
    assert "sale_1" in named(effect)


def test_plan_shows_each_table_with_its_size_and_the_reason(tmp_path: Path, empty_url: str) -> None:
    execute(empty_url, *SCHEMA)
    project = Project.create(
        tmp_path, empty_url, "alter table sale add column x int", "truncate parent cascade"
    )
    plan = plan_of(project)
    text = re.sub(r"\n--   *", " ", plan.sql)
    assert "also ACCESS EXCLUSIVE on sale_0 (about 10 rows, 8.0 kB), " in text
    assert "and 2 more: partition of sale" in text
    assert "ACCESS EXCLUSIVE on parent (about 500 rows, " in text
    assert "child (empty, 8.0 kB): foreign key child_parent_id_fkey from child to parent" in text
    assert "loses the rows of parent; loses the rows of child" in text
    locks = [lock for each in plan.revisions[0].statements for lock in each.locks]
    assert [lock.table for lock in locks] == ["sale", *(f"sale_{day}" for day in range(7))]
    assert {lock.rows for lock in locks[1:]} == {10}


def test_plan_names_and_times_are_those_of_the_session_of_env_py(
    tmp_path: Path, empty_url: str
) -> None:
    execute(
        empty_url,
        "create schema app",
        "create table app.event (id int primary key, at timestamp)",
        "create table app.visit (event_id int references app.event)",
        "create table event (id int, at timestamp)",
    )
    project = Project.create(
        tmp_path, empty_url, "alter table event alter at type timestamptz, alter id type bigint"
    )
    project.write_alembic("env.py", ENV)
    (planned,) = plan_of(project).revisions
    (statement,) = [each for each in planned.statements if each.locks]
    assert [lock.table for lock in statement.locks] == ["event", "visit"]
    assert (statement.work, "anew" in statement.note) == (Work.REWRITE, True)
