"""Render the settings."""

from rich.console import Group, RenderableType
from rich.text import Text

from dbctl.config.results import Config
from dbctl.rendering import facts, safe
from dbctl.rendering import table as new_table


def config(result: Config) -> RenderableType:
    """Show each setting with its source, then where reads and migrations go."""
    settings = new_table()
    settings.add_column("setting", style="key", no_wrap=True)
    settings.add_column("value", overflow="fold")
    settings.add_column("source", style="muted", no_wrap=True)
    for setting in result.settings:
        value = Text("—", "muted") if setting.value is None else safe(setting.value)
        settings.add_row(setting.name, value, setting.source)
    routes = facts()
    routes.add_row("project", safe(result.project))
    for route in result.routes:
        routes.add_row(
            route.purpose,
            Text.assemble(
                safe(route.url, "key"), f" {route.kind}", (f" ({route.origin})", "muted")
            ),
        )
    if result.branch is not None:
        branch = Text.assemble(
            safe(result.branch, "key"), safe(f" ({result.branch_origin})", "muted")
        )
        routes.add_row("branch", branch)
    return Group(settings, routes)
