"""The rows that foreign keys point at: made in this run, or in the database already."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

# So many keys are kept at most; more are computed again whenever they are needed.
KEPT = 1 << 16


class Parents(Protocol):
    """Keys to point at, by their place from 0; `is_fresh` tells that this run makes them."""

    is_fresh: bool

    @property
    def count(self) -> int:
        """How many there are."""
        ...

    def keys(self, places: Sequence[int]) -> list[Sequence[object]]:
        """Return the columns of the keys at these places."""
        ...


class Known:
    """Keys that were read from the database."""

    is_fresh = False

    def __init__(self, rows: Sequence[Sequence[object]]) -> None:
        self.count = len(rows)
        self._columns: list[Sequence[object]] = [list(column) for column in zip(*rows, strict=True)]

    def keys(self, places: Sequence[int]) -> list[Sequence[object]]:
        """Return the columns of the keys at these places."""
        return [[column[place] for place in places] for column in self._columns]


class Made:
    """Keys of rows that this run makes: functions of their numbers, from `start` on."""

    is_fresh = True

    def __init__(
        self,
        compute: Callable[[Sequence[int]], list[Sequence[object]]],
        start: int,
        count: int,
    ) -> None:
        self._compute = compute
        self.start = start
        self.count = count
        self._kept: list[Sequence[object]] | None = None

    def keys(self, places: Sequence[int]) -> list[Sequence[object]]:
        """Return the columns of the keys at these places."""
        if self.count > KEPT:
            start = self.start
            return self._compute([start + place for place in places])
        if self._kept is None:
            self._kept = self._compute(range(self.start, self.start + self.count))
        return [[column[place] for place in places] for column in self._kept]


def rows_of(parents: Parents) -> list[tuple[object, ...]]:
    """Return the first of the keys, as rows."""
    places = range(min(parents.count, KEPT))
    return list(zip(*parents.keys(places), strict=True))
