"""Foreign keys of a table to itself: every row points at an earlier one, or nowhere."""

from __future__ import annotations

from collections.abc import Sequence

from dbctl.seed.generate.makers import Nulls
from dbctl.seed.generate.parents import Parents
from dbctl.seed.generate.randomness import Batch


class Tree:
    """A foreign key to the table itself: to an earlier row of this run."""

    needs: tuple[str, ...] = ()
    fixed = True

    def __init__(
        self,
        columns: Sequence[str],
        parents: Parents,
        summary: str,
        start: int,
        *,
        nulls: float,
    ) -> None:
        self.columns = tuple(columns)
        self.summary = summary
        self._parents = parents
        self._start = start
        self._nulls = Nulls(nulls)
        self._has_roots = nulls > 0

    def make(self, batch: Batch) -> None:
        """Put the columns into `batch.made`."""
        name, start = self.columns[0], self._start
        rows = [max(number - start, 0) for number in batch.numbers]
        places = [
            a * b * row >> 64
            for row, a, b in zip(rows, batch.bits32(name), batch.bits32(name, "skew"), strict=True)
        ]
        keys = self._nulls.apply(batch, name, self._parents.keys(places))
        if self._has_roots and rows and 0 in rows:
            keys = [
                [None if row == 0 else value for row, value in zip(rows, values, strict=True)]
                for values in keys
            ]
        batch.made.update(zip(self.columns, keys, strict=True))


class NearTree:
    """A foreign key to the table itself that shares a column with something else.

    It points at the row before it in its block that has the same value there, the first of them at
    itself, or nowhere where it may.
    """

    fixed = True

    def __init__(
        self,
        columns: Sequence[str],
        own: Sequence[str],
        shared: Sequence[int],
        summary: str,
        start: int,
        *,
        nullable: bool,
    ) -> None:
        self.columns = tuple(c for place, c in enumerate(columns) if place not in shared)
        self.needs = (*own, *(columns[place] for place in shared))
        self.summary = summary
        self._own = tuple(own)
        self._shared = tuple(columns[place] for place in shared)
        self._free = tuple(own[place] for place in range(len(own)) if place not in shared)
        self._start = start
        self._nullable = nullable

    def make(self, batch: Batch) -> None:
        """Put the columns into `batch.made`."""
        made = batch.made
        shared = list(zip(*(made[column] for column in self._shared), strict=True))
        keys = list(zip(*(made[column] for column in self._free), strict=True))
        latest: dict[object, tuple[object, ...]] = {}
        nothing = (None,) * len(self.columns)
        rows = []
        bits = batch.bits16(self.columns[0])
        for number, group, own, draw in zip(batch.numbers, shared, keys, bits, strict=True):
            before = latest.get(group)
            rows.append(before or (nothing if self._nullable else own))
            # What comes before the first row is in the block, but not in the table.
            if number >= self._start and (before is None or draw < 1 << 14):
                latest[group] = own
        for column, values in zip(self.columns, zip(*rows, strict=True), strict=True):
            made[column] = list(values)


class CountedTree:
    """A foreign key to an earlier one of the rows that are counted within the same parent."""

    fixed = True

    def __init__(self, column: str, counted: str, first: int, summary: str) -> None:
        self.columns: tuple[str, ...] = (column,)
        self.needs: tuple[str, ...] = (counted,)
        self.summary = summary
        self._first = first

    def make(self, batch: Batch) -> None:
        """Put the column into `batch.made`."""
        (column,), (counted,), first = self.columns, self.needs, self._first
        numbers: Sequence[int] = batch.made[counted]  # type: ignore[assignment]
        batch.made[column] = [
            None if number == first else first + (bits * (number - first) >> 32)
            for number, bits in zip(numbers, batch.bits32(column), strict=True)
        ]
