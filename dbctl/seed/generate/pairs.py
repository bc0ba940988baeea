"""Composite keys: combinations of parents, values and numbers, each at most once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from math import prod
from typing import Protocol

from dbctl.seed.generate.parents import Parents
from dbctl.seed.generate.randomness import Batch, Permutation, key, mix


class Part(Protocol):
    """One side of a composite key: so many values, each of one column or several."""

    columns: tuple[str, ...]
    count: int | None

    def values(self, places: Sequence[int]) -> list[Sequence[object]]:
        """Return the columns of the values at these places."""
        ...


class ParentPart:
    """The parents of a foreign key as a part of a composite key."""

    def __init__(self, columns: Sequence[str], parents: Parents) -> None:
        self.columns = tuple(columns)
        self.count: int | None = parents.count
        self.values = parents.keys


class JointPart:
    """The parents of several foreign keys that share columns: all combinations that fit.

    `groups` have, for each value of what is shared, the choices of each foreign key, as rows. The
    columns of a row of the first one come first, those of the others without what is shared follow.
    """

    def __init__(
        self, columns: Sequence[str], groups: Sequence[Sequence[Sequence[tuple[object, ...]]]]
    ) -> None:
        self.columns = tuple(columns)
        self._groups = groups
        self._ends = list(accumulate(prod(map(len, group)) for group in groups))
        self.count: int | None = self._ends[-1] if groups else 0

    def values(self, places: Sequence[int]) -> list[Sequence[object]]:
        """Return the columns of the combinations at these places."""
        return list(zip(*map(self._at, places), strict=True))

    def _at(self, place: int) -> tuple[object, ...]:
        which = bisect_right(self._ends, place)
        left = place - (self._ends[which - 1] if which else 0)
        row: tuple[object, ...] = ()
        for choices in self._groups[which]:
            left, chosen = divmod(left, len(choices))
            row += choices[chosen]
        return row


class ValuePart:
    """A few values as a part of a composite key."""

    def __init__(self, column: str, values: Sequence[object]) -> None:
        self.columns: tuple[str, ...] = (column,)
        self.count: int | None = len(values)
        self._values = values

    def values(self, places: Sequence[int]) -> list[Sequence[object]]:
        """Return the values at these places."""
        return [[self._values[place] for place in places]]


class CountPart:
    """The numbers from 1 on as a part of a composite key."""

    def __init__(self, column: str, first: int, count: int) -> None:
        self.columns: tuple[str, ...] = (column,)
        self.count: int | None = count
        self.first = first

    def values(self, places: Sequence[int]) -> list[Sequence[object]]:
        """Return the numbers at these places."""
        return [[self.first + place for place in places]]


class Pairs:
    """A composite key of two parts or more: every combination at most once.

    The rows come in layers. Layer k has one row of each of the head of the first part, and the
    heads get shorter with the square of k: some of it is in many rows, most of it in few. What the
    heads leave out follows. `share` is the length of the first head in thousandths of the part.
    """

    needs: tuple[str, ...] = ()
    fixed = True

    def __init__(
        self,
        parts: Sequence[Part],
        rows: int,
        start: int,
        share: int,
        summary: str,
        *salt: object,
    ) -> None:
        sizes = [part.count or 1 for part in parts]
        self.columns = tuple(column for part in parts for column in part.columns)
        self.summary = summary
        self._parts = parts
        self._sizes = sizes
        self._start = start
        self._salt = key(*salt)
        self._first = sizes[0]
        self._rest = 1
        for size in sizes[1:]:
            self._rest *= size
        self.capacity = self._first * self._rest
        self._order = Permutation(max(self._first, 1), *salt)
        self._scatters = all(not isinstance(part, CountPart) for part in parts)
        # Where each layer ends: those of the first kind, then those of what they left out.
        self._ends: list[tuple[int, int, int]] = []
        total = 0
        for leave in (False, True):
            for layer in range(self._rest):
                head = min(self._first, self._first * share // (1000 * (layer + 1) ** 2))
                if total >= rows or not (head or leave):
                    break
                size = self._first - head if leave else head
                if size:
                    total += size
                    self._ends.append((total, layer, head if leave else 0))
        self._totals = [end for end, _, _ in self._ends]

    def first_of(self, column: str) -> int | None:
        """Return the first number of a counted column, which has all up to any of its numbers."""
        parts = [part for part in self._parts if part.columns == (column,)]
        alone = len(self._parts) == 2 and isinstance(self._parts[1], CountPart)
        return parts[0].first if alone and parts and isinstance(parts[0], CountPart) else None

    def make(self, batch: Batch) -> None:
        """Put the columns into `batch.made`."""
        start, order, rest, salt = self._start, self._order, self._rest, self._salt
        firsts, seconds = [], []
        for number in batch.numbers:
            row = max(number - start, 0)
            at = min(bisect_right(self._totals, row), len(self._ends) - 1)
            _, layer, offset = self._ends[at]
            first = order[(row - (self._totals[at - 1] if at else 0) + offset) % self._first]
            firsts.append(first)
            seconds.append((layer + mix(first, salt)) % rest if self._scatters else layer)
        batch.made.update(zip(self._parts[0].columns, self._parts[0].values(firsts), strict=True))
        for part, size in zip(self._parts[1:], self._sizes[1:], strict=True):
            places = [second % size for second in seconds]
            seconds = [second // size for second in seconds]
            batch.made.update(zip(part.columns, part.values(places), strict=True))
