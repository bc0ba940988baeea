"""A grid that leaves out its least important columns where the terminal is narrow."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from dbctl.inspect.grid import EDGES, GAP, Grid, GridColumn


@dataclass(frozen=True, slots=True)
class Fitted:
    """Rows under a header; `spare` names the columns that may go, the first one first.

    A spare column goes while the others cannot have their floors; one that is empty goes always.
    """

    columns: Sequence[GridColumn]
    rows: Sequence[Sequence[Text]]
    spare: Sequence[str] = ()
    wrap: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Lay the grid out for the width there is."""
        kept = [
            at
            for at, column in enumerate(self.columns)
            if column.title not in self.spare or any(row[at].plain.strip("— ") for row in self.rows)
        ]
        for title in self.spare:
            if self._needed(kept) <= options.max_width:
                break
            kept = [at for at in kept if self.columns[at].title != title]
        yield Grid(
            [self.columns[at] for at in kept],
            [[row[at] for at in kept] for row in self.rows],
            wrap=self.wrap,
        )

    def _needed(self, kept: Sequence[int]) -> int:
        widths = (
            min(
                max([len(self.columns[at].title), *(row[at].cell_len for row in self.rows)]),
                self.columns[at].floor,
            )
            for at in kept
        )
        return sum(widths) + EDGES + GAP * (len(kept) - 1)
