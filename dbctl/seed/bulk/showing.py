"""Show on stderr how far the rows are, for as long as a command writes them."""

from collections.abc import Iterator
from contextlib import contextmanager

from dbctl.output import live
from dbctl.seed.bulk.live_views import Board, line
from dbctl.seed.bulk.progress import Event, Report


@contextmanager
def shown() -> Iterator[Report]:
    """Yield what is told of each event: a board on a terminal, a line per table elsewhere."""
    board = Board()
    with live(board) as tell:

        def report(event: Event) -> None:
            board.see(event)
            if (text := line(event)) is not None:
                tell(text, False)

        yield report
