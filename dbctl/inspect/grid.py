"""Tables of data that fit the terminal: shortened evenly, or one block per row where too narrow."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from dbctl.inspect.lines import Align, Cell, Columns, Shortened
from dbctl.rendering import edge_excess, facts, safe, table

# What the style of all tables takes beside their cells: between two columns, and at the edges.
GAP = 2
EDGES = 2
# What a column needs to be read, one of moments to the second, and one that has to be copied: a
# UUID fits.
READABLE = 12
MOMENT = 20
IDENTIFYING = 40
# The names of a block stay whole up to this width, whatever the values need.
_NAMES = 30


@dataclass(frozen=True, slots=True)
class GridColumn:
    """A column of a grid, never squeezed below `floor`."""

    title: str
    align: Align = "left"
    floor: int = READABLE


@dataclass(frozen=True)
class Grid:
    """Rows under a header; `wrap` breaks long cells into lines instead of shortening them.

    Where the width leaves a column too little to be read, `blocks` takes over if it is given.
    """

    columns: Sequence[GridColumn]
    rows: Sequence[Sequence[Cell]]
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
        widths = shrink(natural, floors, space)
        # Some versions of Rich add to the last one what is at the edge.
        given = [*widths[:-1], *(width - edge_excess(console, options) for width in widths[-1:])]
        for at, width in enumerate(given):
            grid.add_column(
                safe(self.columns[at].title),
                justify=self.columns[at].align,
                width=width,
                no_wrap=not self.wrap,
                overflow="fold" if self.wrap else "ellipsis",
            )
        if not self.rows:
            yield grid
            return
        # Rich lays out what is round the rows, and the first of them, which the others look like.
        grid.add_row(*(_on_one_line(cell) if not self.wrap else cell for cell in self.rows[0]))
        around = console.render_lines(grid, options, pad=False)
        below = around.pop()
        for line in around:
            yield from (*line, Segment.line())
        layout = Columns(
            widths, [column.align for column in self.columns], gap=GAP, edge=1, wrap=self.wrap
        )
        for row in self.rows[1:]:
            yield from layout.lines(console, row)
        yield from (*below, Segment.line())

    def _title(self, at: int) -> str:
        return safe(self.columns[at].title).plain


@dataclass(frozen=True, slots=True)
class Blocks:
    """Rows one below the other, counted from `first`, each value beside its name."""

    names: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    first: int = 1
    wrap: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Lay the blocks out for the width there is."""
        names = [safe(name, "muted") for name in self.names]
        natural = max((name.cell_len for name in names), default=0)
        room = options.max_width - GAP
        width = min(natural, max(room // 2, min(_NAMES, room - READABLE), 1))
        rest = max(room - width, 1)
        layout = Columns((width, rest), ("left", "left"), gap=GAP, wrap=self.wrap)
        for number, row in enumerate(self.rows, start=self.first):
            yield Text(f"row {number}", style="bold")
            for name, cell in zip(names, row, strict=True):
                yield from layout.lines(console, (name, cell))
            yield Text()


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


def pairs(items: Sequence[tuple[str, Cell]], *, wrap: bool = False) -> Table:
    """Return names with their values below one another; `wrap` as in Grid."""
    grid = facts()
    names = [safe(name) for name, _ in items]
    # Rich would shorten both columns: the names stay, within reason.
    grid.columns[0].min_width = min(max((name.cell_len for name in names), default=0), _NAMES)
    for name, (_, value) in zip(names, items, strict=True):
        grid.add_row(name, value if wrap else _on_one_line(value))
    return grid


def _on_one_line(value: Cell) -> Cell:
    if isinstance(value, Shortened):
        return value
    line = value.copy()
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def section(title: str, content: RenderableType) -> Iterator[RenderableType]:
    """Yield a heading and `content`."""
    yield Text(title, style="bold")
    yield content
