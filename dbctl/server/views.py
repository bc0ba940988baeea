"""Render what the server operations return."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.filesize import decimal
from rich.text import Text

from dbctl.figures import plural
from dbctl.rendering import facts, line, safe
from dbctl.rendering import table as new_table
from dbctl.server.results import (
    Pruned,
    Server,
    ServerChange,
    ServerList,
    ServerUrl,
    StoredServer,
)

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
    grid.add_row(
        "branch",
        Text.assemble(safe(result.branch, "key"), safe(f" ({result.branch_origin})", "muted")),
    )
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


def listing(result: ServerList) -> RenderableType:
    """Show the clusters of all projects: whose, how large, and when they were last used."""
    if not result.servers:
        return safe(f"no embedded server has data below {result.state_dir}", "muted")
    grid = _clusters(result.servers)
    count = plural(len(result.servers), "cluster")
    parts: list[RenderableType] = [
        grid,
        safe(f"{count}, {decimal(result.size_bytes)} below {result.state_dir}", "muted"),
    ]
    parts += [_copies(server) for server in result.servers if len(server.branches) > 1]
    parts += [_snapshots(server) for server in result.servers if server.snapshots]
    if gone := sum(server.project_exists is False for server in result.servers):
        advice = f"{plural(gone, 'project')} moved or gone: `dbctl server prune` removes the data"
        parts.append(safe(advice, "warn"))
    return Group(*parts)


def _copies(server: StoredServer) -> RenderableType:
    return safe(f"branches of {server.project}: {', '.join(server.branches)}", "muted")


def _snapshots(server: StoredServer) -> RenderableType:
    return safe(f"snapshots of {server.project}: {', '.join(server.snapshots)}", "muted")


def pruned(result: Pruned) -> RenderableType:
    """Say what was removed."""
    if not result.servers:
        return Text("Nothing to do: no cluster is to be removed.", "muted")
    count = plural(len(result.servers), "cluster")
    return Group(
        _clusters(result.servers),
        Text.assemble(("✓ ", "ok"), f"removed {count}: {decimal(result.size_bytes)}"),
    )


def _clusters(servers: Sequence[StoredServer]) -> RenderableType:
    grid = new_table()
    grid.add_column("project", overflow="fold", style="key")
    grid.add_column("state", no_wrap=True)
    grid.add_column("version", justify="right", no_wrap=True)
    grid.add_column("size", justify="right", no_wrap=True)
    grid.add_column("last used", no_wrap=True)
    grid.add_column("data", overflow="fold")
    for one in servers:
        project = safe(one.project) if one.project else Text("not known", "muted")
        if one.project_exists is False:
            project.append(" (moved or gone)", "warn")
        used = one.last_used
        grid.add_row(
            project,
            Text(one.state, "ok" if one.state == "running" else "muted"),
            str(one.major),
            decimal(one.size_bytes),
            f"{used:%Y-%m-%d %H:%M} UTC" if used else Text("not known", "muted"),
            safe(one.data_dir),
        )
    return grid
