"""The operation behind `inspect rows`: a page of a relation, filtered and sorted.

Every statement is made of quoted identifiers, types from the catalogue, and bound parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg

from dbctl.db.catalog import Relation, find_column, key_of
from dbctl.db.names import Name, Order, listed, parse_order, typed
from dbctl.errors import UsageError
from dbctl.inspect.data.conditions import Filter, Operator, check
from dbctl.inspect.data.cost import Guard
from dbctl.inspect.data.paging import Sorting, after_position, parse_position, position
from dbctl.inspect.data.results import RowsResult
from dbctl.inspect.data.selection import Parameters, Selection, fields_of, select
from dbctl.inspect.data.source import Answer, Source
from dbctl.inspect.masking import Masks

# Far from where a bigint ends.
_LARGEST = 2**62


async def find_rows(
    connection: asyncpg.Connection[Any],
    name: str,
    *,
    columns: Sequence[str] = (),
    where: Sequence[str] = (),
    order: Sequence[str] = (),
    limit: int | None = 20,
    offset: int = 0,
    after: str | None = None,
    masks: Masks,
    guard: Guard,
) -> Answer[RowsResult]:
    """Find up to `limit` rows of the relation that `name` means, all if None.

    `columns`, `where` and `order` are as typed: `a,b`, `column=value`, `column:desc`. The primary
    key settles the order that `order` leaves open, so that pages neither overlap nor miss a row;
    without `order` all rows together come as the server finds them. They begin after the place
    `after`, which is the `next` of the page before, and after `offset` more. Raises UsageError for
    a name that is not there, for a value that its column cannot hold, and for a place that is none;
    CostRefused where `guard` refuses.
    """
    limit = None if limit is None else min(limit, _LARGEST)
    offset = min(offset, _LARGEST)
    orders = parse_order(order)
    selection = await select(connection, name, columns=columns, where=where, masks=masks)
    is_page = limit is not None or after is not None or offset > 0
    # Along its index a big table would be read in three times the time.
    sorting = await _sorting(connection, selection, orders) if orders or is_page else []
    unplaced = await _why_unplaced(connection, selection, sorting, masks)
    parameters = Parameters()
    tail = selection.source(parameters)
    if after is not None:
        if unplaced:
            raise UsageError(f"--after needs to know where a row stands: {unplaced}", hint=_OFFSET)
        values = await _place(connection, after, sorting)
        following = after_position(sorting, values, parameters.bind)
        has_conditions = selection.filters or selection.relation.conditions
        tail += f" {'AND' if has_conditions else 'WHERE'} {following}"
    if sorting:
        tail += f" ORDER BY {', '.join(one.sql for one in sorting)}"
    if offset:
        tail += f" OFFSET {offset:d}"
    source = Source(
        selection.fields,
        tail,
        parameters.values,
        position=None if unplaced else position(sorting),
    )
    await guard.check(connection, source.statement(limit), source.parameters)
    blank = RowsResult(
        table=selection.relation.label,
        headers=selection.headers,
        limit=limit,
        offset=offset,
        after=after,
        order=tuple(one.label for one in sorting),
    )
    return Answer(source, blank, limit, selection.private)


_OFFSET = "Use --offset."


async def _sorting(
    connection: asyncpg.Connection[Any], selection: Selection, orders: Sequence[Order]
) -> list[Sorting]:
    """Return what rows are sorted by: the orders, and the primary key where they leave it open.

    Raises UsageError where a type has no order.
    """
    relation, known = selection.relation, selection.columns
    key = [Order(Name(column.name, quoted=True)) for column in key_of(known)]
    found: dict[str, Sorting] = {}
    for one in [*orders, *key]:
        column = find_column(relation, known, one.column)
        found.setdefault(column.name, Sorting(column, one.descending))
    sorting = list(found.values())
    await _check_order(connection, relation, sorting)
    return sorting


async def _check_order(
    connection: asyncpg.Connection[Any], relation: Relation, sorting: list[Sorting]
) -> None:
    """Let the server sort nothing, to know whether it can."""
    unordered = [one.column for one in sorting if not one.column.comparable]
    if not unordered:
        return
    parts = ", ".join(one.sql for one in sorting)
    try:
        await connection.prepare(f"SELECT FROM {relation.sql} ORDER BY {parts}", name="")
    except asyncpg.UndefinedFunctionError as error:
        types = listed([f"{typed(column.name)} ({column.type})" for column in unordered])
        raise UsageError(
            f"{relation.label} cannot be sorted by {types}: the type has no order",
            hint="Use --order with another column.",
        ) from error


async def _why_unplaced(
    connection: asyncpg.Connection[Any],
    selection: Selection,
    sorting: Sequence[Sorting],
    masks: Masks,
) -> str | None:
    """Say why the place of a row in the order cannot be told; None where it can."""
    if not key_of(selection.columns):
        return f"{selection.relation.label} has no primary key"
    columns = [one.column for one in sorting]
    fields = await fields_of(connection, selection.relation, columns, masks)
    for field in fields:
        if field.masked:
            return f"{typed(field.name)} is masked"
        if field.keys and field.leaf == "jsonb":
            return f"{typed(field.name)} is JSON, of which a part may be masked"
    return None


async def _place(
    connection: asyncpg.Connection[Any], after: str, sorting: Sequence[Sorting]
) -> list[str | None]:
    """Return the values of the place `after`, which their columns can hold."""
    values = parse_position(after, sorting)
    for one, value in zip(sorting, values, strict=True):
        await check(connection, Filter(one.column, Operator.EQUAL, value))
    return values
