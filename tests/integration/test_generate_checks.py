"""Checks that are evaluated here mean what they mean to the server."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dbctl.db import dsn
from dbctl.db.engine import DatabaseSessionManager
from dbctl.db.tables import Table, find_table
from dbctl.seed.generate.bounds import narrowed
from dbctl.seed.generate.checks import read_checks
from dbctl.seed.generate.evaluation import compiled, ordered_columns
from dbctl.seed.generate.expressions import Opaque, parse
from dbctl.seed.generate.limits import limits_of
from tests.support.databases import TestServer

TABLE = """
create type level as enum ('low', 'mid', 'high');
create table t (
    a integer, b integer not null, n numeric(10,2), f double precision, s text, v varchar(10),
    ok boolean, e level, d date, d2 date not null, at timestamptz, tags text[], r int4range,
    u uuid, c char(3), ts timestamp, till timestamptz, iv interval
)
"""
ATOMS = (
    "a > 0",
    "a between 2 and 5",
    "a in (1, 2, 3)",
    "a not in (1, 2)",
    "a = -1",
    "a <> b",
    "b % 3 = 1",
    "b / 2 > -2",
    "a + b * 2 <= 7",
    "abs(a) < 3",
    "n > 0.5",
    "n >= b",
    "n * 2 < 10",
    "f < 1.5",
    "f > b",
    "-n < 1",
    "s is null",
    "s is not null",
    "s = 'abc'",
    "s <> ''",
    "char_length(s) between 1 and 3",
    "length(s) = 3",
    "octet_length(s) <= 3",
    "s ~ '^[a-c]+$'",
    "s !~ 'b'",
    "s ~* '^A'",
    "s like 'a%'",
    "s not like '_b%'",
    "s like '%\\_%'",
    "lower(s) = s",
    "upper(s) = 'ABC'",
    "btrim(s) = s",
    "v in ('abc', 'B')",
    "v = any (array['abc'])",
    "v || 'x' <> 'Bx'",
    "ok",
    "not ok",
    "ok is true",
    "ok is not false",
    "e = 'low'",
    "e in ('low', 'high')",
    "e <> 'mid'",
    "(e = 'high') = (a is not null)",
    "d > '2020-01-10'",
    "d < d2",
    "d between '2020-01-01' and '2020-01-15'",
    "extract(month from d) = 1",
    "date_part('year', d2) >= 2020",
    "at >= '2020-01-01 00:00:00+00'",
    "cardinality(tags) > 1",
    "array_length(tags, 1) = 1",
    "lower(r) > 2",
    "upper(r) - lower(r) < 5",
    "not isempty(r)",
    "num_nonnulls(a, s, d) = 2",
    "coalesce(a, 5) > 3",
    "a is distinct from b",
    "a is not distinct from 3",
    "u is not null",
    "c = 'ab'",
    "c in ('ab', 'abc')",
    "c = upper(c)",
    "c ~ '^[a-c]+$'",
    "c like '%c'",
    "length(c) < 3",
    "extract(dow from d) <> 0",
    "extract(isodow from d2) in (6, 7)",
    "extract(quarter from ts) = 1",
    "extract(doy from d) > 20",
    "extract(week from d) <= 2",
    "d2 - d < 10",
    "d + 7 > d2",
    "till - at <= interval '12 hours'",
    "till - at < interval '1 mon -3 days'",
    "at + interval '1 day 02:00:00' > till",
    "iv between interval '1 hour' and interval '2 days'",
    "case when ok then a > 1 when a > 3 then s is null else b > 1 end",
    "case v when 'B' then a is null when 'abc' then n > 1 end",
    "n = round(b * 0.125, 2)",
    "round(n, 1) > 0.3",
)


def row(chooser: random.Random) -> tuple[object, ...]:
    def maybe(value: object) -> object:
        return None if chooser.random() < 0.2 else value

    low = chooser.randrange(8)
    day = date(2020, 1, 1) + timedelta(chooser.randrange(40))
    return (
        maybe(chooser.randrange(-3, 8)),
        chooser.randrange(-3, 8),
        maybe(Decimal(chooser.randrange(-300, 900)) / 100),
        maybe(chooser.randrange(-8, 24) / 4),
        maybe(chooser.choice(["", "abc", "ABC", "aB", " ab", "b_c", "äé", "abcd"])),
        maybe(chooser.choice(["abc", "B", ""])),
        maybe(chooser.random() < 0.5),
        maybe(chooser.choice(["low", "mid", "high"])),
        maybe(day),
        date(2020, 1, 1) + timedelta(chooser.randrange(40)),
        maybe(datetime(2019, 12, 30, tzinfo=UTC) + timedelta(hours=chooser.randrange(100))),
        maybe(["x"] * chooser.randrange(4)),
        maybe(asyncpg.Range(low, low + chooser.randrange(7))),
        None,
        maybe(chooser.choice(["ab", "abc", "AB ", "", "cc"])),
        maybe(datetime(2020, 1, 1) + timedelta(days=chooser.randrange(200))),  # noqa: DTZ001
        maybe(datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=chooser.randrange(100))),
        maybe(timedelta(minutes=chooser.randrange(5000))),
    )


ROWS = [row(chooser) for chooser in [random.Random(1)] for _ in range(120)]


class Judge:
    """A connection to a server that says which rows fail a check, and how it writes it."""

    def __init__(self, url: str) -> None:
        self._runner = asyncio.Runner()
        self._url = url
        self._connection: Any = self._run(
            asyncpg.connect(**dsn.parse(url, environ={}).connect_kwargs())
        )
        self._run(self._connection.execute(TABLE))
        self._run(self._connection.copy_records_to_table("t", records=ROWS))
        self.table = self._run(self._read())

    def _run(self, work: Any) -> Any:
        return self._runner.run(work)

    async def _read(self) -> Table:
        manager = DatabaseSessionManager(dsn.parse(self._url, environ={}), pooling=False)
        async with manager.connect() as connection:
            return await find_table(connection, "t")

    def written(self, expression: str) -> str:
        """Return the expression of a constraint as the catalogue has it."""
        run, execute = self._run, self._connection.execute
        run(execute(f"alter table t add constraint c check ({expression}) not valid"))
        text: str = run(
            self._connection.fetchval(
                "select pg_get_expr(conbin, conrelid) from pg_constraint where conname = 'c'"
            )
        )
        run(execute("alter table t drop constraint c"))
        return text

    def failing(self, expression: str) -> list[int]:
        found = self._run(self._connection.fetch(f"select ({expression}) is false from t"))
        return [number for number, (fails,) in enumerate(found) if fails]

    def close(self) -> None:
        self._run(self._connection.close())
        self._runner.close()


@pytest.fixture(scope="module")
def judge(server: TestServer) -> Iterator[Judge]:
    with server.database() as url:
        judge = Judge(url)
        yield judge
        judge.close()


def evaluated(table: Table, text: str) -> list[int]:
    node = parse(text)
    names = [column.name for column in table.columns]
    columns = list(zip(*ROWS, strict=True))
    made = [columns[names.index(name)] for name in ordered_columns(node)]
    return compiled(node, {column.name: column for column in table.columns})(made)


@pytest.mark.parametrize("atom", ATOMS)
def test_an_expression_fails_for_the_rows_for_which_it_fails_on_the_server(
    judge: Judge, atom: str
) -> None:
    assert evaluated(judge.table, judge.written(atom)) == judge.failing(atom)


def combined(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(parts, st.sampled_from(["and", "or", "=", "<>"]), parts).map(
            lambda three: f"({three[0]}) {three[1]} ({three[2]})"
        ),
        parts.map(lambda part: f"not ({part})"),
        parts.map(lambda part: f"({part}) is not true"),
    )


EXPRESSIONS = st.recursive(st.sampled_from(ATOMS), combined, max_leaves=5)


@settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(expression=EXPRESSIONS)
def test_so_does_any_combination_of_them(judge: Judge, expression: str) -> None:
    assert evaluated(judge.table, judge.written(expression)) == judge.failing(expression)


@settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(atoms=st.lists(st.sampled_from(ATOMS), min_size=1, max_size=3))
def test_limits_that_hold_all_of_a_check_let_nothing_through_that_fails_it(
    judge: Judge, atoms: Sequence[str]
) -> None:
    expression = " and ".join(f"({atom})" for atom in atoms)
    node = parse(judge.written(expression))
    names = set(node.columns())
    if len(names) != 1:
        return
    column = judge.table.column(names.pop())
    limits, complete = narrowed(limits_of(column), node, column)
    if not complete:
        return
    failing = set(judge.failing(expression))
    place = [column.name for column in judge.table.columns].index(column.name)
    for number, values in enumerate(ROWS):
        value: Any = values[place]
        within = value is not None and all(
            (
                limits.low is None or value >= limits.low,
                limits.above is None or value > limits.above,
                limits.high is None or value <= limits.high,
                limits.below is None or value < limits.below,
                limits.values is None or value in limits.values,
                value not in limits.excluded,
                not isinstance(value, str | list) or len(value) >= limits.min_length,
                limits.max_length is None
                or not isinstance(value, str | list)
                or len(value) <= limits.max_length,
            )
        )
        assert not (within and number in failing), (expression, value, limits)


@pytest.mark.parametrize(
    "expression",
    [
        "s < 'b'",
        "md5(s) <> ''",
        "d > current_date",
        "case when ok then s < 'b' else b > 1 end",
        "at + interval '1 mon' > till",
        "n / 3 > 0.1",
        "at > '2020-01-01'::date",
        "s ~ '[[:alpha:]]'",
        "e > 'low'",
        "s = any (tags)",
    ],
)
def test_what_only_the_server_can_tell_is_left_to_it(judge: Judge, expression: str) -> None:
    with pytest.raises(Opaque):
        evaluated(judge.table, judge.written(expression))


def test_a_check_that_cannot_be_read_is_known_by_its_name(judge: Judge) -> None:
    assert read_checks(judge.table).unknown == ()
