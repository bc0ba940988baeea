"""Render the settings."""

from rich.console import Group, RenderableType
from rich.text import Text

from dbctl.config.results import Config, Part
from dbctl.rendering import facts, safe
from dbctl.rendering import table as new_table


def config(result: Config) -> RenderableType:
    """Show each setting with its source, where reads and migrations go, and the project's parts."""
    settings = new_table()
    settings.add_column("setting", style="key", no_wrap=True)
    settings.add_column("value", overflow="fold")
    settings.add_column("source", style="muted", no_wrap=True)
    for setting in result.settings:
        value = Text("—", "muted") if setting.value is None else safe(setting.value)
        settings.add_row(setting.name, value, setting.source)
    rows = facts()
    rows.add_row("project", safe(result.project))
    for route in result.routes:
        rows.add_row(
            route.purpose,
            Text.assemble(
                safe(route.url, "key"), f" {route.kind}", (f" ({route.origin})", "muted")
            ),
        )
    if result.branch is not None:
        branch = Text.assemble(
            safe(result.branch, "key"), safe(f" ({result.branch_origin})", "muted")
        )
        rows.add_row("branch", branch)
    before = ""
    for part in result.parts:
        rows.add_row(safe(part.name if part.name != before else ""), _part(part))
        before = part.name
    return Group(settings, rows)


def _part(part: Part) -> Text:
    shown = Text()
    if part.text is not None:
        shown.append_text(safe(part.text))
    if part.problem is not None:
        shown.append_text(safe(f"{' ' if part.text else ''}{part.problem}", "warn"))
    return shown.append_text(safe(f" ({part.source})", "muted"))
