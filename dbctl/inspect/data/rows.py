"""The operations behind `inspect rows` and `inspect row`.

Every statement is made of quoted identifiers, types from the catalogue, and bound parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from dbctl.db.catalog import Column, Relation, columns_of, find_column, key_of, resolve
from dbctl.db.failures import first_line
from dbctl.db.names import (
    Name,
    Order,
    encodable,
    listed,
    parse_columns,
    parse_condition,
    parse_order,
    split_key,
    typed,
)
from dbctl.errors import ErrorCode, FindingError, UsageError
from dbctl.inspect.data.collecting import collect
from dbctl.inspect.data.literals import array_literal
from dbctl.inspect.data.results import Header, RowResult, RowsResult
from dbctl.inspect.data.source import Answer, Field, Source
from dbctl.inspect.masking import Masks
from dbctl.inspect.reading import STATEMENT_TIMEOUT, reading

# Far from where a bigint ends.
_LARGEST = 2**62
_NAME_TYPES = frozenset({"name", "char"})
# PostgreSQL's error classes for a value: bad data, a constraint of a domain, a name in a reg* type.
_VALUE_ERRORS = ("22", "23", "42", "0A")


@dataclass(frozen=True, slots=True)
class _Test:
    """A column and what it has to equal; None is NULL."""

    column: Column
    value: str | None


async def list_rows(
    connection: asyncpg.Connection[Any],
    name: str,
    *,
    columns: Sequence[str] = (),
    where: Sequence[str] = (),
    order: Sequence[str] = (),
    limit: int | None = 20,
    offset: int = 0,
    masks: Masks = Masks(),  # noqa: B008 - frozen
    statement_timeout: float = STATEMENT_TIMEOUT,
) -> RowsResult:
    """Read rows as `find_rows` finds them."""
    async with reading(connection, statement_timeout):
        answer = await find_rows(
            connection,
            name,
            columns=columns,
            where=where,
            order=order,
            limit=limit,
            offset=offset,
            masks=masks,
        )
        return await collect(connection, answer)


async def find_rows(
    connection: asyncpg.Connection[Any],
    name: str,
    *,
    columns: Sequence[str] = (),
    where: Sequence[str] = (),
    order: Sequence[str] = (),
    limit: int | None = 20,
    offset: int = 0,
    masks: Masks,
) -> Answer[RowsResult]:
    """Find up to `limit` rows of the relation that `name` means, after skipping `offset`.

    `columns`, `where` and `order` are as typed: `a,b`, `column=value`, `column:desc`. The primary
    key settles the order that `order` leaves open, so that pages neither overlap nor miss a row.
    Raises UsageError for a name that is not there and for a value that its column cannot hold.
    """
    limit = None if limit is None else min(limit, _LARGEST)
    offset = min(offset, _LARGEST)
    wanted = parse_columns(columns)
    conditions = [parse_condition(text) for text in where]
    orders = parse_order(order)
    relation = await resolve(connection, name)
    known = await columns_of(connection, relation)
    found = (find_column(relation, known, name) for name in wanted)
    shown = list(dict.fromkeys(found)) or known
    tests = [
        _test(find_column(relation, known, condition.column), condition.value)
        for condition in conditions
    ]
    sorting: dict[Column, bool] = {}
    for one in [*orders, *_tie_breakers(known)]:
        sorting.setdefault(find_column(relation, known, one.column), one.descending)
    await _check_order(connection, relation, sorting)
    fields = _fields(relation, shown, masks)
    return Answer(
        source=await _source(connection, relation, fields, tests, sorting, offset=offset),
        blank=RowsResult(
            table=relation.label,
            headers=_headers(fields),
            limit=limit,
            offset=offset,
            order=tuple(typed(column.name) + ":desc" * down for column, down in sorting.items()),
        ),
        limit=limit,
    )


async def find_row(
    connection: asyncpg.Connection[Any],
    name: str,
    key: Sequence[str],
    *,
    masks: Masks = Masks(),  # noqa: B008 - frozen
    statement_timeout: float = STATEMENT_TIMEOUT,
) -> RowResult:
    """Read the row whose primary key is `key`: one text per column, or all in one with commas.

    Raises FindingError where there is no such row; UsageError where the relation has no primary
    key, and for values that do not fit it.
    """
    async with reading(connection, statement_timeout):
        relation = await resolve(connection, name)
        known = await columns_of(connection, relation)
        tests = _key_tests(relation, key_of(known), key)
        fields = _fields(relation, known, masks)
        source = await _source(connection, relation, fields, tests, {}, offset=0)
        blank = RowsResult(
            table=relation.label, headers=_headers(fields), limit=1, offset=0, order=()
        )
        found = await collect(connection, Answer(source, blank, limit=1))
    if not found.rows:
        told = listed([f"{typed(test.column.name)} = {test.value}" for test in tests])
        raise FindingError(
            f"there is no row in {relation.label} with {told}",
            hint=f"`dbctl inspect rows {relation.label}` shows some that are there.",
            code=ErrorCode.NOT_FOUND,
        )
    return RowResult(table=relation.label, headers=found.headers, row=found.rows[0])


def _key_tests(relation: Relation, key: list[Column], given: Sequence[str]) -> list[_Test]:
    if not key:
        raise UsageError(
            f"{relation.label} has no primary key",
            hint=f"Use `dbctl inspect rows {relation.label} --where column=value`.",
        )
    values = [encodable(value) for value in given]
    if len(key) > 1 and len(values) == 1:
        values = split_key(values[0])
    if len(values) != len(key):
        names = [typed(column.name) for column in key]
        raise UsageError(
            f"the primary key of {relation.label} is {listed(names)}: "
            f"{len(key)} values, not {len(values)}",
            hint=f"Give them in this order: {','.join(names)}.",
        )
    return [_Test(column, value) for column, value in zip(key, values, strict=True)]


def _test(column: Column, value: str | None) -> _Test:
    """Return the test for a value as it is typed, or as it is shown: arrays are shown as JSON."""
    return _Test(column, array_literal(value) if value and column.is_array else value)


def _tie_breakers(known: list[Column]) -> list[Order]:
    return [Order(Name(column.name, quoted=True)) for column in key_of(known)]


def _fields(relation: Relation, columns: list[Column], masks: Masks) -> tuple[Field, ...]:
    return tuple(
        Field.of(
            column,
            masked=masks.reason(relation.schema, relation.name, column.name) is not None,
        )
        for column in columns
    )


def _headers(fields: Sequence[Field]) -> tuple[Header, ...]:
    return tuple(
        Header(name=f.name, type=f.type, primary_key=f.primary_key, masked=f.masked) for f in fields
    )


async def _source(
    connection: asyncpg.Connection[Any],
    relation: Relation,
    fields: tuple[Field, ...],
    tests: list[_Test],
    sorting: dict[Column, bool],
    *,
    offset: int,
) -> Source:
    for test in tests:
        await _check(connection, test)
    parameters: list[Any] = []

    def bind(value: object) -> str:
        parameters.append(value)
        return f"${len(parameters)}"

    tail = f"FROM {relation.sql}"
    if tests:
        parts = (_condition(t, bind(t.value) if t.value is not None else "") for t in tests)
        tail += f" WHERE {' AND '.join(parts)}"
    if sorting:
        parts = (f"{column.sql} {'DESC' if down else 'ASC'}" for column, down in sorting.items())
        tail += f" ORDER BY {', '.join(parts)}"
    if offset:
        tail += f" OFFSET {offset:d}"
    return Source(fields, tail, tuple(parameters))


async def _check_order(
    connection: asyncpg.Connection[Any], relation: Relation, sorting: dict[Column, bool]
) -> None:
    """Let the server sort nothing, to know whether it can.

    Raises UsageError where a type has no order.
    """
    if all(column.comparable for column in sorting):
        return
    parts = ", ".join(column.sql for column in sorting)
    try:
        await connection.prepare(f"SELECT FROM {relation.sql} ORDER BY {parts}", name="")
    except asyncpg.UndefinedFunctionError as error:
        unordered = [column for column in sorting if not column.comparable] or sorting
        types = listed([f"{typed(column.name)} ({column.type})" for column in unordered])
        raise UsageError(
            f"{relation.label} cannot be sorted by {types}: the type has no order",
            hint="Use --order with another column.",
        ) from error


def _condition(test: _Test, parameter: str) -> str:
    if test.value is None:
        # IS NULL is true for a row value of NULLs, which is not NULL; the parser makes a plain
        # null test of this, so that an index serves it.
        return f"{test.column.sql} IS NOT DISTINCT FROM NULL"
    return f"{_left(test.column)} = {_cast(test.column, parameter)}"


def _left(column: Column) -> str:
    """Return the side of the column: itself, so that an index serves, where its type has an `=`."""
    return column.sql if _typed(column) else f"CAST({column.sql} AS pg_catalog.text)"


def _typed(column: Column) -> bool:
    # A cast to "char" or name would cut the value and find what was not asked for.
    return column.comparable and (column.is_array or column.leaf not in _NAME_TYPES)


def _cast(column: Column, parameter: str) -> str:
    """Return the parameter, bound as text, as a value of the column's type."""
    text = f"CAST({parameter} AS pg_catalog.text)"
    if column.leaf == "bytea" and not column.is_array:
        # As it is shown, or as SQL writes it: a backslash is not in base64's alphabet.
        return (
            f"CASE WHEN {text} LIKE '\\\\x%' THEN CAST({text} AS pg_catalog.bytea)"
            f" ELSE pg_catalog.decode({text}, 'base64') END"
        )
    return f"CAST({text} AS {column.base_sql})" if _typed(column) else text


async def _check(connection: asyncpg.Connection[Any], test: _Test) -> None:
    """Let the server read a value as its column's type, to know which one it refuses.

    Raises UsageError where it does.
    """
    if test.value is None or not _typed(test.column):
        return
    try:
        # Only whether it can be read: the driver could not hold every value itself.
        await connection.fetch(f"SELECT {_cast(test.column, '$1')} IS NULL", test.value)
    except asyncpg.PostgresError as error:
        if not (error.sqlstate or "").startswith(_VALUE_ERRORS):
            raise
        column = test.column
        hint = f"PostgreSQL says: {first_line(error)}."
        if column.labels and not column.is_array:
            hint = f"It takes {listed(column.labels, 'or')}."
        raise UsageError(
            f"{typed(column.name)} is of type {column.type} and does not take {test.value!r}",
            hint=hint,
        ) from error
