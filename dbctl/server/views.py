"""Render what the server operations return."""

from rich.console import Group, RenderableType
from rich.filesize import decimal
from rich.text import Text

from dbctl.rendering import facts, line, safe
from dbctl.server.results import Server, ServerChange, ServerUrl

_STATES = {
    "running": ("✓", "ok", "is running"),
    "stopped": ("·", "muted", "is stopped; the next command that needs it starts it"),
    "absent": ("·", "muted", "was not created yet; the first command that needs it does"),
}


def server(result: Server) -> RenderableType:
    """Show the state of the server, how to reach it, and where its files are."""
    mark, style, sentence = _STATES[result.state]
    grid = facts()
    grid.add_row("project", safe(result.project))
    grid.add_row("data", safe(result.data_dir))
    grid.add_row("logs", safe(result.log_dir))
    if result.state != "absent":
        grid.add_row("size", decimal(result.size_bytes))
    grid.add_row("binaries", safe(f"{result.binaries} ({result.binaries_source})"))
    for data_dir in result.other_clusters:
        grid.add_row("kept, not used", safe(data_dir))
    headline = Text.assemble((f"{mark} ", style), (f"PostgreSQL {result.version}", "bold"))
    headline.append(f" {sentence}")
    if not result.url:
        return Group(headline, grid)
    # Beside a label it would not fit on a line of 80, to be copied whole.
    return Group(headline, safe(result.url, "key"), grid)


def url(result: ServerUrl) -> RenderableType:
    """Show the bare connection string, to be used in `$(…)`."""
    return line(result.url)


def change(result: ServerChange) -> RenderableType:
    """Say what became of the server."""
    if not result.changed:
        return Text(f"Nothing to do: there is none that could be {result.action}.", "muted")
    return Text.assemble(("✓ ", "ok"), f"{result.action}: ", safe(result.data_dir))
