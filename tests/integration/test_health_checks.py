"""What is wrong within a database, made for real and told right: locks, keys, indexes, vacuum."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbctl.db import dsn
from dbctl.db.connections import ServerConnections
from dbctl.db.embedded import EmbeddedServer
from dbctl.db.engine import DatabaseSessionManager, closing
from dbctl.db.pgbinaries import system_binaries
from dbctl.db.pgprocess import run as run_program
from dbctl.health.backends import first_words
from dbctl.health.blocking import heads
from dbctl.health.checks import connections, vacuum
from dbctl.health.report import prepare, report_health
from dbctl.health.results import CheckResult, Status
from dbctl.settings import load_settings
from tests.support.databases import TestServer, connected, wait_for
from tests.support.databases import execute as run_statements
from tests.support.folders import open_folder
from tests.support.pgbouncer import Pgbouncer

type Connection = asyncpg.Connection[Any]

CHECKS = (
    "connections",
    "blockers",
    "transactions",
    "indexes",
    "sequences",
    "wraparound",
    "vacuum",
)
INSTALLED = {binaries.major: binaries.bindir for binaries in reversed(system_binaries())}
GRANT = "GRANT pg_read_all_stats TO clerk;"


async def look(url: str, *names: str, thresholds: tuple[str, ...] = ()) -> list[CheckResult]:
    """Make the checks; `thresholds` are as on the command line."""
    request = prepare(load_settings(), only=names, thresholds=thresholds)
    async with closing(DatabaseSessionManager(dsn.parse(url, environ={}))) as manager:
        report = await report_health(manager, request)
    assert report.error is None
    return list(report.checks)


async def look_at(url: str, name: str, *thresholds: str) -> CheckResult:
    """Make one check."""
    (found,) = await look(url, name, thresholds=tuple(f"{name}.{one}" for one in thresholds))
    return found


@pytest.fixture
def clerk_url(server: TestServer, empty_url: str) -> Iterator[str]:
    """The URL of an empty database for a role that may log in and nothing else."""
    server.execute("CREATE ROLE clerk LOGIN")
    yield as_clerk(empty_url)
    database = dsn.parse(empty_url, environ={}).database
    server.execute("DROP OWNED BY clerk", database=database)
    server.execute("DROP OWNED BY clerk", "DROP ROLE clerk")


def as_clerk(url: str) -> str:
    return url.replace("postgres@", "clerk@")


@pytest.fixture(scope="module")
def preparing_url() -> Iterator[str]:
    """The URL of a server that takes prepared transactions."""
    with open_folder() as folder:
        embedded = EmbeddedServer(folder / "project", state_dir=folder / "state")
        try:
            run_statements(
                embedded.ensure_running(), "alter system set max_prepared_transactions = 5"
            )
            embedded.stop()
            yield embedded.ensure_running()
        finally:
            embedded.destroy()


@asynccontextmanager
async def waiting(url: str, *statements: str) -> AsyncIterator[list[asyncio.Task[str]]]:
    """Start each statement in a session of its own once the one before it waits for a lock."""
    async with AsyncExitStack() as stack:
        tasks = []
        for statement in statements:
            session = await stack.enter_async_context(connected(url))
            tasks.append(asyncio.create_task(session.execute(statement)))
            pid = session.get_server_pid()
            await until(
                url, f"exists (select from pg_locks where pid = {pid} and waitstart < now())"
            )
        try:
            yield tasks
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def holding(url: str, *statements: str) -> AsyncIterator[int]:
    """Hold open a transaction in which the statements were run; yield the pid of its session."""
    async with connected(url) as session:
        for statement in ("begin", *statements):
            await session.execute(statement)
        yield session.get_server_pid()


async def execute(url: str, *statements: str) -> None:
    """Run statements, each on its own, in a session that has told its statistics then."""
    await asyncio.to_thread(run_statements, url, *statements)


async def until(url: str, condition: str) -> None:
    await asyncio.to_thread(wait_for, url, condition)


# At rest


async def test_a_database_at_rest_passes_every_check(database_url: str) -> None:
    found = await look(database_url, *CHECKS)
    assert {one.name: one.status for one in found} == dict.fromkeys(CHECKS, Status.PASS)
    assert all(one.remedy is None and one.observed_value is not None for one in found)


async def test_a_role_without_rights_passes_where_nothing_is_hidden(clerk_url: str) -> None:
    found = await look(clerk_url, *CHECKS)
    assert {one.name: one.status for one in found} == dict.fromkeys(CHECKS, Status.PASS)


@pytest.mark.parametrize("bindir", INSTALLED.values(), ids=str)
async def test_every_check_is_made_on_each_version_with_and_without_rights(bindir: Path) -> None:
    with open_folder() as folder:
        embedded = EmbeddedServer(folder / "project", state_dir=folder / "state", pg_bindir=bindir)
        url = embedded.ensure_running()
        try:
            async with connected(url) as admin:
                await admin.execute(
                    "create table t (id serial primary key); create role clerk login"
                )
            passed = await look(url, *CHECKS)
            hidden = await look(as_clerk(url), *CHECKS)
        finally:
            embedded.destroy()
    assert {one.status for one in passed} == {Status.PASS}
    assert [one.name for one in hidden if one.status is not Status.PASS] == ["sequences"]


async def test_every_check_is_made_through_a_transaction_pooler(
    pgbouncer: Pgbouncer, database_url: str
) -> None:
    name = dsn.parse(database_url, environ={}).database
    assert name is not None
    found = await look(pgbouncer.url_of(name), *CHECKS)
    assert {one.status for one in found} == {Status.PASS}


# Connections


async def test_connections_are_told_by_application_and_state(empty_url: str) -> None:
    async with connected(empty_url) as idle, connected(empty_url) as open_:
        for session in (idle, open_):
            await session.execute("set application_name = 'shop'")
        await open_.execute("begin")
        found = await look_at(empty_url, "connections", "warn=0", "fail=100")
    assert found.status is Status.WARN
    shop = next(one for one in found.evidence if one["application"] == "shop")
    assert (shop["connections"], shop["idle"], shop["idle_in_transaction"]) == (2, 1, 1)
    observed = found.observed
    used, usable = observed["used"], observed["usable"]
    assert isinstance(used, int)
    assert isinstance(usable, int)
    assert found.observed_value == round(100 * used / usable, 1)
    assert (observed["max_connections"], observed["reserved"], usable) == (100, 3, 97)
    assert found.summary.startswith(f"{used} of {usable} used (")
    assert found.summary.endswith("1 session idle in transaction")
    assert "pooler" in str(found.remedy)


@pytest.mark.parametrize(
    ("used", "percent", "said"),
    [
        (4, 80.0, "4 of 5 used (80 %)"),
        (5, 100.0, "5 of 5 used (100 %)"),
        (6, 100.0, "none is left for ordinary roles: 6 of 8 used, 3 reserved"),
    ],
)
def test_connections_beyond_the_ordinary_ones_are_counted_of_all(
    used: int, percent: float, said: str
) -> None:
    assert connections.occupancy(ServerConnections(used, 8, 3)) == (percent, said)


async def test_connections_are_judged_without_rights_for_their_number_is_no_secret(
    empty_url: str, clerk_url: str
) -> None:
    async with connected(empty_url):
        found = await look_at(clerk_url, "connections", "warn=0")
    assert found.status is Status.WARN
    hidden = found.observed["hidden"]
    assert isinstance(hidden, int)
    assert hidden >= 1


# Blockers


async def test_the_head_of_a_queue_is_told_and_its_remedy_ends_the_queue(empty_url: str) -> None:
    await execute(empty_url, "create table t (name text)")
    async with connected(empty_url) as holder:
        await holder.execute("set application_name = 'forgetful'")
        await holder.execute("begin; select from t where name = 'Ada''s secret'")
        queue = ("alter table t add other int", "select from t")
        async with waiting(empty_url, *queue) as tasks:
            found = await look_at(empty_url, "blockers", "warn=0")
            assert found.remedy is not None
            await execute(empty_url, found.remedy)
            async with asyncio.timeout(30):
                assert await asyncio.gather(*tasks) == ["ALTER TABLE", "SELECT 0"]
    assert found.status is Status.WARN
    assert found.summary.startswith("2 sessions waiting for a lock, for up to ")
    (head,) = found.evidence
    assert (head["pid"], head["application"]) == (holder.get_server_pid(), "forgetful")
    assert (head["state"], head["waiting"]) == ("idle in transaction", 2)
    assert head["query"] == "begin; select from t where name = …"
    assert found.remedy == f"SELECT pg_terminate_backend({head['pid']});"


async def test_a_blocker_that_works_is_cancelled_and_keeps_its_session(empty_url: str) -> None:
    await execute(empty_url, "create table t ()")
    async with connected(empty_url) as holder:
        pid = holder.get_server_pid()
        working = asyncio.create_task(holder.execute("begin; lock table t; select pg_sleep(600)"))
        await until(
            empty_url,
            f"exists (select from pg_stat_activity where pid = {pid} and wait_event = 'PgSleep')",
        )
        async with waiting(empty_url, "select from t"):
            found = await look_at(empty_url, "blockers", "warn=0")
            assert found.remedy == f"SELECT pg_cancel_backend({pid});"
            await execute(empty_url, found.remedy)
            with pytest.raises(asyncpg.QueryCanceledError):
                await asyncio.wait_for(working, 30)
            await holder.execute("rollback")


async def test_a_short_wait_is_no_finding(empty_url: str) -> None:
    await execute(empty_url, "create table t ()")
    async with connected(empty_url) as holder:
        await holder.execute("begin; lock table t")
        async with waiting(empty_url, "select from t"):
            found = await look_at(empty_url, "blockers", "warn=1h", "fail=2h")
    assert (found.status, found.remedy, len(found.evidence)) == (Status.PASS, None, 1)


async def test_waits_for_the_applications_own_locks_are_counted_and_not_judged(
    empty_url: str,
) -> None:
    async with connected(empty_url) as leader:
        await leader.execute("select pg_advisory_lock(1)")
        async with waiting(empty_url, "select pg_advisory_lock(1)"):
            found = await look_at(empty_url, "blockers", "warn=0.001")
            await leader.execute("select pg_advisory_unlock(1)")
    assert found.status is Status.PASS
    assert found.observed["waiting_for_advisory_locks"] == 1


async def test_a_blocker_is_told_without_rights_and_how_to_see_what_it_does(
    empty_url: str, clerk_url: str
) -> None:
    await execute(empty_url, "create table t ()")
    async with connected(empty_url) as holder:
        await holder.execute("begin; lock table t")
        async with waiting(empty_url, "select from t"):
            found = await look_at(clerk_url, "blockers", "warn=0", "fail=0")
            await holder.execute("rollback")
    assert found.status is Status.FAIL
    (head,) = found.evidence
    assert (head["pid"], head["query"], head["hidden"]) == (holder.get_server_pid(), None, True)
    assert GRANT in str(found.remedy)


def test_a_circle_has_a_head_too() -> None:
    waits = [
        {"pid": 2, "blocked_by": 3, "seconds": 2.0},
        {"pid": 3, "blocked_by": 2, "seconds": 1.0},
        {"pid": 1, "blocked_by": 3, "seconds": 0.5},
    ]
    (head,) = heads(waits).items()
    assert (head[0], head[1].victims, head[1].seconds) == (2, {1, 3}, 1.0)


@given(st.sets(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1))
def test_everybody_who_waits_has_a_head_that_nobody_but_its_own_circle_keeps_waiting(
    pairs: set[tuple[int, int]],
) -> None:
    waits = [{"pid": pid, "blocked_by": by, "seconds": 1.0} for pid, by in pairs if pid != by]
    found = heads(waits)
    ahead = {pid: {by for one, by in pairs if one == pid and by != pid} for pid, _ in pairs}

    def before(pid: int) -> set[int]:
        seen: set[int] = set()
        todo = [pid]
        while todo:
            further = ahead.get(todo.pop(), set()) - seen
            seen |= further
            todo.extend(further)
        return seen

    for head, blocker in found.items():
        assert not ahead.get(head) or head in before(head)
        assert all(head in before(victim) for victim in blocker.victims)
    waiting = {row["pid"] for row in waits}
    assert waiting <= set(found) | {pid for one in found.values() for pid in one.victims}


def test_a_statement_is_told_without_its_values() -> None:
    assert first_words(None) is None
    assert first_words("select\n  1") == "select 1"
    assert first_words("alter role x password 'hunter2'") == "alter role x password …"
    assert first_words("do $body$ hunter2 $body$") == "do …"
    assert first_words("select " + "a" * 100) == "select " + "a" * 53 + " …"


# Transactions


async def test_the_oldest_transaction_is_told_with_what_ends_it(empty_url: str) -> None:
    async with holding(
        empty_url, "set local application_name = 'report'", "select 'hunter2'"
    ) as pid:
        found = await look_at(empty_url, "transactions", "warn=0")
        passed = await look_at(empty_url, "transactions")
    assert (found.status, passed.status) == (Status.WARN, Status.PASS)
    (oldest,) = found.evidence
    assert (oldest["pid"], oldest["state"]) == (pid, "idle in transaction")
    assert (oldest["application"], oldest["query"]) == ("report", "select …")
    assert found.observed["idle_in_transaction"] == 1
    assert found.remedy == f"SELECT pg_terminate_backend({pid});"
    assert "hunter2" not in found.model_dump_json()


async def test_open_transactions_are_unknown_where_their_age_is_hidden(
    empty_url: str, clerk_url: str
) -> None:
    async with holding(empty_url):
        hidden = await look_at(clerk_url, "transactions", "warn=0")
        assert hidden.remedy == GRANT
        await execute(empty_url, hidden.remedy)
        seen = await look_at(clerk_url, "transactions", "warn=0", "fail=0")
    assert (hidden.status, hidden.observed_value) == (Status.UNKNOWN, None)
    assert hidden.summary == "the age of 1 open transaction is hidden from this role"
    assert seen.status is Status.FAIL


async def test_a_prepared_transaction_is_old_and_in_the_way_until_it_is_rolled_back(
    preparing_url: str,
) -> None:
    async with connected(preparing_url) as session:
        await session.execute("create table t ()")
        await session.execute("begin; lock table t; prepare transaction 'it''s 1'")
        await session.execute("begin; create table u (); prepare transaction 'other'")
        async with waiting(preparing_url, "select from t"):
            blocker = await look_at(preparing_url, "blockers", "warn=0")
            old = await look_at(preparing_url, "transactions", "warn=0")
            assert blocker.remedy == old.remedy == "ROLLBACK PREPARED 'it''s 1';"
            await execute(preparing_url, blocker.remedy)
        await session.execute("rollback prepared 'other'")
    (head,) = blocker.evidence
    assert (head["prepared"], head["role"], head["waiting"]) == ("it's 1", "postgres", 1)
    assert [one.get("prepared") for one in old.evidence][:2] == ["it's 1", "other"]
    assert old.observed["prepared"] == 2


# Indexes


async def test_an_index_that_could_not_be_built_is_a_warning_until_it_is_rebuilt(
    empty_url: str,
) -> None:
    await execute(empty_url, 'create table t as select 1 as "N" from generate_series(1, 2)')
    with pytest.raises(asyncpg.UniqueViolationError):
        await execute(empty_url, 'create unique index concurrently "T_key" on t ("N")')
    found = await look_at(empty_url, "indexes")
    assert (found.status, found.observed_value) == (Status.WARN, 1)
    assert found.summary == '1 index invalid: public."T_key"'
    (index,) = found.evidence
    assert (index["table"], index["unique"]) == ("public.t", True)
    assert found.remedy is not None
    await execute(empty_url, "delete from t where ctid = '(0,1)'", found.remedy)
    assert (await look_at(empty_url, "indexes")).status is Status.PASS


async def test_what_a_failed_rebuild_leaves_is_dropped(empty_url: str) -> None:
    await execute(
        empty_url,
        "create table t (n int)",
        "create unique index t_key on t (n)",
        # As a table without a check has them after the damage of a bug.
        "update pg_index set indisunique = false where indexrelid = 't_key'::regclass",
        "insert into t values (1), (1)",
        "update pg_index set indisunique = true where indexrelid = 't_key'::regclass",
    )
    with pytest.raises(asyncpg.UniqueViolationError):
        await execute(empty_url, "reindex index concurrently t_key")
    found = await look_at(empty_url, "indexes")
    assert found.remedy == "DROP INDEX CONCURRENTLY public.t_key_ccnew;"
    await execute(empty_url, found.remedy)
    assert (await look_at(empty_url, "indexes")).status is Status.PASS


@pytest.mark.parametrize("role", ["postgres@", "clerk@"])
async def test_an_index_that_is_being_built_is_not_invalid(
    empty_url: str, clerk_url: str, role: str
) -> None:
    await execute(empty_url, "create table t (n int)")
    async with connected(empty_url) as holder, connected(empty_url) as builder:
        await holder.execute("begin; insert into t values (1)")
        building = asyncio.create_task(builder.execute("create index concurrently i on t (n)"))
        await until(empty_url, "exists (select from pg_index where not indisvalid)")
        found = await look_at(clerk_url.replace("clerk@", role), "indexes")
        await holder.execute("rollback")
        await building
    assert found.status is Status.PASS


# Sequences and integer keys


async def worst_of(url: str, *statements: str) -> CheckResult:
    """Look at the sequences after the statements."""
    await execute(url, *statements)
    return await look_at(url, "sequences")


KEYS = {
    "serial": "create table t (id serial primary key)",
    "identity": "create table t (id int generated always as identity primary key)",
    "default": "create sequence s; create table t (id int primary key default nextval('s'))",
    "domain": (
        "create domain key as int; create sequence s;"
        " create table t (id key primary key default nextval('s'))"
    ),
    "domain of a domain": (
        "create domain low as int not null check (value > 0); create domain key as low"
        " check (value <> 7); create sequence s; alter sequence s as int;"
        " create table t (id key primary key default nextval('s'))"
    ),
    "odd names": (
        """create domain "My ""key" as int check (value > 0); create sequence s;"""
        """ create table t (id "My ""key" primary key default nextval('s'))"""
    ),
}


@pytest.mark.parametrize("table", KEYS.values(), ids=KEYS)
async def test_a_key_at_95_percent_fails_until_its_type_is_wider(
    empty_url: str, table: str
) -> None:
    sequence = "s" if " s;" in table else "t_id_seq"
    found = await worst_of(
        empty_url, table, f"select setval('{sequence}', (0.95 * 2147483647)::int)"
    )
    assert (found.status, found.observed_value) == (Status.FAIL, 95.0)
    assert found.summary.startswith("public.t.id (")
    assert found.summary.endswith("has used 95 % of its range")
    (key,) = found.evidence
    assert (key["sequence"], key["last"]) == (f"public.{sequence}", 2040109465)
    assert found.remedy is not None
    kind = (
        "select typtype::text from pg_type where oid ="
        " (select atttypid from pg_attribute where attrelid = 't'::regclass and attnum = 1)"
    )
    async with connected(empty_url) as connection:
        before = await connection.fetchval(kind)
        healed = await worst_of(empty_url, found.remedy)
        assert (healed.status, healed.remedy) == (Status.PASS, None)
        # A domain stays one, with what it asks of its values.
        assert await connection.fetchval(kind) == before
        for value in (-1, 7) if "low" in table else (-1,) if "check" in table else ():
            with pytest.raises(asyncpg.CheckViolationError):
                await connection.execute(f"insert into t values ({value})")


async def test_a_domain_that_was_made_wide_is_taken_for_the_next_column(empty_url: str) -> None:
    statements = (
        "create domain key as int check (value > 0)",
        "create table t (id key primary key)",
        "create table u (id key references t)",
        "create sequence s owned by t.id",
        "select setval('s', 2000000000)",
    )
    found = await worst_of(empty_url, *statements)
    assert found.remedy is not None
    assert "CREATE DOMAIN public.key_bigint AS bigint CHECK" in found.remedy
    found = await worst_of(empty_url, found.remedy)
    assert found.remedy == "ALTER TABLE public.u ALTER COLUMN id TYPE public.key_bigint;"
    assert (await worst_of(empty_url, found.remedy)).status is Status.PASS


async def test_a_sequence_past_the_end_of_its_column_is_said_to_be(empty_url: str) -> None:
    found = await worst_of(
        empty_url,
        "create sequence s; create table t (id smallint default nextval('s'))",
        "select setval('s', 40000)",
    )
    assert found.status is Status.FAIL
    assert found.summary == "public.t.id (smallint) has come past the end of its range"


async def test_a_column_that_refers_to_a_wide_key_and_is_narrow_is_found(empty_url: str) -> None:
    found = await worst_of(
        empty_url,
        "create table parent (id bigserial primary key)",
        "create table child (parent_id int references parent, other_id bigint references parent)",
        "select setval('parent_id_seq', 1800000000)",
    )
    assert found.status is Status.WARN
    assert [one["name"] for one in found.evidence] == ["public.child.parent_id"]
    assert found.remedy == "ALTER TABLE public.child ALTER COLUMN parent_id TYPE bigint;"


async def test_a_key_without_a_sequence_warns_by_its_largest_value(empty_url: str) -> None:
    found = await worst_of(
        empty_url,
        "create table parted (id smallint primary key) partition by range (id)",
        "create table low partition of parted for values from (0) to (20000)",
        "create table high partition of parted for values from (20000) to (32767)",
        "insert into parted values (1), (32000)",
        "create table child (id smallint primary key references parted)",
        "insert into child values (32000)",
        "create table calm (id int primary key)",
        "insert into calm values (-5)",
    )
    assert (found.status, found.observed_value) == (Status.WARN, 97.7)
    (key,) = found.evidence
    assert (key["name"], key["sequence"], key["last"]) == ("public.parted.id", None, 32000)
    # No ALTER TABLE can do it.
    assert found.remedy == "move the rows of public.parted to a new table, where id is bigint"


async def test_sequences_that_end_in_their_own_way_are_judged_by_it(empty_url: str) -> None:
    found = await worst_of(
        empty_url,
        "create sequence round maxvalue 10 cycle",
        "select setval('round', 10)",
        "create temporary sequence brief maxvalue 10",
        "create sequence down increment -1 minvalue -100 maxvalue -1",
        "select setval('down', -80)",
        "create sequence up maxvalue 1000",
        "select setval('up', 910)",
        "create sequence fresh maxvalue 2",
    )
    assert found.status is Status.FAIL
    assert [(one["name"], one["percent"]) for one in found.evidence] == [
        ("public.up", 91.0),
        ("public.down", 80.0),
    ]
    down = found.evidence[1]["remedy"]
    assert found.remedy == "ALTER SEQUENCE public.up NO MAXVALUE;"
    assert down == "ALTER SEQUENCE public.down NO MINVALUE;"
    assert (await worst_of(empty_url, found.remedy, str(down))).status is Status.PASS


async def test_a_sequence_that_cannot_be_read_is_unknown_until_it_is_granted(
    empty_url: str, clerk_url: str
) -> None:
    await execute(
        empty_url,
        "create schema apart",
        "create table apart.t (id serial primary key)",
        "create table apart.k (id int primary key)",
        "insert into apart.k values (1)",
    )
    hidden = await look_at(clerk_url, "sequences")
    assert hidden.status is Status.UNKNOWN
    assert hidden.summary == "cannot read apart.t_id_seq and apart.k.id"
    assert hidden.remedy == (
        "GRANT SELECT ON SEQUENCE apart.t_id_seq TO clerk;"
        " GRANT USAGE ON SCHEMA apart TO clerk; GRANT SELECT (id) ON apart.k TO clerk;"
    )
    await execute(empty_url, hidden.remedy)
    assert (await look_at(clerk_url, "sequences")).status is Status.PASS


async def test_names_that_are_words_of_sql_are_quoted_in_the_grants_and_in_what_widens_a_key(
    empty_url: str, clerk_url: str
) -> None:
    await execute(
        empty_url,
        'create schema "user"',
        'create table "user"."order" ("select" int primary key)',
        'insert into "user"."order" values (2000000000)',
    )
    hidden = await look_at(clerk_url, "sequences")
    await execute(empty_url, str(hidden.remedy))
    found = await look_at(clerk_url, "sequences")
    assert found.status is Status.WARN
    assert (await worst_of(empty_url, str(found.remedy))).status is Status.PASS


async def test_a_sequence_at_the_end_of_bigint_is_set_back_to_what_is_used(empty_url: str) -> None:
    await execute(
        empty_url,
        """create table "it's" (id bigserial primary key)""",
        """insert into "it's" values (7)""",
        """select setval('"it''s_id_seq"', 9223372036854775806)""",
    )
    found = await look_at(empty_url, "sequences")
    assert found.status is Status.FAIL
    assert (await worst_of(empty_url, str(found.remedy))).status is Status.PASS


async def test_a_key_behind_a_policy_is_unknown_for_its_largest_may_be_hidden(
    empty_url: str, clerk_url: str
) -> None:
    await execute(
        empty_url,
        "create table k (id smallint primary key)",
        "insert into k values (32000)",
        "alter table k enable row level security",
        "grant select on k to clerk",
    )
    hidden = await look_at(clerk_url, "sequences")
    assert (hidden.status, hidden.remedy) == (Status.UNKNOWN, "ALTER ROLE clerk BYPASSRLS;")
    assert (await look_at(empty_url, "sequences")).status is Status.WARN


async def test_what_is_seen_to_end_is_told_whatever_else_is_hidden(
    empty_url: str, clerk_url: str
) -> None:
    await execute(
        empty_url,
        "create sequence hidden",
        "create sequence s maxvalue 100",
        "select setval('s', 99)",
        "grant usage on sequence s to clerk",
    )
    found = await look_at(clerk_url, "sequences")
    assert (found.status, found.observed["unread"]) == (Status.FAIL, 1)


async def test_a_table_that_is_locked_is_not_waited_for(empty_url: str) -> None:
    await execute(
        empty_url,
        "create table t (id serial primary key)",
        "create table k (id int primary key)",
        "insert into k values (1)",
    )
    async with holding(empty_url, "alter sequence t_id_seq as bigint", "lock table k"):
        found = await look_at(empty_url, "sequences")
    assert found.status is Status.UNKNOWN
    assert found.summary == "cannot read public.t_id_seq and public.k.id; 2 of them locked now"
    assert found.remedy == "look again once the locks are gone: dbctl inspect locks"


# Transaction ids


async def test_old_transaction_ids_are_told_with_the_tables_and_what_holds_them_back(
    empty_url: str,
) -> None:
    await execute(empty_url, "create table t ()")
    async with holding(empty_url, "create table u ()") as pid:
        for number in range(5):
            await execute(empty_url, f"create table later_{number} ()")
        found = await look_at(empty_url, "wraparound", "warn=0.0000001", "fail=off")
    assert found.status is Status.WARN
    assert found.observed["autovacuum_freeze_max_age"] == 200_000_000
    tables = [one for one in found.evidence if "table" in one]
    holders = [one for one in found.evidence if "held_back_by" in one]
    assert len(tables) == 5
    assert (holders[0]["held_back_by"], holders[0]["pid"]) == ("session", pid)
    assert str(found.remedy).startswith(f"SELECT pg_terminate_backend({pid}); VACUUM (FREEZE")


async def test_a_server_that_runs_out_of_transaction_ids_fails_until_it_is_frozen() -> None:
    with open_folder() as folder:
        embedded = EmbeddedServer(folder / "project", state_dir=folder / "state")
        embedded.ensure_running()
        embedded.stop()
        try:
            age(embedded)
            url = embedded.ensure_running()
            old = await look_at(url, "wraparound")
            await execute(url, "vacuum (freeze)")
            frozen = await look_at(url, "wraparound")
        finally:
            embedded.destroy()
    assert old.status is Status.FAIL
    assert old.summary.endswith(" old (79.2 %)")
    assert str(old.remedy).startswith("VACUUM (FREEZE, VERBOSE);")
    # The other databases are still as old, unless autovacuum has been quick.
    assert frozen.observed["percent_here"] == 0


def age(embedded: EmbeddedServer) -> None:
    """Let 1.7 billion transactions pass on a server that is stopped."""
    cluster = embedded.cluster
    per_segment = 2**20
    segment = 1_700_000_000 // per_segment + 1
    file = cluster.data_dir / "pg_xact" / f"{segment:04X}"
    file.write_bytes(bytes(per_segment // 4))
    owner = cluster.data_dir.stat()
    os.chown(file, owner.st_uid, owner.st_gid)
    program = cluster.binaries / "pg_resetwal"
    done = run_program(
        [program, "-x", str(segment * per_segment + 3), "-D", cluster.data_dir], cluster.account
    )
    assert done.returncode == 0, done.output


async def test_the_ages_of_ids_are_seen_without_rights(clerk_url: str) -> None:
    found = await look_at(clerk_url, "wraparound", "warn=0", "fail=off")
    assert found.status is Status.WARN
    assert str(found.remedy).startswith("VACUUM (FREEZE, VERBOSE)")


# Vacuum

# Nothing comes between a test and its dead rows.
QUIET = "autovacuum_vacuum_threshold = 1000000, autovacuum_analyze_threshold = 1000000"


async def with_dead_rows(url: str, table: str, rows: int, deleted: int) -> None:
    await execute(
        url,
        f"create table {table} (n int) with ({QUIET})",
        f"insert into {table} select generate_series(1, {rows})",
    )
    await execute(url, f"analyze {table}")
    await execute(url, f"delete from {table} where n <= {deleted}")
    counted = f"pg_stat_get_dead_tuples('{table}'::regclass) = {deleted}"
    await until(url, counted)


async def test_a_table_full_of_dead_rows_is_a_warning_until_it_is_vacuumed(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await with_dead_rows(empty_url, "jobs", 20_000, 15_000)
    found = await look_at(empty_url, "vacuum")
    # Past the share that fails, but few enough for a moment's vacuum.
    assert (found.status, found.observed_value) == (Status.WARN, 75.0)
    assert found.summary == "public.jobs has 15,000 dead rows (75 %)"
    (table,) = found.evidence
    assert (table["table"], table["live_rows"], table["vacuumed_at"]) == (
        "public.jobs",
        5000,
        None,
    )
    assert found.remedy == "VACUUM (ANALYZE) public.jobs;"
    with monkeypatch.context() as patched:
        patched.setattr(vacuum, "_MANY", 15_000)
        assert (await look_at(empty_url, "vacuum")).status is Status.FAIL
    await execute(empty_url, found.remedy)
    await until(empty_url, "pg_stat_get_dead_tuples('jobs'::regclass) = 0")
    assert (await look_at(empty_url, "vacuum")).status is Status.PASS


async def test_a_few_dead_rows_are_nothing_to_tell(empty_url: str) -> None:
    await with_dead_rows(empty_url, "jobs", 12_000, 9_000)
    assert (await look_at(empty_url, "vacuum")).status is Status.PASS


async def test_tables_that_vacuum_never_sees_are_told(empty_url: str) -> None:
    await execute(
        empty_url,
        f"create table loaded (n int) with ({QUIET})",
        "create table left_out (n int) with (autovacuum_enabled = false)",
        "insert into loaded select generate_series(1, 10000)",
        "insert into left_out select generate_series(1, 10000)",
    )
    await execute(empty_url, "analyze left_out")
    for table in ("loaded", "left_out"):
        await until(empty_url, f"pg_stat_get_live_tuples('{table}'::regclass) = 10000")
    found = await look_at(empty_url, "vacuum")
    assert found.status is Status.WARN
    assert found.summary == "public.left_out is left out by autovacuum; 1 more problem"
    assert [one["remedy"] for one in found.evidence] == [
        "ALTER TABLE public.left_out RESET (autovacuum_enabled);",
        "VACUUM (ANALYZE) public.loaded;",
    ]


async def test_a_server_without_autovacuum_is_told(preparing_url: str) -> None:
    await execute(preparing_url, "alter system set autovacuum = off", "select pg_reload_conf()")
    await until(preparing_url, "current_setting('autovacuum') = 'off'")
    found = await look_at(preparing_url, "vacuum")
    assert found.status is Status.WARN
    assert found.summary == "autovacuum is off for the whole server"
    assert found.remedy == "ALTER SYSTEM SET autovacuum = on; SELECT pg_reload_conf();"
    await execute(preparing_url, *found.remedy.rstrip(";").split(";"))
    await until(preparing_url, "current_setting('autovacuum') = 'on'")
