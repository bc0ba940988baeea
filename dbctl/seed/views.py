"""Render what seeding returns."""

from rich.console import Group, RenderableType
from rich.text import Text

from dbctl.rendering import safe
from dbctl.rendering import table as new_table
from dbctl.seed.results import RowState, Seeded


def seeded(result: Seeded) -> RenderableType:
    """Show the rows of the set, each created or already there, and how many were written."""
    table = new_table()
    table.add_column("", no_wrap=True)
    table.add_column("table", style="muted", no_wrap=True)
    table.add_column("row")
    table.add_column("status", no_wrap=True)
    table.add_column("priority", no_wrap=True)
    table.add_column("due", no_wrap=True)
    for row in result.rows:
        created = row.state is RowState.CREATED
        table.add_row(
            Text("created" if created else "there", "ok" if created else "muted"),
            safe(row.table),
            safe(row.title, "key"),
            safe(row.status or ""),
            safe(row.priority or ""),
            f"{row.due_at:%Y-%m-%d}" if row.due_at else "",
        )
    written = sum(row.state is RowState.CREATED for row in result.rows)
    return Group(
        table,
        Text.assemble(
            ("✓ ", "ok"),
            safe(result.database, "bold"),
            f" has the {result.seed_set} set: {written} created, "
            f"{len(result.rows) - written} already there",
        ),
    )
