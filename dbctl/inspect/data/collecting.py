"""Read all of an answer into memory: for a table on a screen, never for a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg

from dbctl.inspect.data.discreet import discreet
from dbctl.inspect.data.encodings import is_flat, json_row
from dbctl.inspect.data.results import RowSet
from dbctl.inspect.data.source import Answer
from dbctl.inspect.data.verbatim import JsonText, Row, decoded


async def collect[R: RowSet](connection: asyncpg.Connection[Any], answer: Answer[R]) -> R:
    """Return the result of `answer` with its rows, whose json is a JsonText.

    Raises what the driver raises.
    """
    source, limit = answer.source, answer.limit
    # One row more tells whether more follow.
    bound = "" if limit is None else f" LIMIT {limit + 1:d}"
    position = source.position or "NULL"
    flat = [field.name for field in source.fields if is_flat(field)]
    # Decoded, json would lose digits and keys, and its null would be that of SQL.
    values = json_row(source.fields, flat=True) if flat else "NULL"
    statement = f"SELECT {json_row(source.fields)}, {values}, {position} {source.tail}{bound}"
    with discreet(answer.private):
        records = await connection.fetch(statement, *source.parameters)
    rows = tuple(_row(text, values, flat) for text, values, _ in records[:limit])
    more = len(records) > len(rows)
    next_page = records[len(rows) - 1][2] if rows and more else None
    return answer.blank.model_copy(
        update={"rows": rows, "count": len(rows), "more": more, "next": next_page}
    )


def _row(text: str, values: str | None, flat: Sequence[str]) -> Row:
    row = decoded(values or text)
    for name in flat:
        if row[name] is not None:
            row[name] = JsonText(row[name])
    return Row(row, text)
