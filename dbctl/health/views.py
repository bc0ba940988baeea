"""Render what `health` returns."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dbctl.health.results import CheckResult, HealthReport, Status
from dbctl.health.wording import evidence_lines
from dbctl.rendering import Verbatim, safe, visible

MARKS = {
    Status.PASS: ("✓", "ok"),
    Status.WARN: ("!", "warn"),
    Status.FAIL: ("✗", "bad"),
    Status.UNKNOWN: ("?", "muted"),
}
_VERDICTS = {
    Status.PASS: "is healthy",
    Status.WARN: "is healthy, with warnings",
    Status.FAIL: "is not healthy",
    Status.UNKNOWN: "is healthy, as far as could be seen",
}
# The JSON has more of it.
_EVIDENCE = 3


def health(report: HealthReport) -> RenderableType:
    """Show the verdict, then each check in a line, and below it why and what to do."""
    return Group(verdict(report), _checks(report))


def verdict(report: HealthReport) -> Text:
    """Say in a line whether the database is fit to serve."""
    mark, style = MARKS[report.status]
    said = "cannot be reached" if report.error else _VERDICTS[report.status]
    return Text.assemble((f"{mark} ", style), safe(report.database, "bold"), f" {said}")


def text(written: str) -> RenderableType:
    """Show the text of another format, in a pipe to the byte."""
    return Verbatim(written, Text(visible(written).rstrip("\n"), no_wrap=True, overflow="ignore"))


def _checks(report: HealthReport) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(style="key", no_wrap=True)
    grid.add_column(overflow="fold")
    # Beside what is wrong, what is right is of less interest.
    is_wrong = report.status in {Status.WARN, Status.FAIL}
    quiet = {Status.UNKNOWN, Status.PASS} if is_wrong else {Status.UNKNOWN}
    for check in report.checks:
        mark, style = MARKS[check.status]
        grid.add_row(
            Text(f"  {mark}", style),
            safe(check.name),
            safe(check.summary, "muted" if check.status in quiet else ""),
        )
        if check.status is Status.PASS:
            continue
        for line in evidence_lines(check, _EVIDENCE):
            grid.add_row("", "", Text.assemble(("• ", "muted"), safe(line, "muted")))
        if check.remedy and not _is_told(check, report):
            grid.add_row("", "", Text.assemble(("→ ", "key"), safe(check.remedy)))
    return grid


def _is_told(check: CheckResult, report: HealthReport) -> bool:
    """Tell whether the remedy is the hint that is printed with the error of the report."""
    return report.error is not None and check.remedy == report.error.hint
