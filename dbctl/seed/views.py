"""Render what seeding returns."""

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dbctl.output import safe
from dbctl.seed.results import RowState, Seeded, SeededRow

_SHOWN_TAGS = 3


def seeded(result: Seeded) -> RenderableType:
    """Show the rows of the set, each created or already there, and how many were written."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="table.header")
    table.add_column("")
    table.add_column("table", style="muted")
    table.add_column("row")
    table.add_column("status")
    table.add_column("priority")
    table.add_column("due")
    table.add_column("tags", style="muted")
    for row in result.rows:
        created = row.state is RowState.CREATED
        table.add_row(
            Text("created" if created else "there", "ok" if created else "muted"),
            safe(row.table),
            safe(row.title, "key"),
            safe(row.status or ""),
            safe(row.priority or ""),
            f"{row.due_at:%Y-%m-%d}" if row.due_at else "",
            _tags(row),
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


def _tags(row: SeededRow) -> Text:
    more = len(row.tags) - _SHOWN_TAGS
    shown = safe(", ".join(row.tags[:_SHOWN_TAGS]))
    return shown.append(f" +{more}") if more > 0 else shown
