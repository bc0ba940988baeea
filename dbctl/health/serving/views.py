"""Render what was served."""

from rich.console import Group, RenderableType
from rich.text import Text

from dbctl.figures import duration
from dbctl.health.serving.results import Served
from dbctl.rendering import safe, table


def served(result: Served) -> RenderableType:
    """Show how often each path was answered, and how."""
    total = sum(answer.count for answer in result.answers)
    requests = "1 request" if total == 1 else f"{total:,} requests"
    headline = Text.assemble(safe(result.url, "key"), f"  {requests} in {duration(result.seconds)}")
    if not total:
        return headline
    answers = table()
    answers.add_column("path")
    answers.add_column("status", justify="right")
    answers.add_column("requests", justify="right")
    for answer in result.answers:
        answers.add_row(safe(answer.path), str(answer.status), f"{answer.count:,}")
    return Group(headline, answers)
