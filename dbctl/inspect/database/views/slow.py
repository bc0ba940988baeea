"""`inspect slow` for people."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from dbctl.figures import duration, plural
from dbctl.inspect.database.results.slow import SlowResult, Statement
from dbctl.inspect.database.views.figures import missing
from dbctl.inspect.database.views.fitted import Fitted
from dbctl.inspect.grid import GridColumn
from dbctl.rendering import line, safe

_SPARE = ("temp", "read", "max", "user", "i/o", "rows", "hit")
# The share of the time of all statements from which one is worth a look, and the hits in memory
# below which it reads much from disk.
_MUCH, _FEW_HITS = 0.2, 0.9


def slow(result: SlowResult) -> RenderableType:
    """Show the statements, and since when they are summed up."""
    return Group(*_parts(result))


def _parts(result: SlowResult) -> Iterator[RenderableType]:
    if not result.statements:
        yield safe(f"no statement of {result.database} is known yet", "muted")
        return
    columns = [
        GridColumn("total", "right"),
        GridColumn("share", "right"),
        GridColumn("calls", "right"),
        GridColumn("mean", "right"),
        GridColumn("max", "right"),
        GridColumn("rows", "right"),
        GridColumn("hit", "right"),
        GridColumn("i/o", "right"),
        GridColumn("read", "right"),
        GridColumn("temp", "right"),
        GridColumn("user", floor=20),
        GridColumn("query", floor=24),
    ]
    yield Fitted(columns, [_row(s, result) for s in result.statements], spare=_SPARE)
    shown, known = len(result.statements), result.statement_count
    since = f" since {result.since:%Y-%m-%d %H:%M} UTC" if result.since else ""
    of = f"{shown:,} of " if shown < known else ""
    took = duration(result.total_ms / 1000)
    text = f"{of}{plural(known, 'statement')} by {result.sort}; all took {took}{since}"
    if result.own_count:
        text += f"; {plural(result.own_count, 'query', 'queries')} of dbctl's own left out"
    yield Text(text, "muted")
    if result.grant:
        yield Text.assemble(
            ("what other roles run is hidden; this shows it: ", "muted"),
            line(result.grant),
        )


def _row(statement: Statement, result: SlowResult) -> list[Text]:
    hits = statement.hit_ratio
    query = statement.query
    return [
        Text(duration(statement.total_ms / 1000)),
        Text(f"{statement.share:.0%}", "warn" if statement.share >= _MUCH else ""),
        Text(f"{statement.calls:,}"),
        _milliseconds(statement.mean_ms),
        _milliseconds(statement.max_ms),
        Text(f"{statement.rows:,}"),
        missing() if hits is None else Text(f"{hits:.0%}", "warn" if hits < _FEW_HITS else ""),
        Text(duration(statement.io_ms / 1000)) if result.io_timing else missing(),
        Text(f"{statement.blocks_read:,}") if statement.blocks_read else missing(),
        Text(f"{statement.temp_blocks:,}", "warn") if statement.temp_blocks else missing(),
        safe(statement.user, "muted") if statement.user else missing(),
        Text("hidden", "muted") if query is None else safe(" ".join(query.split())),
    ]


def _milliseconds(milliseconds: float) -> Text:
    if milliseconds >= 1000:
        return Text(duration(milliseconds / 1000))
    return Text(f"{milliseconds:.{2 if milliseconds < 10 else 0}f} ms")
