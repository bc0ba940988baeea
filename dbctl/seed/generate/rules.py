"""How the values of one column are made: drawn at random, row by row reproducible."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import cycle, islice
from typing import Protocol

from dbctl.seed.generate.randomness import Batch

_TABLE = 1 << 16
_SMALL_TABLE = 1 << 12
_LATER_BITS = 13


class Rule(Protocol):
    """What makes the values of a column; `summary` says it to people."""

    @property
    def summary(self) -> str:
        """What the values are, in a few words."""
        ...

    @property
    def needs(self) -> tuple[str, ...]:
        """The columns of the same row that have to be made first."""
        ...

    def draw(self, batch: Batch, column: str) -> Sequence[object]:
        """Return a value for each row of the batch."""
        ...


class DrawnRule:
    """A rule that looks at no other column."""

    needs: tuple[str, ...] = ()


class Choice(DrawnRule):
    """One of a few thousand values at most; weights give the share of each."""

    def __init__(
        self, summary: str, values: Sequence[object], weights: Sequence[int] | None = None
    ) -> None:
        self.summary = summary
        self.values = tuple(values)
        self.weights = tuple(weights) if weights is not None else None
        size = _SMALL_TABLE if len(values) <= 64 else _TABLE
        if self.weights is None:
            table = list(islice(cycle(self.values), size))
        else:
            table, passed, total = [], 0, sum(self.weights)
            for value, weight in zip(self.values, self.weights, strict=True):
                passed += weight
                table += [value] * (passed * size // total - len(table))
        self._table = table
        self._mask = size - 1

    def draw(self, batch: Batch, column: str) -> list[object]:
        """Return one of the values for each row."""
        table, mask = self._table, self._mask
        return [table[bits & mask] for bits in batch.bits16(column)]

    def kept(self, keep: Callable[[object], bool]) -> Choice | None:
        """Return the rule without the values that are not to be kept; None where none is left."""
        pairs = [
            (value, weight)
            for value, weight in zip(
                self.values, self.weights or (1,) * len(self.values), strict=True
            )
            if weight and keep(value)
        ]
        if not pairs:
            return None
        if len(pairs) == len(self.values):
            return self
        values, weights = zip(*pairs, strict=True)
        return Choice(self.summary, values, weights if self.weights is not None else None)


class Constant(DrawnRule):
    """The same value in every row."""

    def __init__(self, value: object, summary: str | None = None) -> None:
        self.value = value
        self.summary = summary or f"always {value!r}"

    def draw(self, batch: Batch, column: str) -> list[object]:  # noqa: ARG002
        """Return the value for each row."""
        return [self.value] * len(batch.numbers)


class Integers(DrawnRule):
    """Whole numbers from `low` to `high`; skewed, most of them are near `low`."""

    def __init__(self, summary: str, low: int, high: int, *, skewed: bool = False) -> None:
        self.summary = summary
        self.low, self.high, self.skewed = low, high, skewed

    def draw(self, batch: Batch, column: str) -> list[object]:
        """Return a number for each row."""
        low, span = self.low, self.high - self.low + 1
        if self.skewed:
            first, second = batch.bits32(column), batch.bits32(column, "skew")
            return [low + (a * b * span >> 64) for a, b in zip(first, second, strict=True)]
        if span <= 1 << 32:
            return [low + (a * span >> 32) for a in batch.bits32(column)]
        return [low + (a * span >> 64) for a in batch.bits64(column)]


class Mapped:
    """What a function makes of another rule's values."""

    def __init__(self, summary: str, inner: Rule, function: Callable[[object], object]) -> None:
        self.summary = summary
        self.inner = inner
        self.function = function
        self.needs = inner.needs

    def draw(self, batch: Batch, column: str) -> list[object]:
        """Return the function's value for each row."""
        return list(map(self.function, self.inner.draw(batch, column)))


class Joined(DrawnRule):
    """What a function makes of the values of several rules."""

    def __init__(
        self, summary: str, parts: Sequence[Rule], function: Callable[..., object]
    ) -> None:
        self.summary = summary
        self._parts = parts
        self._function = function

    def draw(self, batch: Batch, column: str) -> list[object]:
        """Return the function's value for each row."""
        parts = [
            part.draw(batch.part(str(place)), column) for place, part in enumerate(self._parts)
        ]
        return list(map(self._function, *parts))


class Moments(DrawnRule):
    """Points in time before `end`, most of them not long before it; whole seconds."""

    def __init__(self, summary: str, end: datetime, span: timedelta) -> None:
        self.summary = summary
        self._end = end
        self._seconds = span.days * 86400 + span.seconds

    def draw(self, batch: Batch, column: str) -> list[object]:
        """Return a time for each row."""
        end, span = self._end, self._seconds
        first, second = batch.bits16(column), batch.bits16(column, "skew")
        return [end - timedelta(0, a * b * span >> 32) for a, b in zip(first, second, strict=True)]


class Later:
    """Points in time or dates after those of another column, most of them not long after.

    They are whole units of time apart, `most` of them at the most.
    """

    def __init__(
        self, summary: str, base: str, most: int, unit: timedelta = timedelta(seconds=1)
    ) -> None:
        self.summary = summary
        self.needs = (base,)
        self._base = base
        # The cube of a share: most of them are short.
        self._apart = [
            unit * (1 + (place**3 * most >> 3 * _LATER_BITS)) for place in range(1 << _LATER_BITS)
        ]

    def draw(self, batch: Batch, column: str) -> list[object]:
        """Return a time for each row, NULL where there is no base."""
        apart, mask = self._apart, (1 << _LATER_BITS) - 1
        bases: Sequence[datetime | None] = batch.made[self._base]  # type: ignore[assignment]
        return [
            None if base is None else base + apart[bits & mask]
            for base, bits in zip(bases, batch.bits16(column), strict=True)
        ]


@dataclass(frozen=True, slots=True)
class Calculated:
    """What a formula makes of other columns of the row; `function` takes them as lists."""

    summary: str
    needs: tuple[str, ...]
    function: Callable[[Sequence[Sequence[object]]], list[object]]

    def draw(self, batch: Batch, column: str) -> list[object]:  # noqa: ARG002
        """Return the formula's value for each row."""
        return self.function([batch.made[name] for name in self.needs])


class SometimesNull:
    """Another rule's values, NULL in a share of the rows."""

    def __init__(self, inner: Rule, share: float) -> None:
        self.inner = inner
        self.share = share
        self.needs = inner.needs
        self.summary = f"{inner.summary}, NULL in {share:.0%}"
        self._limit = int(share * (1 << 16))

    def draw(self, batch: Batch, column: str) -> list[object]:
        """Return a value or NULL for each row."""
        limit = self._limit
        return [
            None if bits < limit else value
            for bits, value in zip(
                batch.bits16(column, "null"), self.inner.draw(batch, column), strict=True
            )
        ]


class Several(DrawnRule):
    """Arrays of another rule's values, of `low` to `high` elements; a few thousand in all."""

    def __init__(self, inner: Rule, low: int, high: int) -> None:
        self.summary = f"arrays of {low} to {high}: {inner.summary}"
        self._inner = inner
        self._low, self._high = low, high
        self._made: list[list[object]] = []

    def draw(self, batch: Batch, column: str) -> list[object]:
        """Return a list for each row; rows may share one."""
        if not self._made:
            self._made = self._make(batch, column)
        made, mask = self._made, len(self._made) - 1
        return [made[bits & mask] for bits in batch.bits16(column)]

    def _make(self, batch: Batch, column: str) -> list[list[object]]:
        low, span = self._low, self._high - self._low + 1
        blocks = [batch.sample(block) for block in range(max(self._high, 1))]
        values = [self._inner.draw(block, column) for block in blocks]
        sizes = blocks[0].bits16(column, "size")
        made = [
            list(row[: low + (size * span >> 16)])
            for row, size in zip(zip(*values, strict=True), sizes, strict=True)
        ]
        # Tags are there once each; where so many have to be, they may be there twice.
        return made if low else [list(dict.fromkeys(row)) for row in made]


@dataclass(frozen=True, slots=True)
class Called:
    """The values of a function of the project, called with the row's number and a generator."""

    name: str
    function: Callable[..., object]
    needs: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """The function's name."""
        return f"{self.name}()"

    def draw(self, batch: Batch, column: str) -> list[object]:
        """Return what the function returns for each row."""
        from random import Random

        return [
            self.function(number, Random(bits))  # noqa: S311
            for number, bits in zip(batch.numbers, batch.bits64(column), strict=True)
        ]


def weighted(labels: Sequence[str], weights: Mapping[str, int] | None = None) -> list[int]:
    """Return a weight for each label: the first ones have most rows, unless they are told."""
    if weights is not None:
        return [weights[label] for label in labels]
    return [max(60 >> min(place, 4), 4) for place in range(len(labels))]
