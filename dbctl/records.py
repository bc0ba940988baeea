"""Records as text: lines of CSV, JSON or Markdown, or a block each."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

# The parts of a text, with a style each.
type Block = list[tuple[str, str]]

# What means something in a cell of GitHub's Markdown; an underscore only at the edge of a word.
_MARKUP = re.compile(r"[\\`*\[\]<>&|~]|(?<![^\W_])_|_(?![^\W_])")
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
_BREAK = re.compile(r"\r\n|[\n\r]")


def csv_text(records: Iterable[Mapping[str, object]], columns: Sequence[str]) -> str:
    """Return the CSV of `records` under a header."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_csv_cell(record[name]) for name in columns] for record in records)
    return out.getvalue()


def _csv_cell(value: object) -> object:
    return value if value is None else _text(value)


def ndjson(records: Iterable[Mapping[str, object]], *, ascii_only: bool) -> str:
    """Return one line of JSON per record."""
    return "".join(
        json.dumps(record, ensure_ascii=ascii_only, default=str) + "\n" for record in records
    )


def markdown(records: Iterable[Mapping[str, object]], columns: Sequence[str]) -> str:
    """Return a table of `records` in GitHub's Markdown; what is not there is blank."""
    rows = ([_text(record[name]) for name in columns] for record in records)
    return markdown_head(columns) + "".join(map(markdown_row, rows))


def markdown_head(names: Sequence[str]) -> str:
    """Return the two lines that a Markdown table begins with."""
    return markdown_row(names) + f"|{' --- |' * len(names)}\n"


def markdown_row(cells: Iterable[str]) -> str:
    """Return one line of a Markdown table whose cells read as the texts they are."""
    return f"| {' | '.join(map(_markdown, cells))} |\n"


def _markdown(text: str) -> str:
    escaped = _MARKUP.sub(lambda match: _ENTITIES.get(match[0], f"\\{match[0]}"), text)
    return _BREAK.sub("<br>", escaped)


def blocks(records: Iterable[Mapping[str, object]]) -> Iterator[Block]:
    """Yield a block for each record, numbered where there are several."""
    known = list(records)
    for number, record in enumerate(known, start=1):
        values = [_text(value) for value in record.values()]
        yield block(number if len(known) > 1 else None, labels(record), values)


def labels(names: Iterable[str]) -> list[str]:
    """Return names as they stand before values, of one width."""
    from rich.cells import cell_len

    from dbctl.rendering import one_line

    shown = [one_line(name) for name in names]
    width = max(map(cell_len, shown), default=0) + 2
    return [name + " " * (width - cell_len(name)) for name in shown]


def block(number: int | None, labels: Sequence[str], values: Iterable[str | None]) -> Block:
    """Return a line for each value, under the number of the row; None is NULL."""
    from dbctl.rendering import one_line

    parts = [("" if number in {None, 1} else "\n", "")]
    if number is not None:
        parts.append((f"row {number}\n", "bold"))
    for label, value in zip(labels, values, strict=True):
        shown = ("NULL\n", "muted") if value is None else (f"{one_line(value)}\n", "")
        parts += [(label, "muted"), shown]
    return parts


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple | dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
