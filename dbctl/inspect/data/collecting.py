"""Read all of an answer into memory: for a table on a screen, never for a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg

from dbctl.db.decoding import lossless
from dbctl.inspect.data.discreet import discreet
from dbctl.inspect.data.encodings import is_flat, json_row
from dbctl.inspect.data.key_masking import KeyMasking
from dbctl.inspect.data.results import RowSet
from dbctl.inspect.data.row_text import RowText, restored
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
    with discreet(answer.private), lossless(connection):
        records = await connection.fetch(statement, *source.parameters)
    kept = [(text, values) for text, values, _ in records[:limit]]
    if (text := RowText.of(connection, source.fields)) is not None:
        kept = _in_unicode(text, kept)
    masking = KeyMasking(source.fields, flat=True)
    rows = tuple(
        _row(masking.row(text), None if values is None else masking.row(values), flat)
        for text, values in kept
    )
    more = len(records) > len(rows)
    next_page = restored(connection, records[len(rows) - 1][2]) if rows and more else None
    return answer.blank.model_copy(
        update={"rows": rows, "count": len(rows), "more": more, "next": next_page}
    )


def _in_unicode(
    text: RowText, rows: Sequence[tuple[str, str | None]]
) -> list[tuple[str, str | None]]:
    whole = text.text([row.encode(errors="surrogateescape") for row, _ in rows])
    flat = [None if row is None else row.encode(errors="surrogateescape") for _, row in rows]
    return [
        (row, None if values is None else text.decoded(values))
        for row, values in zip(whole, flat, strict=True)
    ]


def _row(text: str, values: str | None, flat: Sequence[str]) -> Row:
    row = decoded(values or text)
    for name in flat:
        if row[name] is not None:
            row[name] = JsonText(row[name])
    return Row(row, text)
