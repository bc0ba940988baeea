"""One row for people: every column, and below it what belongs to the row in other tables."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from dbctl.inspect.data.literals import in_quotes
from dbctl.inspect.data.results import Header, Reference, Referrer, RowResult
from dbctl.inspect.data.views import cell, masked_footer, table_of
from dbctl.inspect.grid import pairs
from dbctl.rendering import line, safe

# What one value may take of the screen for itself.
_VALUE = 2000
_INDENT = 2


def row(result: RowResult, *, full: bool = False) -> RenderableType:
    """Show one row, a line or more per column; of a huge value the beginning unless `full`."""
    parts: list[RenderableType] = [_values(result.headers, result.row, full=full)]
    parts += masked_footer(result.headers)
    if result.references:
        parts += [Text(), Text("References", style="bold")]
        for reference in result.references:
            parts += _reference(reference, full=full)
    if result.referenced_by:
        parts += [Text(), Text("Referenced by", style="bold")]
        for referrer in result.referenced_by:
            parts += _referrer(referrer, full=full)
    return Group(*parts)


def _values(
    headers: tuple[Header, ...], values: dict[str, object], *, full: bool
) -> RenderableType:
    limit = None if full else _VALUE
    shown = [
        (
            header.name,
            Text(str(values[header.name]), style="muted")
            if header.masked and values[header.name] is not None
            else cell(values[header.name], limit),
        )
        for header in headers
    ]
    return pairs(shown, wrap=True)


def _reference(reference: Reference, *, full: bool) -> Iterator[RenderableType]:
    columns = ", ".join(reference.columns)
    head = Text.assemble(safe(columns, "key"), " → ", safe(reference.table), "  ")
    if reference.key is None:
        head.append("NULL", style="muted")
    elif reference.note:
        head.append_text(safe(reference.note, "warn"))
    elif not reference.found:
        head.append("there is no such row", style="warn")
    elif reference.label is not None:
        head.append_text(safe(in_quotes(reference.label), "bold"))
    yield Padding(head, (0, 0, 0, _INDENT))
    if reference.command and reference.found:
        yield _command(reference.command)
    if reference.rows:
        for one in reference.rows.rows:
            values = _values(reference.rows.headers, one, full=full)
            yield Padding(values, (0, 0, 1, 2 * _INDENT))


def _referrer(referrer: Referrer, *, full: bool) -> Iterator[RenderableType]:
    columns = ", ".join(referrer.columns)
    head = Text.assemble(safe(referrer.table), " by ", safe(columns, "key"), "  ")
    if referrer.count is None:
        head.append_text(safe(f"not counted: {referrer.note}", "warn"))
    elif referrer.count == 1:
        head.append("1 row")
    else:
        head.append(f"{referrer.count:,}{'+' * referrer.more} rows")
    yield Padding(head, (0, 0, 0, _INDENT))
    if referrer.command:
        yield _command(referrer.command)
    if referrer.rows and referrer.rows.rows:
        yield Padding(table_of(referrer.rows, full=full), (0, 0, 1, 2 * _INDENT))


def _command(text: str) -> RenderableType:
    return line(" " * 2 * _INDENT + text)
