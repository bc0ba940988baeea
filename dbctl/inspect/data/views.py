"""Rows as tables for people."""

import json
import shlex
from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from dbctl.inspect.data.literals import in_quotes
from dbctl.inspect.data.results import CountResult, Header, RowSet, RowsResult
from dbctl.inspect.data.verbatim import JsonText
from dbctl.inspect.grid import IDENTIFYING, MOMENT, READABLE, Blocks, Grid, GridColumn
from dbctl.inspect.lines import Cell, Shortened
from dbctl.rendering import Verbatim, safe, visible

# More than any terminal shows of a cell.
_CELL = 2000
# What lines of prose need.
_WRAPPED = 30
_NUMBERS = ("smallint", "integer", "bigint", "oid", "real", "double", "numeric", "money")


def rows(result: RowsResult, *, full: bool = False) -> RenderableType:
    """Show a page of rows, and how to go on; `full` as in `table_of`."""
    below = [safe(footer(result), "muted"), *masked_footer(result.headers)]
    if not (result.headers and result.rows):
        return Group(*below)
    return Group(table_of(result, first=result.offset + 1, full=full), *below)


def table_of(result: RowSet, *, first: int = 1, full: bool = False) -> Grid:
    """Show rows side by side where they fit, one block each where they do not.

    The blocks are counted from `first`. Long values are shortened unless `full`.
    """
    columns = [
        GridColumn(
            header.name, "right" if _is_number(header) else "left", _floor(header, full=full)
        )
        for header in result.headers
    ]
    cells = [[_cell(row[h.name], h, full=full) for h in result.headers] for row in result.rows]
    names = [header.name for header in result.headers]
    return Grid(columns, cells, wrap=full, blocks=lambda: Blocks(names, cells, first, wrap=full))


def footer(result: RowSet) -> str:
    """Return the line that counts rows, and says how to go on where more follow."""
    count = result.count
    told = "1 row" if count == 1 else f"{count:,} rows"
    if not isinstance(result, RowsResult):
        if result.more:
            return f"{told}, and there are more: --limit N, or --all"
        return told if count else "no rows"
    if result.sample:
        return f"{count:,} random {'row' if count == 1 else 'rows'}" if count else "no rows"
    if not count and not result.more:
        skipped = f" after the first {result.offset:,}" if result.offset else ""
        return f"no more rows{skipped}" if result.after is not None else f"no rows{skipped}"
    if result.more:
        token = result.next
        if token is not None and visible(token) == token and "\n" not in token:
            told += f", more with --after {shlex.quote(token)}"
        else:
            told += f", more with --offset {result.offset + count}"
        if not result.order:
            told += "; in no certain order without --order"
    return told


def masked_footer(headers: Sequence[Header]) -> list[Text]:
    """Return the line that tells which columns are masked, and why; none where none is."""
    masked = [f"{h.name} ({h.reason})" if h.reason else h.name for h in headers if h.masked]
    if not masked:
        return []
    return [safe(f"masked: {', '.join(masked)}; --reveal shows what is there", "muted")]


def count(result: CountResult) -> RenderableType:
    """Show how many rows there are; a script is given the bare number."""
    told = "1 row" if result.count == 1 else f"{result.count:,} rows"
    return Verbatim(f"{result.count}\n", safe(f"{told} in {result.table}"))


def _cell(value: Any, header: Header, *, full: bool) -> Cell:
    if header.masked and value is not None:
        return Text(str(value), style="muted")
    if full:
        return cell(value, None)
    text = cell(value)
    # The length of a moment says nothing.
    if value is None or _is_moment(header):
        return text
    length = len(value if isinstance(value, str) else plain(value))
    return Shortened(text, length)


def cell(value: Any, limit: int | None = _CELL) -> Text:
    """Return one value on one line: NULL dim, and text that could be taken for another quoted.

    More characters than `limit` are only counted.
    """
    if value is None:
        return Text("NULL", style="muted")
    text = plain(value)
    if limit is None or len(text) <= limit:
        return safe(text)
    rest = len(text) - limit
    return Text.assemble(safe(text[:limit]), (f"… ({rest:,} more characters)", "muted"))


def plain(value: Any) -> str:
    """Return the text of a value other than NULL, quoted where it could be taken for another."""
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return value if isinstance(value, JsonText) else in_quotes(value)


def _floor(header: Header, *, full: bool) -> int:
    if header.primary_key or _is_number(header):
        return IDENTIFYING
    if full:
        return _WRAPPED
    return MOMENT if _is_moment(header) else READABLE


def _is_moment(header: Header) -> bool:
    return header.type.startswith("timestamp") and not header.type.endswith("[]")


def _is_number(header: Header) -> bool:
    return header.type.startswith(_NUMBERS) and not header.type.endswith("[]")
