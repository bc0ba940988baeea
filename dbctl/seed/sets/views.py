"""Render what running and listing seed sets returns."""

import re
from collections import Counter
from datetime import UTC

from rich.console import Group, RenderableType
from rich.text import Text

from dbctl.rendering import safe
from dbctl.rendering import table as new_table
from dbctl.seed.sets.results import RowState, SetList, SetResult, SetRow

# A set with more rows is shown by its tables, and by those rows that are not as they were.
_ALL = 25
_CHANGED = 40
_VALUE = 60
_KEPT = "kept (changed since, or somebody else's)"
_UUID = re.compile(r"=[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_STYLES = {
    RowState.DELETED: "bad",
    RowState.KEPT: "warn",
    RowState.CREATED: "ok",
    RowState.UPDATED: "warn",
    RowState.UNCHANGED: "muted",
}


def listing(result: SetList) -> RenderableType:
    """Show the sets, where each is, what it is for, and when it was last run here."""
    if not result.sets:
        return Text.assemble(
            "There is no seed set. Name one in ",
            ("[tool.dbctl.seeds]", "key"),
            " of pyproject.toml: ",
            ('dev = "app.seeds.dev"', "key"),
        )
    table = new_table()
    table.add_column("set", style="key", no_wrap=True)
    table.add_column("what it is", overflow="fold")
    table.add_column("defined in", style="muted", overflow="fold")
    table.add_column("last run", no_wrap=True)
    table.add_column("rows", justify="right", no_wrap=True)
    for one in result.sets:
        table.add_row(
            safe(one.name),
            safe(one.fault, "bad") if one.fault else safe(one.description),
            safe(one.source),
            f"{one.last_run.astimezone(UTC):%Y-%m-%d %H:%M}"
            if one.last_run
            else Text("never" if result.database else "unknown", "muted"),
            "" if one.rows is None else f"{one.rows:,}",
        )
    return Group(
        table,
        Text.assemble(
            "Write one ",
            safe(f"into {result.database} " if result.database else "", "bold"),
            "with ",
            ("dbctl seed --set NAME", "key"),
            ".",
        ),
    )


def written(result: SetResult) -> RenderableType:
    """Show the rows of the set, what was done with each, and how many that makes."""
    shown = result.rows
    parts: list[RenderableType] = []
    if len(shown) > _ALL:
        parts.append(_totals(shown))
        shown = tuple(row for row in shown if row.state is not RowState.UNCHANGED)
    if shown:
        parts.append(_rows(shown[:_CHANGED]))
    if hidden := len(shown) - _CHANGED if len(shown) > _CHANGED else 0:
        parts.append(Text(f"… and {hidden:,} more, which --json has", "muted"))
    counts = [(result.created, "created"), (result.updated, "updated")]
    counts.append((result.unchanged, "unchanged"))
    before = [(result.deleted, "deleted"), (result.kept, _KEPT)]
    counts = [(count, word) for count, word in before if count] + counts
    told = ", ".join(f"{count:,} {word}" for count, word in counts)
    for one in result.affected:
        told += f"; with them {one.rows:,} of {one.table} ({one.action})"
    return Group(
        *parts,
        Text.assemble(
            ("· ", "warn") if result.plan else ("✓ ", "ok"),
            safe(result.database, "bold"),
            " would have the set " if result.plan else " has the set ",
            safe(result.set_name, "key"),
            ": ",
            safe(told),
            "; this was a plan, and nothing was written" if result.plan else "",
        ),
    )


def doomed(result: SetResult) -> RenderableType:
    """Show what a reset is about to delete."""
    gone = [row for row in result.rows if row.state is RowState.DELETED]
    told = f"{len(gone):,} rows that the set {result.set_name} created are deleted from "
    lines = [Text.assemble(safe(told), safe(result.database, "bold"), ", and written again.")]
    lines += [
        Text.assemble(
            ("With them: ", "warn"),
            safe(f"{one.rows:,} rows of others in {one.table} ({one.action})"),
        )
        for one in result.affected
    ]
    if result.kept:
        lines.append(safe(f"{result.kept:,} {_KEPT}."))
    return Group(_totals(gone), *lines)


def _totals(rows: "tuple[SetRow, ...] | list[SetRow]") -> RenderableType:
    counts: dict[str, Counter[RowState]] = {}
    for row in rows:
        counts.setdefault(row.table, Counter())[row.state] += 1
    states = [state for state in RowState if any(state in counted for counted in counts.values())]
    table = new_table()
    table.add_column("table", no_wrap=True)
    for state in states:
        table.add_column(state, justify="right", no_wrap=True)
    for name, counted in counts.items():
        cells = [
            Text(f"{counted[state]:,}" if counted[state] else "", _STYLES[state])
            for state in states
        ]
        table.add_row(safe(name), *cells)
    return table


def _rows(rows: "tuple[SetRow, ...]") -> RenderableType:
    table = new_table()
    table.add_column("", no_wrap=True)
    table.add_column("table", style="muted", no_wrap=True)
    table.add_column("row", overflow="fold")
    if changed := any(row.changes for row in rows):
        table.add_column("changes", overflow="fold")
    for row in rows:
        cells = [Text(row.state, _STYLES[row.state]), safe(row.table), _called(row)]
        if changed:
            cells.append(_changes(row))
        table.add_row(*cells)
    return table


def _called(row: SetRow) -> Text:
    """Return what a row is called, and its key, unless that says nothing beside it."""
    if not row.label:
        return safe(row.key, "key")
    if _UUID.search(row.key):
        return safe(row.label, "key")
    return Text.assemble(safe(row.label, "key"), " ", safe(row.key, "muted"))


def _changes(row: SetRow) -> Text:
    lines = [
        Text.assemble(
            safe(change.column), ": ", _value(change.old), (" → ", "muted"), _value(change.new)
        )
        for change in row.changes
    ]
    return Text("\n").join(lines)


def _value(value: str | None) -> Text:
    if value is None:
        return Text("null", "muted")
    return safe(value if len(value) <= _VALUE else f"{value[: _VALUE - 1]}…")
