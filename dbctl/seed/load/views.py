"""Render what loading returns."""

from rich.console import Group, RenderableType
from rich.text import Text

from dbctl.rendering import facts, safe
from dbctl.rendering import table as new_table
from dbctl.seed.load.results import LoadResult


def loaded(result: LoadResult) -> RenderableType:
    """Show the files, what became of their rows, and the first of those at fault."""
    parts: list[RenderableType] = [_facts(result)]
    if result.faults:
        parts.append(_faults(result))
    parts += [safe(notice, "warn") for notice in result.notices]
    if result.error is None:
        parts.append(_sentence(result))
    if result.reject_file is not None:
        advice = f"Mend the rows in {result.reject_file} and load that file as it is."
        parts.append(safe(advice, "muted"))
    return Group(*parts)


def _facts(result: LoadResult) -> RenderableType:
    grid = facts()
    for file in result.files:
        grid.add_row("file", safe(f"{file.name} ({file.form}, {file.rows:,} rows)"))
    renamed = [pair for pair in result.mapping if pair.field != pair.column]
    if renamed:
        pairs = ", ".join(f"{pair.field} → {pair.column}" for pair in renamed)
        grid.add_row("columns", safe(pairs))
    return grid


def _faults(result: LoadResult) -> RenderableType:
    table = new_table()
    table.add_column("file", no_wrap=True)
    table.add_column("row", justify="right", no_wrap=True)
    if any(fault.line is not None for fault in result.faults):
        table.add_column("line", justify="right", no_wrap=True)
    table.add_column("column", style="key")
    table.add_column("value", overflow="fold")
    table.add_column("reason", overflow="fold")
    for fault in result.faults:
        cells: list[RenderableType] = [safe(fault.file), f"{fault.row:,}"]
        if any(other.line is not None for other in result.faults):
            cells.append(f"{fault.line:,}" if fault.line is not None else "")
        cells += [safe(fault.column or ""), safe(fault.value or ""), safe(fault.reason)]
        table.add_row(*cells)
    more = result.fault_count - len(result.faults)
    return Group(table, Text(f"and {more:,} more", "muted")) if more else table


def _sentence(result: LoadResult) -> Text:
    would = "would be " if result.plan else ""
    counts = [
        f"{count:,} {would}{what}"
        for count, what in (
            (result.inserted, "inserted"),
            (result.updated, "updated"),
            (result.unchanged, "unchanged"),
            (result.skipped, "skipped"),
            (result.superseded, "superseded by a later row"),
            (result.rejected, f"rejected to {result.reject_file}"),
        )
        if count or what == "inserted"
    ]
    if result.plan:
        counts[0] = f"{result.inserted:,} rows are sound, nothing was written"
    return Text.assemble(
        ("! ", "warn") if result.rejected else ("✓ ", "ok"),
        safe(result.table, "bold"),
        ": ",
        safe(", ".join(counts)),
        (f" — {result.seconds:.1f} s, {result.rate:,.0f} rows/s", "muted"),
    )
