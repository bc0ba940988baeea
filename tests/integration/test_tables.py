"""What the catalogue says that a row of a table has to satisfy."""

import asyncio

import pytest

from dbctl.db import dsn
from dbctl.db.engine import DatabaseSessionManager
from dbctl.db.tables import Table, find_table
from dbctl.errors import UsageError
from tests.support.databases import execute


def read(url: str, name: str) -> Table:
    async def work() -> Table:
        manager = DatabaseSessionManager(dsn.parse(url, environ={}), pooling=False)
        async with manager.connect() as connection:
            return await find_table(connection, name)

    return asyncio.run(work())


def test_a_type_is_told_with_its_limits_below_domains_and_arrays(empty_url: str) -> None:
    execute(
        empty_url,
        "create type mood as enum ('sad', 'happy')",
        "create domain code as varchar(5) not null check (value ~ '^[A-Z]+$')",
        "create domain short_code as code check (length(value) < 4)",
        "create table t (c short_code, m mood[], v varchar(7)[], n numeric(12,2),"
        " k numeric(5,-2), b bit(3), r daterange, rs datemultirange, x numeric, i int)",
    )
    columns = {column.name: column for column in read(empty_url, "t").columns}
    code = columns["c"]
    assert (code.leaf, code.length, code.nullable) == ("varchar", 5, False)
    assert len(code.domain_checks) == 2
    assert columns["m"].labels == ("sad", "happy")
    assert (columns["v"].leaf, columns["v"].is_array, columns["v"].length) == ("varchar", True, 7)
    assert (columns["n"].precision, columns["n"].scale) == (12, 2)
    assert (columns["k"].precision, columns["k"].scale) == (5, -2)
    assert columns["b"].length == 3
    assert (columns["r"].subtype, columns["rs"].subtype) == ("date", "date")
    assert (columns["x"].precision, columns["x"].scale, columns["i"].nullable) == (None, None, True)


def test_a_sequence_is_named_as_it_has_to_be_quoted(empty_url: str) -> None:
    execute(
        empty_url,
        'create table "a ""b" (id int generated always as identity, s serial, plain int)',
    )
    found = read(empty_url, '"a ""b"')
    assert [column.sequence for column in found.columns] == [
        'public."a ""b_id_seq"',
        'public."a ""b_s_seq"',
        None,
    ]


def test_keys_come_with_their_columns_in_order_and_expressions_in_their_place(
    empty_url: str,
) -> None:
    execute(
        empty_url,
        "create table p (y int, x int, primary key (x, y))",
        "create table t (a int, b int, c text, unique nulls not distinct (b, a),"
        " constraint ref foreign key (b, a) references p (x, y) match full"
        " on delete set null deferrable, constraint small check (a < b))",
        "create unique index lowered on t (lower(c), a) where a > 3",
        "create unique index plain on t (c)",
    )
    assert read(empty_url, "p").primary_key == ("x", "y")
    found = read(empty_url, "t")
    lowered, plain, both = sorted(found.uniques, key=lambda unique: unique.name)
    assert (lowered.columns, lowered.expressions) == ((None, "a"), ("lower(c)", "a"))
    assert lowered.predicate == "a > 3"
    assert (plain.columns, plain.predicate, plain.nulls_are_equal) == (("c",), None, False)
    assert (both.columns, both.nulls_are_equal) == (("b", "a"), True)
    (key,) = found.foreign_keys
    assert (key.columns, key.target_name, key.target_columns) == (("b", "a"), "p", ("x", "y"))
    assert (key.deferrable, key.match_full, key.on_delete) == (True, True, "set null")
    (check,) = found.checks
    assert (check.name, check.columns, check.expression) == ("small", ("a", "b"), "(a < b)")
    assert found.primary_key == ()


def test_each_key_is_told_once_though_partitions_have_copies_of_it(empty_url: str) -> None:
    execute(
        empty_url,
        "create table p (id int primary key)",
        "create table t (id int primary key, p int references p, check (id > 0))"
        " partition by range (id)",
        "create table t1 partition of t for values from (0) to (10)",
        "create table c (id int primary key check (id > 0), p int references t)",
    )
    for name in ("t", "t1", "c"):
        found = read(empty_url, name)
        assert [key.columns for key in found.foreign_keys] == [("p",)]
        assert (found.primary_key, len(found.checks)) == (("id",), 1)


def test_an_exclusion_is_kept_as_it_is_defined(empty_url: str) -> None:
    execute(empty_url, "create table t (r int4range, exclude using gist (r with &&))")
    found = read(empty_url, "t")
    assert [each.definition for each in found.exclusions] == ["EXCLUDE USING gist (r WITH &&)"]
    assert found.uniques == ()


def test_no_rows_are_written_into_a_view(empty_url: str) -> None:
    execute(empty_url, "create view v as select 1 as one")
    with pytest.raises(UsageError, match=r"public\.v is a view"):
        read(empty_url, "v")
