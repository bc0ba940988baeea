"""`dbctl inspect` about the database itself: tables, indexes, sessions, locks, sizes."""

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, redirect_stdout
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import RenderableType

from dbctl.db import catalog, dsn
from dbctl.db.catalog import fetch as fetch_catalogue
from dbctl.db.embedded import EmbeddedServer
from dbctl.errors import ErrorCode, ExitCode, FindingError, OperationFailed, UsageError
from dbctl.inspect.database import ddl
from dbctl.inspect.database import indexes as all_indexes
from dbctl.inspect.database import table as one_table
from dbctl.inspect.database import tables as all_tables
from dbctl.inspect.database.activity import list_activity
from dbctl.inspect.database.blocking import tree
from dbctl.inspect.database.indexes import list_indexes, parse_faults
from dbctl.inspect.database.locks import list_locks
from dbctl.inspect.database.results.activity import ActivityResult, Backend
from dbctl.inspect.database.results.indexes import Fault, IndexesResult
from dbctl.inspect.database.size import measure
from dbctl.inspect.database.slow import list_statements
from dbctl.inspect.database.table import describe_table
from dbctl.inspect.database.tables import list_tables
from dbctl.inspect.database.views import activity as activity_views
from dbctl.inspect.database.views import indexes as indexes_views
from dbctl.inspect.database.views import locks as locks_views
from dbctl.inspect.database.views import size as size_views
from dbctl.inspect.database.views import slow as slow_views
from dbctl.inspect.database.views import table as table_views
from dbctl.inspect.database.views import tables as tables_views
from dbctl.rendering import console
from dbctl.results import Result
from tests.support.cli import invoke
from tests.support.databases import TestServer, connected, execute, wait_for
from tests.support.folders import open_folder
from tests.support.pgbouncer import Pgbouncer

type Connection = asyncpg.Connection[Any]


@pytest.fixture
async def connection(empty_url: str) -> AsyncIterator[Connection]:
    """A connection to an empty database, in no transaction."""
    async with connected(empty_url) as connection:
        yield connection


@pytest.fixture
def clerk(server: TestServer) -> Iterator[str]:
    """A role that may log in and nothing else."""
    server.execute("CREATE ROLE clerk LOGIN")
    yield "clerk"
    for name in server_databases(server):
        server.execute("DROP OWNED BY clerk", database=name)
    server.execute("DROP ROLE clerk")


def server_databases(server: TestServer) -> list[str]:
    from tests.support.databases import fetch

    query = "SELECT datname FROM pg_database WHERE datallowconn AND datname <> 'template1'"
    return fetch(server.url, query)


def shown[R: Result](result: R, view: Callable[[R], RenderableType], width: int = 80) -> str:
    with redirect_stdout(io.StringIO()) as out:
        screen = console()
        screen.width = width
        screen.print(view(result))
    return out.getvalue()


async def until(connection: Connection, condition: str) -> None:
    """Return once the SQL expression `condition` holds."""
    async with asyncio.timeout(30):
        while not await connection.fetchval(f"SELECT {condition}"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # a database tells nobody


@asynccontextmanager
async def queue(url: str) -> AsyncIterator[tuple[int, int, int]]:
    """Yield the pids of who holds a lock on t, who waits to write, and who waits to alter it."""
    async with AsyncExitStack() as stack:
        holder, writer, alterer, watcher = [
            await stack.enter_async_context(connected(url)) for _ in range(4)
        ]
        held = holder.transaction()
        await held.start()
        await holder.execute("LOCK TABLE t IN SHARE MODE")
        await holder.execute(
            "SELECT pg_advisory_xact_lock(4294967298), pg_advisory_xact_lock(1, 2)"
        )
        tasks = []
        statements = ("INSERT INTO t VALUES (1) /* \x1b[31m [bold] */", "ALTER TABLE t ADD c int")
        for who, statement in zip((writer, alterer), statements, strict=True):
            tasks.append(asyncio.ensure_future(who.execute(statement)))
            pid = who.get_server_pid()
            await until(watcher, f"cardinality(pg_blocking_pids({pid})) > 0")
        try:
            yield holder.get_server_pid(), writer.get_server_pid(), alterer.get_server_pid()
        finally:
            await held.rollback()
            await asyncio.gather(*tasks)


# --- tables ---------------------------------------------------------------------------------


PARTITIONED = """
CREATE TABLE events (id int, at date) PARTITION BY RANGE (at);
CREATE TABLE events_b PARTITION OF events FOR VALUES FROM ('2021-01-01') TO ('2022-01-01')
  PARTITION BY LIST (id);
CREATE TABLE a_leaf PARTITION OF events_b DEFAULT;
CREATE TABLE events_a PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE INDEX on_id ON events (id);
INSERT INTO events SELECT g, '2020-02-02' FROM generate_series(1, 100) g;
INSERT INTO events SELECT g, '2021-02-02' FROM generate_series(1, 10) g;
CREATE TABLE big (t text); ALTER TABLE big ALTER t SET STORAGE EXTERNAL;
INSERT INTO big SELECT repeat('x', 100000) FROM generate_series(1, 20);
ANALYZE;
"""


async def test_a_partitioned_table_is_the_sum_of_its_partitions(connection: Connection) -> None:
    await connection.execute(PARTITIONED)
    result = await list_tables(connection)
    assert [table.name for table in result.tables] == ["big", "events"]
    big, events = result.tables
    leaves = "'a_leaf', 'events_a'"
    query = f"SELECT sum(pg_total_relation_size(c)) FROM unnest(ARRAY[{leaves}]::regclass[]) c"
    assert events.total_bytes == await connection.fetchval(query)
    assert events.estimated_rows == 110
    assert big.toast_bytes is not None
    assert big.toast_bytes > 2_000_000
    assert big.table_bytes == await connection.fetchval("SELECT pg_table_size('big')")
    await until(connection, "pg_stat_get_last_analyze_time('big'::regclass) IS NOT NULL")
    assert (await list_tables(connection)).tables[0].last_analyze is not None


async def test_partitions_are_listed_below_their_table_whatever_the_order(
    connection: Connection,
) -> None:
    await connection.execute(PARTITIONED)
    by_name = await list_tables(connection, partitions=True)
    placed = [(table.name, table.level, table.parent) for table in by_name.tables]
    assert placed == [
        ("big", 0, None),
        ("events", 0, None),
        ("events_a", 1, "public.events"),
        ("events_b", 1, "public.events"),
        ("a_leaf", 2, "public.events_b"),
    ]
    by_rows = await list_tables(connection, partitions=True, sort="rows")
    assert [table.name for table in by_rows.tables] == [
        *("events", "events_a", "events_b", "a_leaf", "big"),
    ]
    by_size = await list_tables(connection, partitions=True, sort="size")
    assert [table.name for table in by_size.tables] == [
        *("big", "events", "events_a", "events_b", "a_leaf"),
    ]
    assert "    a_leaf" in shown(by_name, tables_views.tables)


async def test_one_schema_can_be_asked_for_and_an_unknown_one_is_told(
    connection: Connection,
) -> None:
    await connection.execute('CREATE SCHEMA "Odd"; CREATE TABLE "Odd".x (); CREATE TABLE y ()')
    assert [t.name for t in (await list_tables(connection, schema="odd")).tables] == ["x"]
    with pytest.raises(UsageError) as caught:
        await list_tables(connection, schema="publik")
    assert (caught.value.code, caught.value.hint) == (ErrorCode.NOT_FOUND, "Did you mean public?")


def test_dead_rows_and_their_share_are_told(empty_url: str) -> None:
    execute(
        empty_url,
        "CREATE TABLE t (n int) WITH (autovacuum_enabled = off)",
        "INSERT INTO t SELECT generate_series(1, 10)",
        "ANALYZE t",
        "DELETE FROM t WHERE n <= 5",
        "CREATE TABLE quiet ()",
    )
    wait_for(empty_url, "pg_stat_get_dead_tuples('t'::regclass) = 5")
    env = {"DATABASE_URL": empty_url}
    done = invoke("inspect", "tables", "--sort", "dead", "--json", env=env)
    assert [(t["name"], t["dead_rows"]) for t in done.json["tables"]] == [("t", 5), ("quiet", 0)]
    assert "5 33%" in invoke("inspect", "tables", env=env).stdout


async def test_exact_rows_are_counted_and_it_is_told_of_each_that_is_not(
    empty_url: str, clerk: str
) -> None:
    async with connected(empty_url) as owner:
        await owner.execute(
            "CREATE TABLE few AS SELECT generate_series(1, 7) n;"
            "CREATE TABLE secret (); CREATE TABLE taken (); CREATE TABLE late AS SELECT 1 AS n;"
            "CREATE MATERIALIZED VIEW bare AS SELECT 1 WITH NO DATA;"
            "CREATE POLICY slow ON late USING (pg_sleep(60) IS NOT NULL);"
            "ALTER TABLE late ENABLE ROW LEVEL SECURITY;"
            f"GRANT SELECT ON few, taken, late, bare TO {clerk}"
        )
        taken = owner.transaction()
        await taken.start()
        await owner.execute("LOCK TABLE taken")
        async with connected(empty_url.replace("postgres@", f"{clerk}@")) as looking:
            result = await list_tables(looking, exact=True, statement_timeout=0.5)
            assert not looking.is_in_transaction()
        await taken.rollback()
    assert {t.name: (t.exact_rows, t.not_counted) for t in result.tables} == {
        "bare": (None, "not populated"),
        "late": (None, "out of time"),
        "secret": (None, "no permission"),
        "few": (7, None),
        "taken": (None, "locked"),
    }
    text = shown(result, tables_views.tables)
    assert "— out of time" in text
    assert " 7 " in text


# --- indexes --------------------------------------------------------------------------------

INDEXES = """
CREATE TABLE parent (id int PRIMARY KEY, other int UNIQUE, t text, "Group" int);
CREATE TABLE child (id int PRIMARY KEY, p int CONSTRAINT lonely REFERENCES parent,
  q int REFERENCES parent, r int REFERENCES parent, "order" int REFERENCES parent);
CREATE INDEX child_q ON child (q, p DESC);
CREATE INDEX child_r ON child (r) WHERE r IS NOT NULL;
CREATE INDEX one ON parent (t); CREATE INDEX two ON parent (t);
CREATE INDEX longer ON parent (t, "Group");
CREATE INDEX other_class ON parent (t text_pattern_ops);
CREATE INDEX backwards ON parent (t DESC);
CREATE INDEX some_of_it ON parent (t) WHERE t <> '';
CREATE INDEX as_key ON parent (id);
CREATE UNIQUE INDEX on_lower ON parent (lower(t));
CREATE INDEX on_lower_too ON parent (lower(t));
CREATE INDEX hashed ON parent USING hash (t);
CREATE INDEX broken ON parent ("Group");
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'broken'::regclass;
"""


async def findings(connection: Connection, *only: Fault) -> IndexesResult:
    return await list_indexes(connection, only=only, unused_after=0)


async def test_each_fault_of_an_index_is_found_with_its_remedy(connection: Connection) -> None:
    await connection.execute(INDEXES)
    result = await findings(connection)
    found = {
        (finding.fault, finding.index or finding.detail): finding.remedy
        for finding in result.findings
    }
    lonely = "no index for the foreign key lonely (p)"
    reserved = 'no index for the foreign key child_order_fkey ("order")'
    dropped = {
        Fault.DUPLICATE: {"one", "two", "as_key", "on_lower_too"},
        # child_q and child_r serve foreign keys.
        Fault.UNUSED: {"longer", "other_class", "backwards", "some_of_it", "hashed"},
    }
    expected = {
        (fault, f"public.{name}"): f"DROP INDEX CONCURRENTLY public.{name};"
        for fault, names in dropped.items()
        for name in names
    } | {
        (Fault.INVALID, "public.broken"): "REINDEX INDEX CONCURRENTLY public.broken;",
        (Fault.MISSING, lonely): "CREATE INDEX CONCURRENTLY ON public.child (p);",
        (Fault.MISSING, reserved): 'CREATE INDEX CONCURRENTLY ON public.child ("order");',
    }
    assert found == expected
    for remedy in found.values():
        await connection.execute(remedy)
    rest = await findings(connection)
    # The mended index has no scan yet.
    assert [index.name for index in rest.indexes if index.faults] == ["broken"]


async def test_an_index_that_is_used_or_enforces_something_is_not_unused(
    connection: Connection,
) -> None:
    await connection.execute(
        "CREATE TABLE t (id int PRIMARY KEY, a int, b int, EXCLUDE USING gist (box(point(a, b),"
        " point(a, b)) WITH &&)); CREATE INDEX used ON t (a); CREATE INDEX idle ON t (b);"
        "INSERT INTO t SELECT g, g, g FROM generate_series(1, 2000) g; ANALYZE t"
    )
    await connection.execute("SET enable_seqscan = off")
    assert await connection.fetchval("SELECT id FROM t WHERE a = 5") == 5
    await until(connection, "pg_stat_get_numscans('used'::regclass) > 0")
    await connection.execute("CREATE INDEX covering ON t (a, b)")
    result = await findings(connection)
    faults = {index.name: index.faults for index in result.indexes if index.faults}
    # What `used` served, `covering` will: of the two only one may go.
    assert faults == {"used": (Fault.DUPLICATE,), "idle": (Fault.UNUSED,)}
    used = next(index for index in result.indexes if index.name == "used")
    assert used.scans > 0
    assert (used.last_scan is not None) == (connection.get_server_version().major >= 16)


async def test_no_index_is_called_unused_before_scans_were_counted_for_long(
    connection: Connection,
) -> None:
    await connection.execute("CREATE TABLE t (a int); CREATE INDEX idle ON t (a)")
    result = await list_indexes(connection)
    assert (result.counted_long, result.findings) == (False, ())
    assert "too short to call one unused" in shown(result, indexes_views.indexes, 200)


async def test_the_index_of_a_partitioned_table_stands_for_those_of_its_partitions(
    connection: Connection,
) -> None:
    await connection.execute(PARTITIONED)
    await connection.execute("CREATE TABLE owner (id int PRIMARY KEY)")
    await connection.execute("ALTER TABLE events ADD o int REFERENCES owner")
    result = await findings(connection)
    (index,) = [index for index in result.indexes if index.table == "events"]
    sizes = "pg_relation_size('events_a_id_idx') + pg_relation_size('a_leaf_id_idx')"
    assert index.bytes == await connection.fetchval(f"SELECT {sizes}")
    assert {finding.remedy for finding in result.findings} == {
        "DROP INDEX public.on_id;",
        "CREATE INDEX ON public.events (o);",
    }


async def test_only_some_findings_can_be_asked_for(connection: Connection) -> None:
    await connection.execute(INDEXES)
    result = await findings(connection, Fault.INVALID, Fault.MISSING)
    assert [index.name for index in result.indexes] == ["broken"]
    assert {finding.fault for finding in result.findings} == {Fault.INVALID, Fault.MISSING}
    records = list(result.records())
    assert [(record["name"], record["faults"]) for record in records] == [
        ("broken", ["invalid"]),
        (None, ["missing"]),
        (None, ["missing"]),
    ]
    assert parse_faults("unused, missing") == (Fault.UNUSED, Fault.MISSING)
    with pytest.raises(UsageError, match="'unsued' is no finding") as caught:
        parse_faults("unsued")
    assert caught.value.hint == "Did you mean unused?"


# --- activity and locks ---------------------------------------------------------------------


async def test_sessions_stand_below_the_one_that_blocks_them(
    connection: Connection, empty_url: str
) -> None:
    await connection.execute("CREATE TABLE t (n int)")
    async with queue(empty_url) as (holder, writer, alterer):
        result = await list_activity(connection)
        text = shown(result, activity_views.activity, 200)
    mine = [one for one in result.backends if one.pid in (holder, writer, alterer)]
    assert [(one.pid, one.depth) for one in mine] == [(holder, 0), (writer, 1), (alterer, 1)]
    assert mine[1].blocked_by == (holder,)
    assert set(mine[2].blocked_by) == {holder, writer}
    assert (mine[0].state, mine[1].state) == ("idle in transaction", "active")
    assert mine[1].wait_event_type == "Lock"
    assert None not in (mine[1].waiting_seconds, mine[0].transaction_seconds)
    assert connection.get_server_pid() not in {one.pid for one in result.backends}
    assert f"└ {writer}" in text
    assert "\\x1b[31m [bold]" in text
    assert f"pg_cancel_backend({holder})" in text


async def test_idle_sessions_and_the_servers_own_processes_are_shown_with_all(
    connection: Connection, empty_url: str
) -> None:
    async with connected(empty_url) as idle:
        pid = idle.get_server_pid()
        await until(connection, f"(SELECT state FROM pg_stat_activity WHERE pid = {pid}) = 'idle'")
        few, every = await list_activity(connection), await list_activity(connection, every=True)
    assert pid not in {one.pid for one in few.backends}
    assert few.idle >= 1
    kinds = {one.pid: one.kind for one in every.backends}
    assert kinds[pid] == "client backend"
    assert "checkpointer" in kinds.values()
    assert every.idle == 0


async def test_an_idle_session_that_blocks_another_is_shown(
    connection: Connection, empty_url: str
) -> None:
    async with connected(empty_url) as idle, connected(empty_url) as waiting:
        await idle.execute("SELECT pg_advisory_lock(7)")
        task = asyncio.ensure_future(waiting.execute("SELECT pg_advisory_lock(7)"))
        blocked = f"pg_blocking_pids({waiting.get_server_pid()}) <> '{{}}'"
        await until(connection, blocked)
        result = await list_activity(connection)
        await idle.execute("SELECT pg_advisory_unlock(7)")
        await task
    depths = {one.pid: (one.state, one.depth) for one in result.backends}
    assert depths[idle.get_server_pid()] == ("idle", 0)
    assert depths[waiting.get_server_pid()] == ("active", 1)


async def test_a_role_that_may_not_see_others_is_told_the_grant_that_helps(
    empty_url: str, clerk: str
) -> None:
    async with connected(empty_url) as owner:
        await owner.execute("CREATE TABLE t (n int)")
        async with (
            queue(empty_url) as (holder, writer, _),
            connected(empty_url.replace("postgres@", f"{clerk}@")) as looking,
        ):
            hidden = await list_activity(looking, every=True)
            await owner.execute(f"GRANT pg_read_all_stats TO {clerk}")
            seen = await list_activity(looking, every=True)
    one = next(one for one in hidden.backends if one.pid == holder)
    assert (one.hidden, one.query, one.state) == (True, None, None)
    assert hidden.grant == "GRANT pg_read_all_stats TO clerk;"
    assert hidden.grant in shown(hidden, activity_views.activity, 200)
    assert (seen.hidden, seen.grant) == (0, None)
    assert next(one for one in seen.backends if one.pid == writer).query is not None


@given(st.dictionaries(st.integers(1, 12), st.lists(st.integers(0, 12), max_size=4), max_size=12))
def test_every_session_is_in_the_tree_once_whoever_waits_for_whom(
    blockers: dict[int, list[int]],
) -> None:
    placed = list(tree(blockers))
    assert sorted(pid for pid, _ in placed) == sorted(blockers)
    before: list[tuple[int, int]] = []
    for pid, depth in placed:
        if depth:
            parent = next(one for one, level in reversed(before) if level == depth - 1)
            assert parent in blockers[pid]
        before.append((pid, depth))


async def test_locks_are_listed_by_what_is_waited_for_and_then_by_strength(
    connection: Connection, empty_url: str
) -> None:
    await connection.execute("CREATE TABLE t (n int)")
    async with queue(empty_url) as (holder, writer, alterer):
        result = await list_locks(connection)
        text = shown(result, locks_views.locks)
    found = [(one.target, one.mode, one.granted, one.pid) for one in result.locks]
    assert found[:3] == [
        ("public.t", "ShareLock", True, holder),
        ("public.t", "AccessExclusiveLock", False, alterer),
        ("public.t", "RowExclusiveLock", False, writer),
    ]
    assert {one[0] for one in found} >= {"advisory 4294967298", "advisory 1, 2"}
    assert result.locks[2].blocked_by == (holder,)
    assert result.locks[2].waiting_seconds is not None
    assert "ACCESS EXCLUSIVE" in text
    assert connection.get_server_pid() not in {one.pid for one in result.locks}


async def test_a_long_queue_is_a_short_tree_and_shows_every_pid(
    connection: Connection, empty_url: str
) -> None:
    await connection.execute("CREATE TABLE t (n int)")
    async with AsyncExitStack() as stack:
        holder, *queued = [await stack.enter_async_context(connected(empty_url)) for _ in range(8)]
        await holder.execute("BEGIN; LOCK TABLE t")
        tasks = []
        for one in queued:
            tasks.append(asyncio.ensure_future(one.execute("BEGIN; LOCK TABLE t; COMMIT")))
            await until(connection, f"pg_blocking_pids({one.get_server_pid()}) <> '{{}}'")
        result = await list_activity(connection)
        text = shown(result, activity_views.activity, 80)
        locked = shown(await list_locks(connection), locks_views.locks, 80)
        await holder.execute("ROLLBACK")
        await asyncio.gather(*tasks)
    pids = [one.get_server_pid() for one in queued]
    assert [one.depth for one in result.backends if one.pid in pids] == [1] * len(pids)
    assert all(f"└ {pid} " in text for pid in pids)
    assert f"{holder.get_server_pid()}, {pids[0]} +5" in locked


def test_a_deep_tree_keeps_its_pids_in_sight() -> None:
    moment = datetime(2020, 1, 1, tzinfo=UTC)
    nothing = dict.fromkeys(Backend.model_fields)
    backends = [
        Backend(
            **nothing
            | {
                "pid": 4000 + n,
                "depth": n,
                "kind": "client backend",
                "hidden": False,
                "blocked_by": (3999 + n,) if n else (),
            }
        )
        for n in range(40)
    ]
    result = ActivityResult(
        database="d",
        read_at=moment,
        every=True,
        idle=0,
        hidden=0,
        grant=None,
        backends=tuple(backends),
    )
    text = shown(result, activity_views.activity, 80)
    assert all(f"{backend.pid} " in text for backend in backends)


async def test_locks_that_keep_nobody_waiting_or_are_another_databases_are_left_out(
    empty_urls: tuple[str, str],
) -> None:
    here, elsewhere = empty_urls
    async with AsyncExitStack() as stack:
        reader, looking = [await stack.enter_async_context(connected(here)) for _ in range(2)]
        first, second = [await stack.enter_async_context(connected(elsewhere)) for _ in range(2)]
        await reader.execute("CREATE SCHEMA room; CREATE TABLE s AS SELECT 1 AS n")
        await reader.execute("BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT * FROM s")
        await reader.execute("DROP SCHEMA room")
        await first.execute("CREATE TABLE t AS SELECT 1 AS n")
        await first.execute("BEGIN; UPDATE t SET n = 2")
        waiting = asyncio.ensure_future(second.execute("UPDATE t SET n = 3"))
        await until(looking, f"pg_blocking_pids({second.get_server_pid()}) <> '{{}}'")
        result = await list_locks(looking)
        await first.execute("ROLLBACK")
        await waiting
    assert [(one.target, one.mode) for one in result.locks] == [
        ("schema room", "AccessExclusiveLock"),
        ("public.s", "AccessShareLock"),
    ]


async def test_who_waits_for_a_row_is_seen_waiting_for_a_transaction(
    connection: Connection, empty_url: str
) -> None:
    await connection.execute("CREATE TABLE t (n int); INSERT INTO t VALUES (1)")
    async with connected(empty_url) as first, connected(empty_url) as second:
        held = first.transaction()
        await held.start()
        await first.execute("UPDATE t SET n = 2")
        waiting = asyncio.ensure_future(second.execute("UPDATE t SET n = 3"))
        await until(connection, f"pg_blocking_pids({second.get_server_pid()}) <> '{{}}'")
        result = await list_locks(connection)
        await held.rollback()
        await waiting
    assert result.locks[0].target.startswith("transaction ")
    assert result.locks[0].blocked_by == (first.get_server_pid(),)


async def test_nothing_waits_for_a_table_that_is_locked_or_about_to_be(
    connection: Connection, empty_url: str
) -> None:
    await connection.execute(
        "CREATE TABLE t (n int PRIMARY KEY, m int);"
        "CREATE INDEX odd ON t ((n + m)) WHERE m > 0; CREATE TABLE free (n int)"
    )
    async with queue(empty_url):
        tables = {t.name: t.total_bytes for t in (await list_tables(connection)).tables}
        indexes = {i.name: i.bytes for i in (await list_indexes(connection)).indexes}
        sizes = await measure(connection)
    assert (tables, indexes) == ({"free": 0, "t": None}, {"odd": None, "t_pkey": None})
    assert (sizes.locked, [t.name for t in sizes.tables]) == (("public.t",), ["free"])
    assert "not measured" in shown(sizes, size_views.sizes)


@pytest.mark.parametrize(
    ("module", "before", "dropped", "look"),
    [
        (all_indexes, "all_indexes", "INDEX odd", lambda c: list_indexes(c)),
        (one_table, "indexes", "INDEX odd", lambda c: describe_table(c, "t")),
        (all_tables, "moment", "TABLE t", lambda c: list_tables(c, exact=True)),
        (ddl, "ddl_indexes", "INDEX odd", lambda c: ddl.write_ddl(c, "t")),
    ],
)
async def test_what_is_dropped_while_it_is_read_ends_nothing(
    connection: Connection,
    empty_url: str,
    monkeypatch: pytest.MonkeyPatch,
    module: ModuleType,
    before: str,
    dropped: str,
    look: Callable[[Connection], Awaitable[Result]],
) -> None:
    await connection.execute("CREATE TABLE t (n int); CREATE INDEX odd ON t ((n + 1))")
    async with connected(empty_url) as other:

        async def fetched(reading: Connection, room: str, query: str, **values: Any) -> Any:
            if query == before:
                await reading.fetch("SELECT FROM pg_class")  # what it sees is settled now
                await other.execute(f"DROP {dropped}")
            return await fetch_catalogue(reading, room, query, **values)

        monkeypatch.setattr(module, "fetch", fetched)
        result = await look(connection)
    assert "None" not in result.model_dump_json()


@pytest.mark.parametrize("dropped", ["TABLE t", "VIEW seen"])
@pytest.mark.parametrize(
    ("look", "before"),
    # Later some servers hold a lock on it already, which keeps it from being dropped.
    [(describe_table, "columns"), (ddl.write_ddl, "relation")],
)
async def test_a_table_that_is_dropped_while_it_is_read_is_told_to_be(
    connection: Connection,
    empty_url: str,
    monkeypatch: pytest.MonkeyPatch,
    look: Callable[..., Awaitable[Result]],
    dropped: str,
    before: str,
) -> None:
    await connection.execute(
        "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        "CREATE TABLE t (n serial PRIMARY KEY, CHECK (n > 0));"
        "CREATE TRIGGER stamped AFTER INSERT ON t EXECUTE FUNCTION stamp();"
        "CREATE VIEW seen AS SELECT 1 AS one"
    )
    seen: list[str] = []
    async with connected(empty_url) as other:

        async def fetched(reading: Connection, room: str, query: str, **values: Any) -> Any:
            if query == before and not seen:
                seen.append(query)
                await reading.fetch("SELECT FROM pg_class")
                await other.execute(f"DROP {dropped}")
            return await fetch_catalogue(reading, room, query, **values)

        for module in (catalog, ddl, one_table):
            monkeypatch.setattr(module, "fetch", fetched)
        name = dropped.split()[1]
        with pytest.raises(OperationFailed) as caught:
            await look(connection, name)
    assert caught.value.message == f"public.{name} was dropped or altered while it was read"


# --- size -----------------------------------------------------------------------------------


async def test_sizes_add_up_and_the_largest_come_first(connection: Connection) -> None:
    await connection.execute(PARTITIONED)
    await connection.execute("CREATE SCHEMA aside; CREATE TABLE aside.x AS SELECT 1 AS n")
    result = await measure(connection, limit=2)
    big, events = result.tables
    assert (big.name, events.name, result.table_count) == ("big", "events", 3)
    assert big.total_bytes == await connection.fetchval("SELECT pg_total_relation_size('big')")
    for share in (big, events, *result.schemas):
        parts = share.heap_bytes + share.index_bytes + share.toast_bytes
        assert share.total_bytes == parts
    assert big.toast_bytes > big.heap_bytes
    assert [share.name for share in result.schemas] == ["public", "aside"]
    known = sum(share.total_bytes for share in result.schemas)
    assert result.total_bytes == known + result.other_bytes
    database = await connection.fetchval("SELECT current_database()")
    sizes = {one.name: one.bytes for one in result.databases}
    assert sizes[database] == result.total_bytes
    text = shown(result, size_views.sizes)
    assert "the largest 2 of 3" in text
    assert "░" in text


# --- statements -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def own_server() -> Iterator[TestServer]:
    """A server of this module's own that sums statements up."""
    with open_folder() as folder:
        embedded = EmbeddedServer(folder / "project", state_dir=folder / "state")
        server = TestServer(embedded.ensure_running())
        try:
            server.execute(
                "ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'",
                "ALTER SYSTEM SET max_prepared_transactions = 2",
            )
            embedded.stop()
            server = TestServer(embedded.ensure_running())
            server.execute('CREATE SCHEMA "Sums"')
            server.execute('CREATE EXTENSION pg_stat_statements SCHEMA "Sums"')
            yield server
        finally:
            embedded.destroy()


async def test_statements_are_summed_up_and_sorted(own_server: TestServer) -> None:
    async with connected(own_server.url) as connection:
        await connection.execute("CREATE TABLE t AS SELECT generate_series(1, 5000) n")
        await connection.execute('SELECT "Sums".pg_stat_statements_reset()')
        for number in range(7):
            await connection.execute(f"SELECT {number} AS often")
        await connection.execute("SELECT count(pg_sleep(0.2)) AS slow_one FROM t WHERE n = 1")
        total = await list_statements(connection)
        calls = await list_statements(connection, sort="calls", limit=2)
        mean = await list_statements(connection, sort="mean", limit=1)
        io = await list_statements(connection, sort="io")
    (slow_one,) = mean.statements
    assert slow_one.query is not None
    assert slow_one.query.startswith("SELECT count(pg_sleep($1)) AS slow_one")
    assert (slow_one.calls, slow_one.rows) == (1, 1)
    assert total.statements[0].query_id == slow_one.query_id
    assert slow_one.mean_ms >= 200
    assert slow_one.hit_ratio is not None
    often = [one for one in calls.statements if one.query == "SELECT $1 AS often"]
    assert [one.calls for one in often] == [7]
    assert 0.99 < sum(one.share for one in total.statements) < 1.01
    assert len(calls.statements) == 2 < calls.statement_count
    assert {one.query_id for one in io.statements} >= {one.query_id for one in total.statements}
    assert total.since is not None
    assert "slow_one" in shown(total, slow_views.slow, 160)


async def test_statements_that_are_summed_up_show_no_constants(own_server: TestServer) -> None:
    kept = (
        "CREATE ROLE passing PASSWORD 'hunter1'",
        "ALTER ROLE passing PASSWORD 'hunter2'",
        "ALTER ROLE passing SET app.token = hunter3",
        "COMMENT ON ROLE passing IS 'hunter4'",
        "DROP ROLE passing",
    )
    async with connected(own_server.url) as connection:
        for statement in kept:
            await connection.execute(statement)
        masked = await list_statements(connection, limit=1000)
        revealed = await list_statements(connection, limit=1000, reveal=True)
    texts = [one.query for one in masked.statements if one.query and "passing" in one.query]
    assert len(texts) >= len(kept)
    assert not [text for text in texts if "hunter" in text]
    assert any("hunter" in (one.query or "") for one in revealed.statements)


async def test_a_prepared_transaction_that_blocks_is_named_with_what_ends_it(
    own_server: TestServer,
) -> None:
    async with connected(own_server.url) as holder, connected(own_server.url) as waiting:
        await holder.execute("CREATE TABLE kept (n int)")
        await holder.execute("BEGIN; LOCK TABLE kept; PREPARE TRANSACTION 'it''s'")
        blocked = asyncio.ensure_future(waiting.execute("DROP TABLE kept"))
        await until(holder, f"pg_blocking_pids({waiting.get_server_pid()}) <> '{{}}'")
        result = await list_locks(holder)
        told = shown(await list_activity(holder), activity_views.activity)
        held, waits = [one for one in result.locks if one.target == "public.kept"]
        remedy = "ROLLBACK PREPARED 'it''s';"
        assert (held.pid, held.prepared, held.remedy) == (None, "it's", remedy)
        assert held.transaction_seconds is not None
        assert waits.blocked_by == (0,)
        assert remedy in shown(result, locks_views.locks)
        assert "`dbctl inspect locks` names it" in told
        await holder.execute(held.remedy)
        await blocked


async def test_what_others_run_is_hidden_and_the_grant_that_shows_it_is_told(
    own_server: TestServer,
) -> None:
    await asyncio.to_thread(own_server.execute, 'CREATE ROLE "user" LOGIN')
    url = own_server.url.replace("postgres@", "user@")
    async with connected(own_server.url) as owner, connected(url) as looking:
        await owner.execute('GRANT USAGE ON SCHEMA "Sums" TO "user"')
        await owner.execute("SELECT 'secret' AS told")
        result = await list_statements(looking)
        assert result.grant == 'GRANT pg_read_all_stats TO "user";'
        assert any(one.query is None for one in result.statements)
        assert "hidden" in shown(result, slow_views.slow, 200)
        await owner.execute(result.grant)
        assert (await list_statements(looking)).grant is None


async def test_it_is_told_what_to_do_where_nothing_sums_statements_up(
    connection: Connection,
) -> None:
    with pytest.raises(FindingError) as caught:
        await list_statements(connection)
    assert caught.value.code is ErrorCode.EXTENSION_MISSING
    assert "shared_preload_libraries" in (caught.value.hint or "")
    assert "CREATE EXTENSION pg_stat_statements" in (caught.value.hint or "")
    await connection.execute("CREATE EXTENSION pg_stat_statements")
    with pytest.raises(FindingError, match="has not loaded it") as caught:
        await list_statements(connection)
    assert caught.value.code is ErrorCode.EXTENSION_MISSING


# --- all of them ----------------------------------------------------------------------------

COMMANDS = [
    ("tables", "--partitions", "--exact"),
    ("table", "child"),
    ("table", "child", "--ddl"),
    ("table", "seen"),
    ("indexes",),
    ("activity", "--all"),
    ("locks",),
    ("size",),
    ("pool",),
]


async def test_a_table_tells_of_its_triggers_policies_partitions_and_options(
    connection: Connection,
) -> None:
    await connection.execute(PARTITIONED)
    await connection.execute(
        "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        "CREATE TRIGGER stamped BEFORE UPDATE ON events FOR EACH ROW EXECUTE FUNCTION stamp();"
        "ALTER TABLE events DISABLE TRIGGER stamped;"
        'CREATE TRIGGER "odd "" one" BEFORE DELETE ON big EXECUTE FUNCTION stamp();'
        "ALTER TABLE big FORCE ROW LEVEL SECURITY;"
        "ALTER TABLE events ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
        "CREATE POLICY mine ON events FOR SELECT USING (id > 0);"
        "ALTER TABLE big SET (fillfactor = 70); CREATE VIEW seen AS SELECT t FROM big"
    )
    events = await describe_table(connection, "events")
    assert (events.partition_key, events.row_security) == ("RANGE (at)", "forced")
    assert [(t.name, t.enabled, t.function) for t in events.triggers] == [
        ("stamped", "no", "public.stamp")
    ]
    (policy,) = events.policies
    assert (policy.name, policy.command, policy.using) == ("mine", "select", "(id > 0)")
    assert [(c.name, c.estimated_rows) for c in events.children] == [
        ("public.events_a", 100),
        ("public.events_b", None),
    ]
    (index,) = events.indexes
    assert (index.name, index.scans) == ("on_id", 0)
    part = await describe_table(connection, "events_a")
    assert part.parents == ("public.events",)
    assert part.bounds == "FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')"
    big = await describe_table(connection, "big")
    assert (big.options, big.row_security) == (("fillfactor=70",), None)
    assert ' odd " one  BEFORE DELETE ON big' in shown(big, table_views.table)
    view = await connection.fetchval("SELECT pg_get_viewdef('seen'::regclass, true)")
    assert (await describe_table(connection, "seen")).view_definition == view
    text = shown(events, table_views.table)
    for told in ("RANGE (at)", "disabled", "on, for the owner too", "everybody", "events_b"):
        assert told in text


@pytest.fixture
def furnished_url(empty_url: str) -> str:
    execute(empty_url, *INDEXES.split(";\n")[:-1], "CREATE VIEW seen AS SELECT id, t FROM parent")
    return empty_url


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_line_of_theirs_is_wider_than_the_terminal(furnished_url: str, width: int) -> None:
    env = {"DATABASE_URL": furnished_url}
    for arguments in COMMANDS:
        done = invoke("inspect", *arguments, env=env)
        assert done.exit_code == ExitCode.OK, done.stderr
    with asyncio.Runner() as runner:

        async def drawn() -> list[str]:
            async with connected(furnished_url) as c:
                return [
                    shown(await list_tables(c), tables_views.tables, width),
                    shown(await describe_table(c, "parent"), table_views.table, width),
                    shown(await list_activity(c, every=True), activity_views.activity, width),
                    shown(await list_locks(c), locks_views.locks, width),
                    shown(await measure(c), size_views.sizes, width),
                ]

        for text in runner.run(drawn()):
            assert max(len(line.rstrip()) for line in text.splitlines()) <= width, text


def test_they_need_no_privilege(furnished_url: str, clerk: str) -> None:
    env = {"DATABASE_URL": furnished_url.replace("postgres@", f"{clerk}@")}
    for arguments in COMMANDS:
        done = invoke("inspect", *arguments, "--json", env=env)
        assert done.exit_code == ExitCode.OK, (arguments, done.stdout)


def test_they_work_through_a_transaction_pooler(furnished_url: str, pgbouncer: Pgbouncer) -> None:
    env = {"DATABASE_URL": pgbouncer.url_of(dsn.parse(furnished_url, environ={}).database or "")}
    for arguments in COMMANDS:
        done = invoke("inspect", *arguments, "--json", env=env)
        assert done.exit_code == ExitCode.OK, (arguments, done.stdout)


@pytest.mark.parametrize("arguments", [c for c in COMMANDS if "--ddl" not in c])
def test_csv_has_the_columns_that_json_has(furnished_url: str, arguments: tuple[str, ...]) -> None:
    done = invoke("inspect", *arguments, "--format", "csv", env={"DATABASE_URL": furnished_url})
    header = done.stdout.splitlines()[0].split(",")
    assert done.exit_code == ExitCode.OK
    assert len(header) == len(set(header)) > 1


def test_slow_leaves_out_what_dbctl_asks_the_catalogue(own_server: TestServer) -> None:
    env = {"DATABASE_URL": own_server.url}
    own_server.execute(
        "CREATE TABLE summed (id int PRIMARY KEY)", 'SELECT "Sums".pg_stat_statements_reset()'
    )
    own_server.execute("SELECT count(*) AS an_application FROM summed")
    for command in (
        ("inspect", "tables"),
        ("inspect", "table", "summed", "--ddl"),
        ("inspect", "size"),
        ("inspect", "rows", "summed"),
        ("health",),
        ("migrate", "status"),
        ("seed", "generate", "summed=3"),
        ("inspect", "slow"),
    ):
        invoke(*command, env=env)
    found = invoke("inspect", "slow", "--limit", "1000", "--json", env=env).json
    queries = [statement["query"] for statement in found["statements"]]
    assert any("an_application" in query for query in queries)
    assert [query for query in queries if "from pg_catalog.pg_" in query.casefold()] == []
    assert found["own_count"] > 10
    assert "of dbctl's own left out" in invoke("inspect", "slow", env=env).stdout
