"""Render what `dbctl seed generate` returns."""

from rich.console import Group, RenderableType
from rich.text import Text

from dbctl.rendering import safe
from dbctl.rendering import table as new_table
from dbctl.seed.generate.results import Generated, GeneratedTable


def generated(result: Generated) -> RenderableType:
    """Show the tables that were filled, or with `--plan` how they would be."""
    if result.plan:
        return _plan(result)
    table = new_table()
    table.add_column("table", no_wrap=True)
    for name in ("rows", "seconds", "rows/s"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in result.tables:
        seconds = one.seconds or 0.0
        table.add_row(
            safe(one.table, "key"),
            f"{one.rows:,}",
            f"{seconds:.1f}",
            f"{one.rows / seconds:,.0f}" if seconds > 0 else "",
        )
    rows = sum(one.rows for one in result.tables)
    parts: list[RenderableType] = [
        table,
        Text.assemble(
            ("✓ ", "ok"),
            f"{rows:,} rows in ",
            safe(result.database, "bold"),
            f", seed {result.seed}",
        ),
    ]
    parts += [
        Text.assemble("  ", safe(one.table, "muted"), ": ", safe(note))
        for one in result.tables
        for note in one.notes
    ]
    parts += [Text.assemble("  ", safe(notice, "warn")) for notice in result.notices]
    return Group(*parts)


def _plan(result: Generated) -> RenderableType:
    parts: list[RenderableType] = []
    for place, one in enumerate(result.tables, start=1):
        parts += [_headline(place, one), _columns(one)]
        if one.checks:
            parts.append(_checks(one))
        parts += [Text.assemble("  ", safe(note, "warn")) for note in one.notes]
        parts.append(Text(""))
    parts += [Text.assemble("  ", safe(notice, "warn")) for notice in result.notices]
    parts.append(
        Text.assemble(
            "nothing was written to ",
            safe(result.database, "bold"),
            f" (seed {result.seed}, locale {result.locale}, now {result.now})",
        )
    )
    return Group(*parts)


def _headline(place: int, one: GeneratedTable) -> Text:
    return Text.assemble(
        (f"{place}. ", "muted"),
        safe(one.table, "bold"),
        f": {one.rows:,} rows",
        f", from number {one.start:,} on" if one.start else "",
    )


def _columns(one: GeneratedTable) -> RenderableType:
    table = new_table()
    table.add_column("column", no_wrap=True)
    table.add_column("type", style="muted")
    table.add_column("values")
    for column in one.columns:
        server = column.by == "server"
        rule = safe(f"server: {column.rule}", "muted") if server else safe(column.rule)
        table.add_row(safe(column.name, "key"), safe(column.type), rule)
    return table


def _checks(one: GeneratedTable) -> RenderableType:
    table = new_table()
    table.add_column("constraint", no_wrap=True)
    table.add_column("", style="muted")
    table.add_column("satisfied")
    for check in one.checks:
        table.add_row(safe(check.name, "key"), safe(check.expression), safe(check.how))
    return table
