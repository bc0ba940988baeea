"""How far the rows of each table are, as they are written."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

# Seconds between two reports of one table, which nobody could tell apart any more.
_INTERVAL = 0.1


@dataclass(frozen=True, slots=True)
class Began:
    """The first rows of `table` are about to be sent: `rows` of them, or None if nobody knows."""

    table: str
    rows: int | None


@dataclass(frozen=True, slots=True)
class Advanced:
    """So many rows of `table` were sent; `share` is how much of all that is, None if unknown."""

    table: str
    rows: int
    share: float | None


@dataclass(frozen=True, slots=True)
class Wrote:
    """All rows of `table` are written, but not yet committed."""

    table: str
    rows: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """The server is busy with something that has no measure, put into words."""

    what: str


type Event = Began | Advanced | Wrote | Waiting
type Report = Callable[[Event], None]


@contextmanager
def counted(
    report: Report,
    table: str,
    *,
    rows: int | None = None,
    share: Callable[[], float | None] | None = None,
) -> Iterator[Callable[[int], None]]:
    """Report of the rows of `table` while the body writes them; yield what is told their number.

    `rows` is how many there will be, where that is known; else `share` may say how much is done, as
    from 0 to 1, from how far a file is read.
    """
    started = reported = time.monotonic()
    written = 0

    def on_rows(number: int) -> None:
        nonlocal written, reported
        written, now = number, time.monotonic()
        if now - reported >= _INTERVAL:
            reported = now
            done = number / rows if rows else share() if share is not None else None
            report(Advanced(table, number, done))

    report(Began(table, rows))
    yield on_rows
    report(Wrote(table, written, time.monotonic() - started))
