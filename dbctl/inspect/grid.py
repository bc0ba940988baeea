"""Tables of data that fit the terminal: shortened evenly, or one block per row where too narrow."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from dbctl.rendering import facts, safe, table

# What the style of all tables takes beside their cells: between two columns, and at the edges.
GAP = 2
EDGES = 2
# What a column needs to be read, and one that has to be copied: a UUID fits.
READABLE = 12
IDENTIFYING = 40


@dataclass(frozen=True, slots=True)
class GridColumn:
    """A column of a grid, never squeezed below `floor`."""

    title: str
    align: Literal["left", "right"] = "left"
    floor: int = READABLE


@dataclass(frozen=True)
class Grid:
    """Rows under a header; `wrap` breaks long cells into lines instead of shortening them.

    Where the width leaves a column too little to be read, `blocks` takes over if it is given.
    """

    columns: Sequence[GridColumn]
    rows: Sequence[Sequence[Text]]
    wrap: bool = False
    blocks: Callable[[], RenderableType] | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Lay the grid out for the width there is."""
        natural = [
            max([cell_len(self._title(at)), *(row[at].cell_len for row in self.rows)])
            for at in range(len(self.columns))
        ]
        floors = [
            min(width, column.floor) for width, column in zip(natural, self.columns, strict=True)
        ]
        space = options.max_width - EDGES - GAP * (len(self.columns) - 1)
        if sum(floors) > space and self.blocks is not None:
            yield self.blocks()
            return
        grid = table()
        for at, width in enumerate(shrink(natural, floors, space)):
            grid.add_column(
                safe(self.columns[at].title),
                justify=self.columns[at].align,
                width=width,
                no_wrap=not self.wrap,
                overflow="fold" if self.wrap else "ellipsis",
            )
        for row in self.rows:
            grid.add_row(*row)
        yield grid

    def _title(self, at: int) -> str:
        return safe(self.columns[at].title).plain


def shrink(natural: Sequence[int], floors: Sequence[int], space: int) -> list[int]:
    """Return widths that sum up to `space` at most, the widest columns giving first.

    No column goes below its floor, unless the floors themselves exceed the space.
    """
    widths = list(natural)
    while sum(widths) > space:
        loose = [at for at, width in enumerate(widths) if width > floors[at]]
        if not loose:
            break
        widest = max(widths[at] for at in loose)
        top = [at for at in loose if widths[at] == widest]
        below = [widths[at] for at in loose if widths[at] < widest]
        step = max([*below, *(floors[at] for at in top)])
        share, rest = divmod(sum(widths) - space, len(top))
        for number, at in enumerate(top):
            widths[at] -= min(widest - step, share + (number < rest))
    return widths


def pairs(items: Sequence[tuple[str, Text]], *, wrap: bool = False) -> Table:
    """Return names with their values below one another; `wrap` as in Grid."""
    grid = facts()
    if not wrap:
        grid.columns[1].no_wrap = True
        grid.columns[1].overflow = "ellipsis"
    names = [safe(name) for name, _ in items]
    # Of two columns that do not wrap Rich would shorten both: the names stay, within reason.
    grid.columns[0].min_width = min(max((name.cell_len for name in names), default=0), 30)
    for name, (_, value) in zip(names, items, strict=True):
        grid.add_row(name, value)
    return grid


def section(title: str, content: RenderableType) -> Iterator[RenderableType]:
    """Yield a heading and `content`."""
    yield Text(title, style="bold")
    yield content
