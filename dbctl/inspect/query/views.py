"""The rows of a query as a table for people."""

from rich.console import Group, RenderableType
from rich.text import Text

from dbctl.inspect.data.views import footer, masked_footer, table_of
from dbctl.inspect.query.results import QueryResult
from dbctl.rendering import safe


def query(result: QueryResult, *, full: bool = False) -> RenderableType:
    """Show the rows of a query; a plan as the lines that it is. `full` shortens no value."""
    if result.is_plan:
        return Group(*(_line(str(value)) for row in result.rows for value in row.values()))
    below = [safe(footer(result), "muted"), *masked_footer(result.headers)]
    if not (result.headers and result.rows):
        return Group(*below)
    return Group(table_of(result, full=full), *below)


def _line(text: str) -> Text:
    """Return a line whose indentation holds where it is too long for the terminal."""
    line = safe(text)
    line.no_wrap, line.overflow = True, "ignore"
    return line
