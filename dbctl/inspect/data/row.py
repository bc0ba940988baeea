"""The operation behind `inspect row`: one row in full, with what belongs to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import asyncpg

from dbctl.db.catalog import key_of
from dbctl.db.names import encodable, listed, split_key, typed
from dbctl.errors import ErrorCode, FindingError, UsageError
from dbctl.inspect.data.collecting import collect
from dbctl.inspect.data.conditions import Filter, Operator, check, filter_of
from dbctl.inspect.data.cost import Guard
from dbctl.inspect.data.literals import null_or_text
from dbctl.inspect.data.relatives import Relatives
from dbctl.inspect.data.results import RowResult, RowsResult
from dbctl.inspect.data.selection import Parameters, Selection, select
from dbctl.inspect.data.source import Answer, Source
from dbctl.inspect.masking import Masks
from dbctl.inspect.reading import STATEMENT_TIMEOUT, reading


async def find_row(
    connection: asyncpg.Connection[Any],
    name: str,
    key: Sequence[str],
    *,
    columns: Sequence[str] = (),
    follow: bool = False,
    masks: Masks = Masks(),  # noqa: B008 - frozen
    guard: Guard = Guard(),  # noqa: B008 - frozen
    statement_timeout: float = STATEMENT_TIMEOUT,
) -> RowResult:
    """Read the row whose primary key is `key`: one text per column, or all in one with commas.

    With `follow` the rows at the other end of its foreign keys are read too, the first few of each.
    What `guard` refuses is not counted. Raises FindingError where there is no such row; UsageError
    where the relation has no primary key, and for values that do not fit it.
    """
    async with reading(connection, statement_timeout):
        selection = await _select(connection, name, key, columns, masks)
        found = await collect(connection, _answer(selection))
        if not found.rows:
            raise _missing(selection)
        relatives = Relatives(connection, selection, masks=masks, guard=guard, follow=follow)
        references, referrers = await relatives.find()
    return RowResult(
        table=found.table,
        headers=found.headers,
        row=found.rows[0],
        references=references,
        referenced_by=referrers,
    )


async def find_only_row(
    connection: asyncpg.Connection[Any],
    name: str,
    key: Sequence[str],
    *,
    columns: Sequence[str] = (),
    masks: Masks,
) -> Answer[RowsResult]:
    """Find the row that `find_row` reads, for what has no place for anything else.

    Raises what that raises.
    """
    selection = await _select(connection, name, key, columns, masks)
    answer = _answer(selection)
    parameters = answer.source.parameters
    if not await connection.fetchval(f"SELECT EXISTS (SELECT {answer.source.tail})", *parameters):
        raise _missing(selection)
    return answer


async def _select(
    connection: asyncpg.Connection[Any],
    name: str,
    key: Sequence[str],
    columns: Sequence[str],
    masks: Masks,
) -> Selection:
    """Return the selection of the one row, which need not be there."""
    selection = await select(connection, name, columns=columns, masks=masks)
    filters = _key_filters(selection, key)
    for one in filters:
        await check(connection, one)
    return replace(selection, filters=filters)


def _answer(selection: Selection) -> Answer[RowsResult]:
    parameters = Parameters()
    source = Source(selection.fields, selection.source(parameters), parameters.values)
    blank = RowsResult(table=selection.relation.label, headers=selection.headers, limit=1)
    return Answer(source, blank, private=selection.private)


def _key_filters(selection: Selection, given: Sequence[str]) -> tuple[Filter, ...]:
    label, key = selection.relation.label, key_of(selection.columns)
    if not key:
        raise UsageError(
            f"{label} has no primary key", hint=f"Use `dbctl inspect rows {label} column=value`."
        )
    values = [encodable(value) for value in given]
    if len(key) > 1 and len(values) == 1:
        values = split_key(values[0])
    if len(values) != len(key):
        names = [typed(column.name) for column in key]
        count = "1 value" if len(key) == 1 else f"{len(key)} values"
        raise UsageError(
            f"the primary key of {label} is {listed(names)}: {count}, not {len(values)}",
            hint=f"Give them in this order: {','.join(names)}.",
        )
    return tuple(
        filter_of(column, Operator.EQUAL, _as_shown(value))
        for column, value in zip(key, values, strict=True)
    )


def _as_shown(value: str) -> str:
    """Return a value of a key without the quotes that it is shown in; a key is never NULL."""
    text = null_or_text(value)
    return value if text is None else text


def _missing(selection: Selection) -> FindingError:
    label = selection.relation.label
    told = listed([f"{typed(one.column.name)} = {one.value}" for one in selection.filters])
    return FindingError(
        f"there is no row in {label} with {told}",
        hint=f"`dbctl inspect rows {label}` shows some that are there.",
        code=ErrorCode.NOT_FOUND,
    )
