"""`inspect pool` for people."""

from rich.console import Group, RenderableType
from rich.text import Text

from dbctl.inspect.database.results.pool import PoolResult
from dbctl.inspect.grid import pairs, section
from dbctl.rendering import safe


def pool(result: PoolResult) -> RenderableType:
    """Show where the connection leads, and how full the pool and the server are."""
    server, mine, all_of_them = result.server, result.pool, result.connections
    free = max(all_of_them.maximum - all_of_them.used - all_of_them.reserved, 0)
    told = {
        "Server": [
            ("host", safe(server.host)),
            ("database", safe(server.database)),
            ("user", safe(server.user)),
            ("version", safe(server.version)),
            ("TLS", safe(server.tls) if server.tls else Text("off", style="muted")),
            ("endpoint", Text("pooled" if server.pooled else "direct")),
        ],
        "Pool of this process": [
            ("size", Text(f"{mine.size}, and up to {mine.max_overflow} more")),
            ("in use", Text(f"{mine.checked_out}")),
            ("idle", Text(f"{mine.checked_in}")),
            ("overflow", Text(f"{mine.overflow}")),
            ("recycle", Text("never" if mine.recycle < 0 else f"after {mine.recycle} s")),
        ],
        "Connections of the server": [
            ("used", Text(f"{all_of_them.used} of {all_of_them.maximum}")),
            ("reserved", Text(f"{all_of_them.reserved}")),
            ("free", Text(f"{free}", style="" if free else "bad")),
        ],
    }
    parts = [part for title in told for part in (Text(), *section(title, pairs(told[title])))]
    return Group(*parts[1:])
