"""Pages that continue after a row, by what the rows are sorted by: no row is skipped by counting.

A place in the order is told as one line of CSV, the values of the columns that sort: NULL is
nothing at all, the empty string is `""`.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass

from dbctl.db.catalog import Column
from dbctl.db.names import encodable, listed, typed
from dbctl.errors import UsageError
from dbctl.inspect.data.conditions import Bind, exactly


@dataclass(frozen=True, slots=True)
class Sorting:
    """A column that rows are sorted by; PostgreSQL has NULL at the end, or first if descending."""

    column: Column
    descending: bool = False

    @property
    def sql(self) -> str:
        """What goes into ORDER BY."""
        return f"{self.column.sql} {'DESC' if self.descending else 'ASC'}"

    @property
    def label(self) -> str:
        """What a user types for it."""
        return typed(self.column.name) + ":desc" * self.descending


def position(sorting: Sequence[Sorting]) -> str:
    """Return the SQL of the text that says where a row stands in the order."""
    return " || ',' || ".join(_csv_field(one.column) for one in sorting)


def _csv_field(column: Column) -> str:
    # By bytes: other collations may know no regular expressions.
    text = f'CAST({column.sql} AS pg_catalog.text) COLLATE pg_catalog."C"'
    return (
        f"CASE WHEN {text} IS NULL THEN ''"
        f" WHEN {text} = '' OR {text} ~ '[\",\\r\\n]'"
        f" THEN '\"' || pg_catalog.replace({text}, '\"', '\"\"') || '\"' ELSE {text} END"
    )


def parse_position(text: str, sorting: Sequence[Sorting]) -> list[str | None]:
    """Return the values of the columns that sort, as `position` told them.

    Raises UsageError where there are more or fewer than columns.
    """
    names = listed([one.label for one in sorting])
    hint = f"Take it from the page before, with the same --order: it has {names}."
    try:
        lines = list(csv.reader([encodable(text)], strict=True, quoting=csv.QUOTE_NOTNULL))
    except csv.Error:
        raise UsageError(f"--after cannot be read: {text!r}", hint=hint) from None
    values: list[str | None] = [*lines[0]] if lines and lines[0] else [None]
    if len(values) != len(sorting):
        count = "1 value" if len(values) == 1 else f"{len(values)} values"
        raise UsageError(
            f"--after has {count}, and the rows are sorted by {len(sorting)}: {names}", hint=hint
        )
    for one, value in zip(sorting, values, strict=True):
        if value is None and not one.column.nullable:
            raise UsageError(f"--after has no value for {one.label}, never NULL", hint=hint)
    return values


def after_position(sorting: Sequence[Sorting], values: Sequence[str | None], bind: Bind) -> str:
    """Return the condition of the rows that come after the one with `values`.

    Where all columns go the same way and none is null, it compares whole rows, which an index
    serves from the right place on.
    """
    places = list(zip(sorting, values, strict=True))
    one_way = len({one.descending for one in sorting}) == 1
    one_kind = len({one.column.operator_schema for one in sorting}) == 1
    if one_way and one_kind and not any(one.column.nullable for one in sorting):
        left = ", ".join(one.column.sql for one in sorting)
        right = ", ".join(exactly(one.column, bind(value)) for one, value in places)
        return f"({left}) {_sign(sorting[0])} ({right})"
    bound = [
        (one, None if value is None else exactly(one.column, bind(value))) for one, value in places
    ]
    ways = []
    for at, (one, value) in enumerate(bound):
        same = [_same(*place) for place in bound[:at]]
        if following := _following(one, value):
            ways.append(" AND ".join([*same, following]))
    return "(" + " OR ".join(f"({way})" for way in ways) + ")" + _start(*bound[0])


def _start(first: Sorting, value: str | None) -> str:
    """Return what lets an index on the first column begin where the page does."""
    if value is None or (first.column.nullable and not first.descending):
        return ""
    return f" AND {first.column.sql} {_sign(first, '=')} {value}"


def _sign(sorting: Sorting, or_equal: str = "") -> str:
    return sorting.column.operator(("<" if sorting.descending else ">") + or_equal)


def _same(sorting: Sorting, value: str | None) -> str:
    sql = sorting.column.sql
    return (
        f"{sql} IS NOT DISTINCT FROM NULL"
        if value is None
        else f"{sql} {sorting.column.operator('=')} {value}"
    )


def _following(sorting: Sorting, value: str | None) -> str:
    """Return the condition of what follows `value` in one column; empty where nothing does."""
    sql = sorting.column.sql
    if value is None:
        return f"{sql} IS DISTINCT FROM NULL" if sorting.descending else ""
    follows = f"{sql} {_sign(sorting)} {value}"
    if sorting.descending or not sorting.column.nullable:
        return follows
    return f"({follows} OR {sql} IS NOT DISTINCT FROM NULL)"
