"""Render what `config --check` has seen."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dbctl.config.check.results import Checked, ConfigCheck, Verdict
from dbctl.figures import plural
from dbctl.rendering import safe

_MARKS = {
    Verdict.OK: ("✓", "ok"),
    Verdict.WARNING: ("!", "warn"),
    Verdict.OBSTACLE: ("✗", "bad"),
    Verdict.NOT_CHECKED: ("?", "muted"),
}


def config_check(result: ConfigCheck) -> RenderableType:
    """Show how many obstacles there are, then a line for each subject, with origin and remedy."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(style="key", no_wrap=True)
    grid.add_column(overflow="fold")
    for checked in result.checked:
        mark, style = _MARKS[checked.verdict]
        quiet = checked.verdict in {Verdict.OK, Verdict.NOT_CHECKED}
        message = _message(checked)
        grid.add_row(
            Text(f"  {mark}", style), safe(checked.subject), safe(message, "muted" if quiet else "")
        )
        if checked.remedy is not None:
            grid.add_row("", "", Text.assemble(("→ ", "key"), safe(checked.remedy)))
    return Group(_summary(result), grid)


def _message(checked: Checked) -> str:
    message = checked.message
    if checked.database is not None:
        message = f"{checked.database}: {message}"
    # Where the message says it as well, it is not repeated.
    if checked.origin is not None and checked.origin not in message:
        message = f"{message} (from {checked.origin})"
    return message


def _summary(result: ConfigCheck) -> Text:
    obstacles, warnings = result.of(Verdict.OBSTACLE), result.of(Verdict.WARNING)
    unknown = result.of(Verdict.NOT_CHECKED)
    counts = [plural(len(obstacles), "obstacle") if obstacles else "no obstacle was found"]
    counts += [plural(len(warnings), "warning")] if warnings else []
    counts += [f"{len(unknown)} not checked"] if unknown else []
    worst = Verdict.OBSTACLE if obstacles else Verdict.NOT_CHECKED if unknown else Verdict.OK
    mark, style = _MARKS[worst]
    name = result.database or str(result.project)
    return Text.assemble((f"{mark} ", style), safe(name, "bold"), f": {', '.join(counts)}")
