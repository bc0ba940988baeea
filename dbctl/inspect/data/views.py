"""Rows as tables for people."""

import json
from collections.abc import Callable
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from dbctl.inspect.data.results import Header, RowResult, RowsResult
from dbctl.inspect.grid import IDENTIFYING, READABLE, Grid, GridColumn, pairs, section
from dbctl.rendering import safe

# More than any terminal shows of a cell, and what one value may take of the screen for itself.
_CELL = 2000
_VALUE = 2000
_NUMBERS = ("smallint", "integer", "bigint", "oid", "real", "double", "numeric", "money")


def rows(result: RowsResult) -> RenderableType:
    """Show rows side by side where they fit, one block each where they do not."""
    footer = safe(_footer(result), "muted")
    if not (result.headers and result.rows):
        return footer
    columns = [
        GridColumn(
            header.name,
            "right" if _is_number(header) else "left",
            IDENTIFYING if header.primary_key or _is_number(header) else READABLE,
        )
        for header in result.headers
    ]
    cells = [[cell(row[h.name], h.type) for h in result.headers] for row in result.rows]
    return Group(Grid(columns, cells, blocks=_blocks(result)), footer)


def _blocks(result: RowsResult) -> Callable[[], RenderableType]:
    def blocks() -> RenderableType:
        parts: list[RenderableType] = []
        for number, row in enumerate(result.rows, start=result.offset + 1):
            values = [(h.name, cell(row[h.name], h.type)) for h in result.headers]
            parts += [*section(f"row {number}", pairs(values)), Text()]
        return Group(*parts)

    return blocks


def _footer(result: RowsResult) -> str:
    count = len(result.rows)
    if not count and not result.more:
        return f"no rows after the first {result.offset}" if result.offset else "no rows"
    told = "1 row" if count == 1 else f"{count} rows"
    if result.more:
        told += f", more with --offset {result.offset + count}"
        if not result.order:
            told += "; in no certain order without --order"
    return told


def row(result: RowResult) -> RenderableType:
    """Show one row, a line or more per column."""
    values = [(h.name, cell(result.row[h.name], h.type, _VALUE)) for h in result.headers]
    return pairs(values, wrap=True)


def cell(value: Any, type_: str, limit: int = _CELL) -> Text:
    """Return one value on one line: NULL dim, and text that could be taken for another quoted."""
    if value is None:
        return Text("NULL", style="muted")
    if isinstance(value, str) and type_ not in {"json", "jsonb"}:
        text = value
        # Also the literal word NULL, and what only seems to be in these quotes.
        if not text or text != text.strip() or text == "NULL" or text[0] == text[-1] == "'":
            text = "'" + text.replace("'", "''") + "'"
    else:
        text = json.dumps(value, ensure_ascii=False)
    if len(text) <= limit:
        return safe(text)
    rest = len(text) - limit
    return Text.assemble(safe(text[:limit]), (f"… ({rest:,} more characters)", "muted"))


def _is_number(header: Header) -> bool:
    return header.type.startswith(_NUMBERS) and not header.type.endswith("[]")
