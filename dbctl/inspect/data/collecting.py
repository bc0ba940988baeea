"""Read all of an answer into memory: for a table on a screen, never for a file."""

from __future__ import annotations

from typing import Any

import asyncpg

from dbctl.inspect.data.discreet import discreet
from dbctl.inspect.data.encodings import json_row
from dbctl.inspect.data.results import RowSet
from dbctl.inspect.data.source import Answer
from dbctl.inspect.data.verbatim import Row


async def collect[R: RowSet](connection: asyncpg.Connection[Any], answer: Answer[R]) -> R:
    """Return the result of `answer` with its rows.

    Raises what the driver raises.
    """
    source, limit = answer.source, answer.limit
    # One row more tells whether more follow.
    bound = "" if limit is None else f" LIMIT {limit + 1:d}"
    position = source.position or "NULL"
    statement = f"SELECT {json_row(source.fields)}, {position} {source.tail}{bound}"
    with discreet(answer.private):
        records = await connection.fetch(statement, *source.parameters)
    rows = tuple(Row(record[0]) for record in records[:limit])
    more = len(records) > len(rows)
    next_page = records[len(rows) - 1][1] if rows and more else None
    return answer.blank.model_copy(
        update={"rows": rows, "count": len(rows), "more": more, "next": next_page}
    )
