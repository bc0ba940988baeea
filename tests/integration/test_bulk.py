"""Rows written by COPY in one transaction: every type, every refusal, every ending."""

import asyncio
import io
import ipaddress
import json
import random
import signal
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from itertools import count
from pathlib import Path
from time import sleep as pause
from typing import Any
from unittest.mock import patch
from uuid import UUID

import asyncpg
import pytest

from dbctl.db import dsn
from dbctl.db.engine import DatabaseSessionManager
from dbctl.db.tables import find_table
from dbctl.errors import (
    ConnectionFailed,
    DbctlError,
    ErrorCode,
    ExitCode,
    OperationFailed,
    RefusedError,
)
from dbctl.rendering import console
from dbctl.seed.bulk import transaction
from dbctl.seed.bulk.live_views import Board, duration, line
from dbctl.seed.bulk.progress import Advanced, Began, Event, Waiting, Wrote, counted
from dbctl.seed.bulk.refusals import CopyRefused
from dbctl.seed.bulk.writer import Finished, Writer, writing
from dbctl.settings import load_settings
from tests.support.databases import TestServer, execute, fetch, holding, wait_for
from tests.support.pgbouncer import Pgbouncer
from tests.support.processes import Running
from tests.support.proxy import FaultProxy, Mode, Moment

type Rows = Iterable[Sequence[object]]


@asynccontextmanager
async def writer_of(
    url: str,
    purpose: str = "dbctl test",
    on_wait: Callable[[str], None] | None = None,
    deadline: float = 5,
) -> AsyncIterator[Writer]:
    """Write to the database at `url`."""
    manager = DatabaseSessionManager(
        dsn.parse(url, environ={}), pooling=False, connect_deadline=deadline, on_wait=on_wait
    )
    try:
        async with writing(manager, load_settings(), purpose=purpose) as writer:
            yield writer
    finally:
        manager.terminate()


async def batches(rows: Rows, size: int = 1000) -> AsyncIterator[Sequence[Sequence[object]]]:
    batch: list[Sequence[object]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def ignore(_rows: int) -> None:
    pass


async def copy(url: str, name: str, columns: str, rows: Rows) -> Finished:
    """Copy `rows` into the table `name` in a transaction of their own."""
    async with writer_of(url) as writer:
        table = await find_table(writer.connection, name)
        await writer.copy(table, columns.split(), batches(rows), ignore)
        return await writer.finish([table])


async def execute_async(url: str, *statements: str) -> None:
    await asyncio.to_thread(execute, url, *statements)


async def fetch_async(url: str, query: str) -> list[Any]:
    return await asyncio.to_thread(fetch, url, query)


UTC_TIME = datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=UTC)
EAST = timezone(timedelta(hours=5, minutes=30))
VALUES: dict[str, list[object]] = {
    "bool": [True, False],
    "int2": [-(2**15), 2**15 - 1],
    "int4": [-(2**31), 0, 2**31 - 1],
    "int8": [-(2**63), 2**63 - 1],
    "oid": [0, 2**32 - 1],
    "float4": [1.5, float("inf")],
    "float8": [-1e300, 0.1],
    "numeric": [
        Decimal(text)
        for text in [
            "0",
            "1",
            "-1",
            "10000",
            "0.0001",
            "-0.00001",
            "123456789.987654321",
            "1E+30",
            "1E-30",
            "9999.9999",
            "0.00",
            "100",
            "12345678901234567890.5",
            "Infinity",
            "-Infinity",
        ]
    ],
    "numeric(12,2)": [Decimal("1234567890.12"), Decimal("-0.01")],
    "text": ["", "plain", "Zürich ☕ 会議\n\t\\N"],
    "varchar(5)": ["12345", ""],
    "char(3)": ["abc"],
    "name": ["dbctl"],
    "bytea": [b"", b"\x00\xff"],
    "uuid": [UUID(int=0), UUID(int=2**128 - 1)],
    "date": [date(1, 1, 1), date(2000, 1, 1), date(9999, 12, 31)],
    "time": [time(0), time(23, 59, 59, 999999)],
    "timetz": [time(12, 30, tzinfo=EAST)],
    "timestamp": [datetime(1, 1, 1), UTC_TIME.replace(tzinfo=None)],  # noqa: DTZ001
    "timestamptz": [UTC_TIME, datetime(1970, 1, 1, tzinfo=EAST)],
    "interval": [timedelta(days=-3, seconds=7, microseconds=1), timedelta(0)],
    "inet": [
        ipaddress.ip_interface("10.1.2.3/8"),
        ipaddress.ip_address("::1"),
        ipaddress.ip_address("192.0.2.1"),
    ],
    "cidr": [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("2001:db8::/32")],
    "json": ['{"a": [1, null]}', "null"],
    "jsonb": ['{"a": [1, null]}', '"☕"'],
    "mood": ["sad", "héhé"],
    "mood[]": [["sad", None, "héhé"], []],
    "positive": [1],
    "positive[]": [[1, 2]],
    "text[]": [["a", None, ""], [], [["a", "b"], ["c", "d"]]],
    "timestamptz[]": [[UTC_TIME]],
    "int4range": [asyncpg.Range(1, 5), asyncpg.Range(empty=True), asyncpg.Range(None, None)],
    "daterange": [asyncpg.Range(date(2024, 1, 1), None)],
    "numrange[]": [[asyncpg.Range(Decimal("1.5"), Decimal(2), upper_inc=True)]],
}
TYPES = [
    "create type mood as enum ('sad', 'héhé')",
    "create domain positive as int check (value > 0)",
]


async def test_every_type_arrives_as_it_was_given(empty_url: str) -> None:
    names = [f"c{number}" for number in range(len(VALUES))]
    columns = ", ".join(f"{name} {kind}" for name, kind in zip(names, VALUES, strict=True))
    await execute_async(empty_url, *TYPES, f"create table t (n int, {columns})")
    longest = max(map(len, VALUES.values()))
    rows = [
        (n, *(values[n] if n < len(values) else None for values in VALUES.values()))
        for n in range(longest)
    ]
    await copy(empty_url, "t", " ".join(["n", *names]), rows)
    connection = await asyncpg.connect(**dsn.parse(empty_url, environ={}).connect_kwargs())
    try:
        found = await connection.fetch("select * from t order by n")
    finally:
        await connection.close()
    for name, (kind, values) in zip(names, VALUES.items(), strict=True):
        arrived = [row[name] for row in found]
        expected = [*values, *[None] * (longest - len(values))]
        if kind in {"json", "jsonb"}:
            arrived = [value and json.loads(value) for value in arrived]
            expected = [value and json.loads(str(value)) for value in expected]
        assert arrived == expected, kind
        if kind == "numeric":  # not only equal: with as many digits after the point
            assert str(arrived[10]) == "0.00"


AS_TEXT = {
    "tsvector": "'fat':2 'rat':3",
    "point": "(1,2)",
    "macaddr": "08:00:2b:01:02:03",
    "pair": '(1,"a, b")',
    "pair[]": '{"(1,a)","(2,b)"}',
    "bit(4)": "1010",
    "int4multirange": "{[1,3),[5,7)}",
    "money": "$12.50",
    "pg_lsn": "16/B374D848",
}


async def test_a_type_without_a_known_binary_form_is_handed_over_as_text(empty_url: str) -> None:
    names = [f"c{number}" for number in range(len(AS_TEXT))]
    columns = ", ".join(f"{name} {kind}" for name, kind in zip(names, AS_TEXT, strict=True))
    await execute_async(
        empty_url,
        "create type pair as (a int, b text)",
        f"create table t (n bigint generated always as identity, {columns})",
    )
    async with writer_of(empty_url) as writer:
        table = await find_table(writer.connection, "t")
        takes_text = [column.name for column in table.columns if writer.takes_text(column)]
        rows = [(7, *AS_TEXT.values()), (8, *[None] * len(AS_TEXT))]
        told: list[int] = []
        assert await writer.copy(table, ["n", *names], batches(rows), told.append) == 2
    assert takes_text == names
    assert told == [2]
    shown = [f"c{n}::text" for n in range(len(names))]
    assert await fetch_async(empty_url, f"select array[{', '.join(shown)}] from t order by n") == [
        list(AS_TEXT.values()),
        [None] * len(names),
    ]
    assert await fetch_async(empty_url, "select n from t order by n") == [7, 8]


SCHEMA = [
    "create table p (id int primary key, boss int references p)",
    "create table t (id int primary key, parent int references p,"
    " u text unique, v varchar(3) not null default '', n int constraint positive check (n > 0),"
    " e mood, d positive, g int generated always as (n + 1) stored)",
]
GOOD: dict[str, object] = {
    "id": 1,
    "parent": None,
    "u": None,
    "v": "",
    "n": None,
    "e": None,
    "d": None,
}


@pytest.mark.parametrize(
    ("fault", "sqlstate", "column", "constraint"),
    [
        ({"id": 5}, "23505", None, "t_pkey"),
        ({"u": "twice"}, "23505", None, "t_u_key"),
        ({"v": None}, "23502", "v", None),
        ({"v": "1234"}, "22001", "v", None),
        ({"n": -1}, "23514", None, "positive"),
        ({"d": -1}, "23514", "d", "positive_check"),
        ({"e": "glad"}, "22P02", "e", None),
        ({"u": "a\x00b"}, "22021", "u", None),
    ],
)
async def test_a_row_that_the_server_refuses_is_named_and_none_is_written(
    empty_url: str,
    fault: dict[str, object],
    sqlstate: str,
    column: str | None,
    constraint: str | None,
) -> None:
    await execute_async(empty_url, *TYPES, *SCHEMA)
    rows = [GOOD | {"id": n} for n in range(3000)]
    rows[5] |= {"u": "twice"}
    rows[1234] |= fault
    with pytest.raises(CopyRefused) as raised:
        await copy(empty_url, "t", " ".join(GOOD), [list(row.values()) for row in rows])
    error = raised.value
    assert (error.sqlstate, error.row, error.column, error.constraint) == (
        sqlstate,
        1234,
        column,
        constraint,
    )
    assert "public.t, row 1235" in error.message
    assert error.hint is not None
    assert error.hint.endswith("Nothing was written.")
    assert await fetch_async(empty_url, "select count(*) from t") == [0]


async def test_a_reference_to_nothing_is_refused_with_its_key(empty_url: str) -> None:
    await execute_async(empty_url, *TYPES, *SCHEMA)
    with pytest.raises(CopyRefused) as raised:
        await copy(empty_url, "t", "id parent", [(1, None), (2, 77)])
    error = raised.value
    assert (error.sqlstate, error.row, error.constraint) == ("23503", None, "t_parent_fkey")
    assert error.detail is not None
    assert "(parent)=(77)" in error.detail
    assert "(parent)=(77)" in error.message


@pytest.mark.parametrize(
    ("column", "value", "kind"),
    [
        ("id", 2**31, "integer from int"),
        ("id", "1", "integer from str"),
        ("u", 1, "text from int"),
        ("u", "\ud800", "text from str"),
        ("e", 1, "mood from int"),
    ],
)
async def test_a_value_that_cannot_be_encoded_is_named(
    empty_url: str, column: str, value: object, kind: str
) -> None:
    await execute_async(empty_url, *TYPES, *SCHEMA)
    rows = [GOOD | {"id": n} for n in range(3000)]
    rows[2500] |= {column: value}
    with pytest.raises(CopyRefused) as raised:
        await copy(empty_url, "t", " ".join(GOOD), [list(row.values()) for row in rows])
    assert (raised.value.row, raised.value.column) == (2500, column)
    assert f"public.t, row 2501, column {column} ({kind})" in raised.value.message
    assert await fetch_async(empty_url, "select count(*) from t") == [0]


async def test_what_the_producer_raises_leaves_as_it_is_and_no_row_behind(empty_url: str) -> None:
    await execute_async(empty_url, *TYPES, *SCHEMA)
    fault = ValueError("the file ends here")

    def rows() -> Iterable[Sequence[object]]:
        for n in range(5000):
            yield n, None
        raise fault

    with pytest.raises(ValueError, match="the file ends here") as raised:
        await copy(empty_url, "p", "id boss", rows())
    assert raised.value is fault
    assert await fetch_async(empty_url, "select count(*) from p") == [0]


async def test_a_refusal_ends_the_copy_without_producing_the_rest(empty_url: str) -> None:
    await execute_async(empty_url, *TYPES, *SCHEMA)
    produced = 0

    def rows() -> Iterable[Sequence[object]]:
        nonlocal produced
        for produced in range(2_000_000):
            yield produced // 2, None

    with pytest.raises(CopyRefused):
        await copy(empty_url, "p", "id boss", rows())
    assert produced < 200_000


async def test_deferred_constraints_are_checked_before_the_commit(empty_url: str) -> None:
    deferred = "references a deferrable initially deferred"
    await execute_async(empty_url, f"create table a (id int primary key, of int {deferred})")
    await copy(empty_url, "a", "id of", [(1, 2), (2, 1)])
    with pytest.raises(CopyRefused, match="a_of_fkey") as raised:
        await copy(empty_url, "a", "id of", [(3, 4)])
    assert raised.value.sqlstate == "23503"

    async def write_only() -> None:
        async with writer_of(empty_url) as writer:
            table = await find_table(writer.connection, "a")
            await writer.copy(table, ["id", "of"], batches([(3, 4)]), ignore)

    with pytest.raises(OperationFailed, match=r"refused the COMMIT.*a_of_fkey"):
        await write_only()
    assert await fetch_async(empty_url, "select count(*) from a") == [2]


async def test_a_failure_that_the_body_passes_over_is_no_success(empty_url: str) -> None:
    await execute_async(empty_url, *TYPES, *SCHEMA)

    async def write() -> None:
        async with writer_of(empty_url) as writer:
            table = await find_table(writer.connection, "p")
            with suppress(CopyRefused):
                await writer.copy(table, ["id"], batches([(1,), (1,)]), ignore)

    with pytest.raises(OperationFailed, match="refused the COMMIT"):
        await write()


async def test_partitions_triggers_and_identity_always_take_rows(empty_url: str) -> None:
    await execute_async(
        empty_url,
        "create table m (id int generated always as identity, day date not null, note text)"
        " partition by range (day)",
        "create table m1 partition of m for values from ('2024-01-01') to ('2025-01-01')",
        "create function shout() returns trigger language plpgsql as $$ begin"
        " if new.note = 'no' then raise 'not this one'; end if;"
        " new.note := upper(new.note); return new; end $$",
        "create trigger shouting before insert on m for each row execute function shout()",
    )
    day = date(2024, 5, 6)
    await copy(empty_url, "m", "id day note", [(7, day, "a"), (8, day, "b")])
    assert await fetch_async(empty_url, "select note from m1 order by id") == ["A", "B"]
    with pytest.raises(CopyRefused, match="no partition") as raised:
        await copy(empty_url, "m", "id day", [(9, day), (10, date(2031, 1, 1))])
    assert (raised.value.sqlstate, raised.value.row) == ("23514", 1)
    with pytest.raises(CopyRefused, match="not this one") as raised:
        await copy(empty_url, "m", "id day note", [(9, day, "c"), (10, day, "no")])
    assert raised.value.row == 1


async def test_what_cannot_be_written_is_told_with_what_to_do(
    server: TestServer, empty_url: str
) -> None:
    await execute_async(
        empty_url,
        *TYPES,
        *SCHEMA,
        "drop role if exists clerk",
        "create role clerk login",
        "grant usage on schema public to clerk",
        "create table hidden (id int)",
        "alter table hidden enable row level security",
        "grant insert, select on hidden, p to clerk",
    )
    with pytest.raises(CopyRefused, match="generated column"):
        await copy(empty_url, "t", "id g", [(1, 1)])
    as_clerk = empty_url.replace(f"//{server.dsn.user}@", "//clerk@")
    with pytest.raises(CopyRefused, match="permission denied for table t") as raised:
        await copy(as_clerk, "t", "id", [(1,)])
    assert "Grant the privilege" in (raised.value.hint or "")
    with pytest.raises(CopyRefused, match="row-level security"):
        await copy(as_clerk, "hidden", "id", [(1,)])
    done = await copy(as_clerk, "p", "id", [(1,)])
    assert done.analyzed == ()
    (notice,) = done.notices
    assert notice.startswith("public.p: permission denied to analyze")

    async def lock() -> None:
        async with writer_of(as_clerk) as writer:
            await writer.lock([await find_table(writer.connection, "p")])

    with pytest.raises(CopyRefused, match="permission denied for table p") as raised:
        await lock()
    assert "takes UPDATE or DELETE" in (raised.value.hint or "")
    await execute_async(
        empty_url, f"revoke temporary on database {dsn_name(empty_url)} from public"
    )

    async def stage() -> None:
        async with writer_of(as_clerk) as writer:
            table = await find_table(writer.connection, "p")
            await writer.stage(table, ["id"], batches([(1,)]), ignore)

    with pytest.raises(CopyRefused, match="temporary") as raised:
        await stage()
    assert "GRANT TEMPORARY" in (raised.value.hint or "")
    await execute_async(empty_url, "drop owned by clerk", "drop role clerk")


def dsn_name(url: str) -> str:
    return f'"{dsn.parse(url, environ={}).database}"'


async def test_a_stage_takes_what_the_table_would_not_and_goes_with_the_transaction(
    empty_url: str,
) -> None:
    await execute_async(empty_url, *TYPES, *SCHEMA, 'create table "Od""d" ("A b" varchar(2))')
    async with writer_of(empty_url) as writer:
        table = await find_table(writer.connection, "t")
        odd = await find_table(writer.connection, '"Od""d"')
        rows = [(1, "12345", -1, -5), (1, None, None, None)]
        stage = await writer.stage(table, ["id", "v", "n", "d"], batches(rows), ignore)
        other = await writer.stage(odd, ["A b"], batches([("xyz",)]), ignore)
        found = await writer.connection.exec_driver_sql(
            f"select * from {stage.sql} order by dbctl_row"
        )
        assert [tuple(row) for row in found] == [
            (1, "12345", -1, -5, 0),
            (1, None, None, None, 1),
        ]
        found = await writer.connection.exec_driver_sql(f"select * from {other.sql}")
        assert [tuple(row) for row in found] == [("xyz", 0)]
        assert stage.columns == ("id", "v", "n", "d")
    left = "select count(*) from pg_class where relname like 'dbctl_stage%'"
    assert await fetch_async(empty_url, left) == [0]


BUSY = "exists (select from pg_stat_activity where wait_event_type = 'Lock' and pid <> {pid})"


async def many(total: int = 10**9) -> AsyncIterator[Sequence[Sequence[object]]]:
    """Yield rows for `p` without an end."""
    for start in range(0, total, 1000):
        yield [(n, None) for n in range(start, start + 1000)]


async def copy_many(url: str, on_rows: Callable[[int], None] = ignore) -> None:
    """Copy rows into `p` until something ends it."""
    async with writer_of(url) as writer:
        table = await find_table(writer.connection, "p")
        async with asyncio.timeout(60):
            await writer.copy(table, ["id", "boss"], many(), on_rows)


async def test_what_a_role_has_by_default_for_an_application_does_not_matter(
    empty_url: str,
) -> None:
    name = dsn_name(empty_url)
    await execute_async(
        empty_url,
        *TYPES,
        *SCHEMA,
        f"alter database {name} set default_transaction_isolation = 'serializable'",
        f"alter database {name} set default_transaction_read_only = on",
        f"alter database {name} set statement_timeout = '2s'",
        f"alter database {name} set transaction_timeout = '2s'",
        f"alter database {name} set idle_in_transaction_session_timeout = '2s'",
    )
    async with writer_of(empty_url, "dbctl seed load p") as writer:
        found = await writer.connection.exec_driver_sql(
            "select current_setting('transaction_isolation'), current_setting('application_name'),"
            " current_setting('statement_timeout'), current_setting('transaction_timeout'),"
            " current_setting('idle_in_transaction_session_timeout')"
        )
        assert tuple(found.one()) == ("read committed", "dbctl seed load p", "0", "0", "0")
        table = await find_table(writer.connection, "p")
        await writer.copy(table, ["id", "boss"], many(3000), ignore)
    assert await fetch_async(empty_url, "select count(*) from p") == [3000]


async def test_a_lock_that_another_session_holds_is_waited_for_and_then_told(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await execute_async(empty_url, *TYPES, *SCHEMA)
    monkeypatch.setattr(transaction, "LOCK_TIMEOUT", 0.05)

    def hold_and_write() -> tuple[DbctlError, int]:
        async def write() -> None:
            async with writer_of(empty_url) as writer:
                await writer.lock([await find_table(writer.connection, "p")])

        with holding(empty_url, "lock table p in row exclusive mode") as pid:
            with pytest.raises(DbctlError) as raised:
                asyncio.run(write())
            return raised.value, pid

    error, pid = await asyncio.to_thread(hold_and_write)
    assert error.code is ErrorCode.LOCK_TIMEOUT
    assert error.exit_code is ExitCode.FAILED
    assert "public.p" in error.message
    assert str(pid) in (error.hint or "")


@pytest.mark.parametrize("pool", ["direct", "pgbouncer"])
async def test_a_cancelled_copy_is_cancelled_on_the_server_even_where_that_is_blocked(
    empty_url: str, pool: str, request: pytest.FixtureRequest
) -> None:
    url = empty_url
    if pool == "pgbouncer":
        bouncer: Pgbouncer = request.getfixturevalue("pgbouncer")
        url = bouncer.url_of(str(dsn.parse(empty_url, environ={}).database))
    await execute_async(empty_url, *TYPES, *SCHEMA)

    def block_and_cancel() -> None:
        with holding(empty_url, "insert into p values (20500)") as pid, asyncio.Runner() as runner:
            task = runner.get_loop().create_task(copy_many(url))

            async def cancel() -> None:
                await asyncio.to_thread(wait_for, empty_url, BUSY.format(pid=pid))
                task.cancel()
                async with asyncio.timeout(4):
                    await asyncio.wait({task})

            runner.run(cancel())
            assert task.cancelled()

    await asyncio.to_thread(block_and_cancel)
    assert await fetch_async(empty_url, "select count(*) from p") == [0]
    open_ = "select count(*) from pg_stat_activity where state like 'idle in transaction%'"
    assert await fetch_async(empty_url, f"{open_} and datname = current_database()") == [0]


@pytest.mark.parametrize("moment", range(10))
async def test_a_connection_that_is_reset_leaves_no_row(
    server: TestServer, empty_url: str, moment: int
) -> None:
    await execute_async(empty_url, *TYPES, *SCHEMA)
    with FaultProxy(server.dsn) as proxy:

        def on_rows(rows: int) -> None:
            if rows == 500 * (moment**2 + 1):
                proxy.behave(Mode.RESET)

        with pytest.raises(ConnectionFailed, match="was lost") as raised:
            await copy_many(proxy.url_of(empty_url), on_rows)
    assert raised.value.exit_code is ExitCode.UNREACHABLE
    assert "Nothing was written" in (raised.value.hint or "")
    assert await fetch_async(empty_url, "select count(*) from p") == [0]


async def test_a_session_that_is_ended_while_it_is_blocked_is_told_as_lost(empty_url: str) -> None:
    await execute_async(empty_url, *TYPES, *SCHEMA)

    def block_and_end() -> None:
        with holding(empty_url, "insert into p values (200500)") as pid, asyncio.Runner() as runner:
            task = runner.get_loop().create_task(copy_many(empty_url))

            async def end() -> None:
                await asyncio.to_thread(wait_for, empty_url, BUSY.format(pid=pid))
                kill = f"select pg_terminate_backend(pid) from pg_stat_activity where pid <> {pid}"
                await fetch_async(empty_url, f"{kill} and wait_event_type = 'Lock'")
                async with asyncio.timeout(10):
                    await asyncio.wait({task})

            runner.run(end())
            with pytest.raises(ConnectionFailed, match="was lost"):
                task.result()

    await asyncio.to_thread(block_and_end)
    assert await fetch_async(empty_url, "select count(*) from p") == [0]


@pytest.mark.parametrize(
    ("mode", "refused", "message", "rows"),
    [
        pytest.param(Mode.RESET, False, None, 1000, id="committed"),
        pytest.param(Mode.CLOSE, False, None, 1000, id="committed and closed"),
        pytest.param(Mode.RESET, True, "which did not take effect", 0, id="rolled back"),
        pytest.param(
            Mode.REFUSE,
            False,
            "whether what was written took effect is unknown",
            1000,
            id="nobody to ask",
        ),
    ],
)
async def test_writer_answer_to_commit_is_lost_the_server_is_asked(
    server: TestServer,
    empty_url: str,
    mode: Mode,
    refused: bool,
    message: str | None,
    rows: int,
) -> None:
    await execute_async(empty_url, *TYPES, *SCHEMA)
    if refused:
        await execute_async(
            empty_url,
            "create function refuse() returns trigger language plpgsql as"
            " $$ begin raise 'no'; end $$",
            "create constraint trigger refuse after insert on p initially deferred"
            " for each row execute function refuse()",
        )
    notices: list[str] = []
    with FaultProxy(server.dsn) as proxy:

        async def write() -> None:
            url = proxy.url_of(empty_url)
            async with writer_of(url, on_wait=notices.append, deadline=0.5) as writer:
                table = await find_table(writer.connection, "p")
                await writer.copy(table, ["id", "boss"], many(1000), ignore)
                proxy.behave(mode, after=b"COMMIT", moment=Moment.DONE)

        if message is None:
            await write()
            assert "lost during the COMMIT; the server, asked again, has committed" in notices[0]
        else:
            with pytest.raises(ConnectionFailed, match=message):
                await write()
    assert await fetch_async(empty_url, "select count(*) from p") == [rows]


async def test_a_cancellation_during_the_commit_comes_too_late_for_it(
    server: TestServer, empty_url: str
) -> None:
    await execute_async(empty_url, *TYPES, *SCHEMA)
    with FaultProxy(server.dsn) as proxy:

        async def write() -> str:
            async with writer_of(proxy.url_of(empty_url)) as writer:
                table = await find_table(writer.connection, "p")
                await writer.copy(table, ["id", "boss"], many(1000), ignore)
                proxy.behave(Mode.HANG, after=b"COMMIT")
            return "written"

        task = asyncio.create_task(write())
        await asyncio.to_thread(proxy.wait_for_fault)
        task.cancel()
        await asyncio.sleep(0)
        proxy.behave(Mode.FORWARD)
        assert await task == "written"
    assert await fetch_async(empty_url, "select count(*) from p") == [1000]


async def test_behind_a_transaction_pooler_rows_are_written_and_nothing_of_ours_stays(
    pgbouncer: Pgbouncer, empty_url: str
) -> None:
    await execute_async(empty_url, *TYPES, *SCHEMA)
    url = pgbouncer.url_of(str(dsn.parse(empty_url, environ={}).database))
    await copy(url, "t", "id e d", [(1, "sad", 3), (2, None, None)])
    async with writer_of(url) as writer:
        table = await find_table(writer.connection, "t")
        await writer.stage(table, ["id", "e"], batches([(1, "sad")]), ignore)
    for setting, default in (("lock_timeout", "0"), ("statement_timeout", "0")):
        assert await fetch_async(url, f"select current_setting('{setting}')") == [default]
    assert await fetch_async(empty_url, "select count(*) from t") == [2]


async def test_where_rows_must_not_be_written_none_is(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await execute_async(empty_url, *TYPES, *SCHEMA)
    elsewhere = dsn.parse(empty_url, environ={})
    monkeypatch.setattr(type(elsewhere), "is_local", property(lambda _: False))
    with pytest.raises(RefusedError, match="nothing is written"):
        await copy(empty_url, "p", "id", [(1,)])
    monkeypatch.undo()
    monkeypatch.setenv("ENVIRONMENT", "production")
    with pytest.raises(RefusedError, match="production"):
        await copy(empty_url, "p", "id", [(1,)])
    assert await fetch_async(empty_url, "select count(*) from p") == [0]


@pytest.mark.parametrize(
    ("column", "ids", "following"),
    [
        ("id serial", [5, 3], 6),
        ("id bigint generated always as identity", [5], 6),
        ("id int generated by default as identity (increment by 10)", [42], 52),
        ("id int generated by default as identity (increment by -1)", [-7, -3], -8),
        ("id int generated by default as identity (start 100)", [5], 100),
        ("id int generated by default as identity (start 5)", [5], 6),
        ("id int generated by default as identity", [], 1),
        ("id int generated by default as identity (maxvalue 10 cycle)", [50], 1),
        ("id int default nextval('other')", [5], 6),
        ("id int default nextval('other') + 0", [5], 6),
        ("id numeric default nextval('other')", [5], 6),
    ],
)
async def test_a_sequence_goes_on_after_the_keys_that_were_given(
    empty_url: str, column: str, ids: list[int], following: int
) -> None:
    await execute_async(empty_url, "create sequence other", f'create table "T t" ({column}, n int)')
    done = await copy(empty_url, '"T t"', "id n", [(n, n) for n in ids])
    assert len(done.sequences) == (following not in {1, 100} or ids == [50])
    assert done.analyzed == ('public."T t"',)
    assert done.notices == ()
    added = 'insert into "T t" (n) values (0) returning id'
    assert await fetch_async(empty_url, added) == [following]
    if "cycle" not in column:
        again = await copy(empty_url, '"T t"', "id n", [])
        assert again.sequences == ()


async def test_a_partition_and_a_sequence_that_is_out_of_reach(
    server: TestServer, empty_url: str
) -> None:
    await execute_async(
        empty_url,
        "drop role if exists porter",
        "create role porter login",
        "create table m (id int generated by default as identity) partition by range (id)",
        "create table m1 partition of m for values from (1) to (1000)",
        "grant insert, select on m, m1 to porter",
    )
    done = await copy(empty_url, "m1", "id", [(7,)])
    assert [moved.value for moved in done.sequences] == [7]
    as_porter = empty_url.replace(f"//{server.dsn.user}@", "//porter@")
    done = await copy(as_porter, "m", "id", [(9,)])
    assert done.sequences == ()
    assert any("left where it is" in notice for notice in done.notices)
    await execute_async(empty_url, "drop owned by porter", "drop role porter")
    assert await fetch_async(empty_url, "insert into m default values returning id") == [8]


@pytest.mark.parametrize(
    ("number", "moments"), [(signal.SIGKILL, 10), (signal.SIGINT, 2), (signal.SIGTERM, 2)]
)
def test_a_run_that_is_ended_at_any_moment_leaves_no_row(
    tmp_path: Path, database_url: str, number: signal.Signals, moments: int
) -> None:
    for _ in range(moments):
        run = Running(
            *("seed", "generate", "users=100", "tasks=5M", "--json"),
            env={"DATABASE_URL": database_url},
            cwd=tmp_path,
        )
        wait_for(database_url, "exists (select from pg_stat_progress_copy)")
        pause(random.uniform(0, 0.3))
        run.send_signal(number)
        done = run.finish()
        if number is signal.SIGKILL:
            assert done.exit_code == -signal.SIGKILL
        else:
            assert done.exit_code == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
            assert done.json["error"]["code"] == "interrupted"
            assert "Traceback" not in done.stderr
        others = "select from pg_stat_activity where datname = current_database()"
        wait_for(database_url, f"not exists ({others} and pid <> pg_backend_pid())")
        assert fetch(database_url, "select count(*) from users") == [0]
        assert fetch(database_url, "select count(*) from tasks") == [0]


def test_a_board_shows_the_share_the_rows_and_the_time_left() -> None:
    board = Board()
    board.see(Began("public.users", 10))
    board.see(Wrote("public.users", 10, 0.5))
    board.see(Began("public.ta\x1bsks", 1000))
    board.see(Advanced("public.ta\x1bsks", 250, 0.25))
    board.see(Began("public.notes", None))
    board.see(Advanced("public.notes", 1234567, None))
    out = io.StringIO()
    console(out).print(board)
    users, tasks, notes = (" ".join(text.split()) for text in out.getvalue().splitlines())
    assert users.startswith("public.users")
    assert users.endswith("100 % 10 rows 20 rows/s in 0.5 s")
    assert tasks.startswith(r"public.ta\x1bsks")
    assert "25 % 250 rows" in tasks
    assert tasks.endswith("left")
    assert "1,234,567 rows" in notes
    assert "%" not in notes
    assert "left" not in notes
    board.see(Waiting("analyzing public.users"))
    out.truncate(0)
    console(out).print(board)
    assert "analyzing public.users" in out.getvalue()


def test_a_log_gets_one_line_for_each_table_at_its_end() -> None:
    told: list[Event] = [
        Began("t", 3),
        Advanced("t", 1, 0.3),
        Wrote("t", 1_000_000, 12.5),
        Waiting("x"),
    ]
    assert [text for event in told if (text := line(event))] == [
        "t: 1,000,000 rows in 12 s, 80,000 rows/s"
    ]
    assert [duration(seconds) for seconds in (0.04, 59.6, 200, 7500)] == [
        "0.0 s",
        "1 min 0 s",
        "3 min 20 s",
        "2 h 5 min",
    ]


def test_rows_are_counted_and_their_share_is_told_by_the_rows_or_by_the_file() -> None:
    events: list[Event] = []
    with (
        counted(events.append, "t", rows=4) as on_rows,
        patch("time.monotonic", side_effect=map(float, count(10**9))),
    ):
        on_rows(1)
        on_rows(4)
    assert [event for event in events if not isinstance(event, Wrote)] == [
        Began("t", 4),
        Advanced("t", 1, 0.25),
        Advanced("t", 4, 1.0),
    ]
    assert isinstance(events[-1], Wrote)
    assert events[-1].rows == 4
    events.clear()
    with (
        counted(events.append, "t", share=lambda: 0.5) as on_rows,
        patch("time.monotonic", side_effect=map(float, count(10**9))),
    ):
        on_rows(7)
    assert Advanced("t", 7, 0.5) in events
