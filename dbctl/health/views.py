"""Render what `health` returns."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dbctl.health.results import CheckResult, HealthReport, Status
from dbctl.rendering import safe

_MARKS = {
    Status.PASS: ("✓", "ok"),
    Status.WARN: ("!", "warn"),
    Status.FAIL: ("✗", "bad"),
    Status.UNKNOWN: ("?", "muted"),
}
_VERDICTS = {
    Status.PASS: "is healthy",
    Status.WARN: "is healthy, with warnings",
    Status.FAIL: "is not healthy",
}


def health(report: HealthReport) -> RenderableType:
    """Show the verdict, then each check in a line, and below it what to do."""
    mark, style = _MARKS[report.status]
    verdict = "cannot be reached" if report.error else _VERDICTS[report.status]
    return Group(
        Text.assemble((f"{mark} ", style), safe(report.database, "bold"), f" {verdict}"),
        _checks(report),
    )


def _checks(report: HealthReport) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(style="key", no_wrap=True)
    grid.add_column(overflow="fold")
    for check in report.checks:
        mark, style = _MARKS[check.status]
        grid.add_row(
            Text(f"  {mark}", style),
            safe(check.name),
            safe(check.summary, "muted" if check.status is Status.UNKNOWN else ""),
        )
        if check.remedy and not _is_told(check, report):
            grid.add_row("", "", Text.assemble(("→ ", "key"), safe(check.remedy)))
    return grid


def _is_told(check: CheckResult, report: HealthReport) -> bool:
    """Tell whether the remedy is the hint that is printed with the error of the report."""
    return report.error is not None and check.remedy == report.error.hint
