"""Lines of cells in columns of known widths: Rich's tables take ten times as long for the rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.segment import Segment
from rich.text import Text

type Align = Literal["left", "right"]

# Less of a text than this says nothing beside its length.
_WORTH_CUTTING = 8


@dataclass(frozen=True, slots=True)
class Shortened:
    """A text on one line that ends with its length, in characters, where it does not fit."""

    text: Text
    length: int

    @property
    def cell_len(self) -> int:
        """The width of the whole text."""
        return self.text.cell_len

    def fitted(self, width: int) -> Text:
        """Return the text, cut to a width."""
        suffix = f"… {self.length:,} chars"
        left = width - len(suffix)
        if self.cell_len <= width or left < _WORTH_CUTTING:
            return _truncated(self.text, width)
        cut = self.text.copy()
        cut.truncate(left, overflow="crop")
        return cut.append(suffix, style="muted")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Cut the text to the width there is."""
        yield self.fitted(options.max_width)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Take what the text takes, and less where there is less."""
        return Measurement(1, max(self.cell_len, 1))


type Cell = Text | Shortened


@dataclass(frozen=True, slots=True)
class Columns:
    """Lay out rows of cells: each column has its width, `gap` cells of space between two.

    With `wrap` a long cell takes several lines, instead of being shortened.
    """

    widths: Sequence[int]
    aligns: Sequence[Align]
    gap: int
    edge: int = 0
    wrap: bool = False

    def lines(self, console: Console, row: Sequence[Cell]) -> Iterator[Segment]:
        """Yield a row as segments, a newline after each of its lines."""
        if not self.wrap:
            cells = [_fitted(cell, width) for cell, width in zip(row, self.widths, strict=True)]
            yield from self._line(console, cells)
            return
        folded = [
            _folded(console, cell, width) for cell, width in zip(row, self.widths, strict=True)
        ]
        for line in zip_longest(*folded, fillvalue=_NOTHING):
            yield from self._line(console, line)

    def _line(self, console: Console, cells: Sequence[Text]) -> Iterator[Segment]:
        """Yield a line; what has no style of its own is one segment with its neighbours."""
        pending = " " * self.edge
        last = len(cells) - 1
        for at, (cell, width, align) in enumerate(
            zip(cells, self.widths, self.aligns, strict=True)
        ):
            blanks = " " * (width - cell.cell_len)
            if align == "right":
                pending += blanks
            if cell.style or cell.spans:
                if pending:
                    yield Segment(pending)
                base = console.get_style(cell.style) if cell.style else None
                yield from Segment.apply_style(cell.render(console), base)
                pending = ""
            else:
                pending += cell.plain
            if align == "left" and at < last:
                pending += blanks
            if at < last:
                pending += " " * self.gap
        yield Segment(f"{pending}\n")


_NOTHING = Text()


def _fitted(cell: Cell, width: int) -> Text:
    if isinstance(cell, Shortened):
        return cell.text if cell.cell_len <= width else cell.fitted(width)
    return cell if cell.cell_len <= width else _truncated(cell, width)


def _folded(console: Console, cell: Cell, width: int) -> Sequence[Text]:
    text = cell.text if isinstance(cell, Shortened) else cell
    if text.cell_len <= width and "\n" not in text.plain:
        return (text,)
    lines = list(text.wrap(console, width, overflow="fold"))
    for line in lines:
        line.rstrip()
    return lines


def _truncated(text: Text, width: int) -> Text:
    cut = text.copy()
    cut.truncate(width, overflow="ellipsis")
    return cut
