"""Render what marking a database returns."""

from rich.console import RenderableType
from rich.text import Text

from dbctl.rendering import safe
from dbctl.seed.results import Marking


def marking(result: Marking) -> RenderableType:
    """Show what holds for the database now."""
    meaning = {
        "allowed": "seeds may be written there",
        "forbidden": "seeds are never written there",
        None: "has no mark: seeds are written there only where it is on this machine",
    }[result.verdict]
    by = f" (by {result.marked_by}, {result.marked_at:%Y-%m-%d})" if result.marked_at else ""
    return Text.assemble(
        ("✓ ", "ok"),
        safe(result.database, "bold"),
        f": {meaning}" if result.verdict else f" {meaning}",
        safe(by, "muted"),
        "" if result.changed else "; it was so already",
    )
