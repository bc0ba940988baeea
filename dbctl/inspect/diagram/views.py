"""Diagrams as text, and what has changed since one was written."""

from collections.abc import Callable

from rich.console import RenderableType
from rich.text import Text

from dbctl.inspect.diagram.results import CheckResult, DiagramResult
from dbctl.rendering import Verbatim, safe, visible


def drawing(draw: Callable[[DiagramResult], str]) -> Callable[[DiagramResult], RenderableType]:
    """Return the view that shows what `draw` makes of a diagram, in a pipe to the byte."""

    def view(result: DiagramResult) -> RenderableType:
        text = draw(result)
        return Verbatim(text, Text(visible(text).rstrip("\n"), no_wrap=True, overflow="ignore"))

    return view


def check(result: CheckResult) -> RenderableType:
    """Show whether a file is up to date, and what is not."""
    if result.matches:
        return safe(f"{result.file} shows the schema as it is", "ok")
    lines = [Text(visible(line), style=_style(line)) for line in result.diff.splitlines()]
    return Verbatim(result.diff, Text("\n", no_wrap=True, overflow="ignore").join(lines))


def _style(line: str) -> str:
    if line.startswith(("---", "+++")):
        return "bold"
    return {"+": "ok", "-": "bad", "@": "key"}.get(line[:1], "muted")
