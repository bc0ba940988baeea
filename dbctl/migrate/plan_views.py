"""Render plans and what the linter found."""

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.syntax import Syntax
from rich.text import Text

from dbctl.migrate.plan_results import Downgrade, Finding, LintReport, Plan
from dbctl.migrate.severity import Severity
from dbctl.rendering import Verbatim, facts, safe, visible

_STYLES = {Severity.NOTE: "muted", Severity.WARNING: "warn", Severity.ERROR: "bad"}


def plan(result: Plan) -> RenderableType:
    """Show the script; psql gets it to the byte, a terminal in its own colours."""
    return Verbatim(result.sql, _coloured(result.sql))


def downgrade(result: Downgrade) -> RenderableType:
    """Show what a downgrade would run, and what would be lost with it."""
    parts: list[RenderableType] = [_coloured(result.plan.sql), Text()]
    if result.losses:
        grid = facts()
        for loss in result.losses:
            what = f"{loss.table}.{loss.column}" if loss.column else loss.table
            rows = "rows unknown" if loss.rows is None else f"about {loss.rows:,} rows"
            grid.add_row("column" if loss.column else "table", safe(f"{what}  {rows}", "bad"))
        parts += [Text("What is lost:", "bold"), grid]
    if result.untold:
        revisions = ", ".join(result.untold)
        parts.append(
            Text.assemble(("What else is lost cannot be told of ", "bad"), safe(revisions))
        )
    elif not result.losses:
        parts.append(Text("No table and no column goes with it.", "muted"))
    return Group(*parts)


def _coloured(sql: str) -> RenderableType:
    return Syntax(
        visible(sql).rstrip(),
        "postgresql",
        theme="ansi_dark",
        background_color="default",
        word_wrap=True,
    )


def lint(result: LintReport) -> RenderableType:
    """Show each finding with its place and the way out, then what was ignored or left out."""
    parts: list[RenderableType] = []
    for finding in result.findings:
        parts += [_finding(finding), Text()]
    for ignored in result.ignored:
        parts.append(
            Text.assemble(
                _place(ignored.file, ignored.line),
                (f" {ignored.rule} is ignored: ", "muted"),
                safe(ignored.reason, "muted"),
            )
        )
    for skipped in result.skipped:
        parts.append(
            Text.assemble(
                _place(skipped.file, skipped.line),
                (" was not linted: ", "warn"),
                safe(skipped.reason),
            )
        )
    return Group(*parts, _verdict(result))


def _finding(finding: Finding) -> RenderableType:
    heading = Text.assemble(
        _place(finding.file, finding.line),
        (f" {finding.level} ", _STYLES[finding.level]),
        safe(finding.rule, "bold"),
    )
    said = [safe(finding.message)]
    if finding.sql:
        said.insert(0, safe(finding.sql, "muted"))
    if finding.help:
        said.append(Text.assemble(("→ ", "key"), safe(finding.help)))
    return Group(heading, *(Padding(each, (0, 0, 0, 2)) for each in said))


def _place(file: str, line: int | None) -> Text:
    return safe(file if line is None else f"{file}:{line}", "key")


def _verdict(result: LintReport) -> Text:
    mark, style = ("✓", "ok") if result.passed else ("✗", "bad")
    if result.passed and result.findings:
        mark, style = "!", "warn"
    said = [
        f"{_count(result.revisions, 'revision')} linted"
        if not result.skipped
        else f"{result.revisions - len(result.skipped)} of "
        f"{_count(result.revisions, 'revision')} linted",
        f"{_count(len(result.findings), 'finding')}" if result.findings else "no finding",
    ]
    if result.ignored:
        said.append(f"{len(result.ignored)} ignored")
    return Text.assemble((f"{mark} ", style), ", ".join(said))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
