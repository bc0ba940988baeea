"""Show rows while they are written: a bar per table on a terminal, a line for each elsewhere."""

import time
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from dbctl.rendering import safe
from dbctl.seed.bulk.progress import Advanced, Began, Event, Waiting, Wrote

_BAR_WIDTH = 24
# Tables above which those that are done make room for the others.
_MOST = 12


@dataclass(slots=True)
class _Bar:
    table: str
    total: int | None
    since: float
    rows: int = 0
    share: float | None = None
    seconds: float | None = None

    @property
    def is_done(self) -> bool:
        return self.seconds is not None

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.since if self.seconds is None else self.seconds


class Board:
    """What is to be seen of the tables, drawn anew whenever it is asked for."""

    def __init__(self) -> None:
        self._spinner = Spinner("dots", style="key")
        self._bars: dict[str, _Bar] = {}
        self._waiting: str | None = "looking at the database"

    def see(self, event: Event) -> None:
        """Take in what has happened."""
        match event:
            case Began(table, rows):
                self._waiting = None
                self._bars[table] = _Bar(table, rows, time.monotonic())
            case Advanced(table, rows, share):
                bar = self._bars[table]
                bar.rows, bar.share = rows, share
            case Wrote(table, rows, seconds):
                bar = self._bars[table]
                bar.rows, bar.share, bar.seconds = rows, 1.0, seconds
            case Waiting(what):
                self._waiting = what

    def __rich__(self) -> RenderableType:
        """Draw it."""
        bars = list(self._bars.values())
        done = [bar for bar in bars if bar.is_done]
        surplus = max(min(len(bars) - _MOST, len(done)), 0)
        hidden = done[:surplus]
        grid = Table.grid(padding=(0, 1, 0, 0))
        for style in ("key", "", "", "", "muted", "muted"):
            grid.add_column(no_wrap=True, style=style, justify="right" if not style else "left")
        for bar in bars:
            if bar not in hidden:
                grid.add_row(*_cells(bar))
        parts: list[RenderableType] = []
        if hidden:
            rows = sum(bar.rows for bar in hidden)
            parts.append(Text(f"{len(hidden)} tables done, {rows:,} rows", "muted"))
        parts.append(grid)
        if self._waiting is not None:
            self._spinner.update(text=safe(self._waiting, "muted"))
            parts.append(self._spinner)
        return Group(*parts)


def _cells(bar: _Bar) -> list[RenderableType]:
    rate = bar.rows / bar.elapsed if bar.elapsed > 0 else 0.0
    share = bar.share
    progress: RenderableType = Text("")
    if share is not None:
        progress = ProgressBar(total=1.0, completed=min(share, 1.0), width=_BAR_WIDTH)
    left = ""
    if bar.is_done:
        left = f"in {duration(bar.elapsed)}"
    elif share:
        left = f"{duration(bar.elapsed * (1 - share) / share)} left"
    return [
        safe(bar.table),
        progress,
        Text(f"{100 * share:.0f} %" if share is not None else ""),
        Text(f"{bar.rows:,} rows"),
        Text(f"{rate:,.0f} rows/s" if rate else ""),
        Text(left),
    ]


def duration(seconds: float) -> str:
    """Write a time the way people do: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def line(event: Event) -> str | None:
    """Say in a line what has happened; None where that is worth none."""
    match event:
        case Wrote(table, rows, seconds):
            rate = f", {rows / seconds:,.0f} rows/s" if seconds > 0 and rows else ""
            return f"{table}: {rows:,} rows in {duration(seconds)}{rate}"
        case Waiting() | Began() | Advanced():
            return None
