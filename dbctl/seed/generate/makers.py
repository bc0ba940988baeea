"""What fills the columns of a row, one or several together."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd
from typing import Protocol

from dbctl.errors import OperationFailed
from dbctl.seed.generate.parents import Parents
from dbctl.seed.generate.randomness import Batch, Permutation
from dbctl.seed.generate.rules import Rule


class Maker(Protocol):
    """What makes some columns of a table, `summary` says how.

    A maker that is `fixed` makes rows that depend on each other, as unique ones do: its values
    cannot be exchanged between rows.
    """

    columns: tuple[str, ...]
    fixed: bool

    @property
    def needs(self) -> tuple[str, ...]:
        """The columns that have to be made first."""
        ...

    @property
    def summary(self) -> str:
        """How the columns are made, in a few words."""
        ...

    def make(self, batch: Batch) -> None:
        """Put the columns into `batch.made`."""
        ...


class Single:
    """A column that a rule makes."""

    def __init__(self, column: str, rule: Rule, *, fixed: bool = False) -> None:
        self.columns: tuple[str, ...] = (column,)
        self.rule = rule
        self.fixed = fixed

    @property
    def needs(self) -> tuple[str, ...]:
        """The columns that the rule looks at."""
        return self.rule.needs

    @property
    def summary(self) -> str:
        """The rule's summary."""
        return self.rule.summary

    def make(self, batch: Batch) -> None:
        """Put the column into `batch.made`."""
        (column,) = self.columns
        batch.made[column] = self.rule.draw(batch, column)


class Nulls:
    """Where all columns of a foreign key are NULL."""

    def __init__(self, share: float) -> None:
        self.limit = int(share * (1 << 16))

    def apply(
        self, batch: Batch, column: str, keys: list[Sequence[object]]
    ) -> list[Sequence[object]]:
        if not self.limit:
            return keys
        limit, bits = self.limit, batch.bits16(column, "null")
        return [
            [None if draw < limit else value for draw, value in zip(bits, values, strict=True)]
            for values in keys
        ]


class Reference:
    """A foreign key: a few parents have most of the children, every one may have some."""

    needs: tuple[str, ...] = ()
    fixed = False

    def __init__(
        self,
        columns: Sequence[str],
        parents: Parents,
        summary: str,
        *,
        nulls: float = 0.0,
        uniform: bool = False,
    ) -> None:
        self.columns = tuple(columns)
        self.summary = summary
        self._parents = parents
        self._nulls = Nulls(nulls)
        self._uniform = uniform
        # The favourites are not the first ones: neighbours on disk are not alike.
        step = max(int(parents.count * 618 // 1000), 1)
        while gcd(step, max(parents.count, 1)) != 1:
            step += 1
        self._step = step

    def make(self, batch: Batch) -> None:
        """Put the columns into `batch.made`."""
        name, count, step = self.columns[0], self._parents.count, self._step
        if self._uniform:
            places = [a * count >> 32 for a in batch.bits32(name)]
        else:
            places = [
                (a * a * b * count >> 96) * step % count
                for a, b in zip(batch.bits32(name), batch.bits32(name, "skew"), strict=True)
            ]
        keys = self._nulls.apply(batch, name, self._parents.keys(places))
        batch.made.update(zip(self.columns, keys, strict=True))


class OneToOne:
    """A unique foreign key: every parent has one child at most; NULL where none is left."""

    needs: tuple[str, ...] = ()
    fixed = True

    def __init__(
        self, columns: Sequence[str], parents: Parents, summary: str, start: int, *salt: object
    ) -> None:
        self.columns = tuple(columns)
        self.summary = summary
        self._parents = parents
        self._start = start
        self._order = Permutation(max(parents.count, 1), *salt)

    def make(self, batch: Batch) -> None:
        """Put the columns into `batch.made`."""
        order, start, count = self._order, self._start, self._parents.count
        rows = [number - start for number in batch.numbers]
        inside = [place for place in rows if 0 <= place < count]
        keys = self._parents.keys([order[place] for place in inside])
        before = sum(place < 0 for place in rows)
        after = len(rows) - before - len(inside)
        batch.made.update(
            (column, [None] * before + list(values) + [None] * after)
            for column, values in zip(self.columns, keys or [[]] * len(self.columns), strict=True)
        )


class Fitted:
    """The rest of a foreign key some columns of which are made already.

    `fitting` has the keys for each value of those; NULL where there is none and it may be.
    """

    fixed = False

    def __init__(
        self,
        columns: Sequence[str],
        shared: Sequence[str],
        fitting: dict[object, list[tuple[object, ...]]],
        summary: str,
        *,
        nullable: bool,
    ) -> None:
        self.columns = tuple(columns)
        self.needs = tuple(shared)
        self.summary = summary
        self._fitting = fitting
        self._nothing = [(None,) * len(columns)] if nullable else None

    def make(self, batch: Batch) -> None:
        """Put the columns into `batch.made`.

        Raises OperationFailed where no key fits a row.
        """
        shared = list(zip(*(batch.made[column] for column in self.needs), strict=True))
        found = []
        for values, bits in zip(shared, batch.bits32(self.columns[0]), strict=True):
            choices = self._fitting.get(values) or self._nothing
            if choices is None:
                raise OperationFailed(
                    f"nothing for {', '.join(self.columns)} to point at that has the same "
                    f"{', '.join(self.needs)} as its row",
                    hint="Make more of the rows that it points at.",
                )
            found.append(choices[bits * len(choices) >> 32])
        for place, column in enumerate(self.columns):
            batch.made[column] = [row[place] for row in found]


class Matched:
    """Foreign keys that share columns: the first is drawn, the others have to fit it.

    `others` have, for each value of what is shared, the keys that fit.
    """

    needs: tuple[str, ...] = ()
    fixed = False

    def __init__(
        self,
        columns: Sequence[str],
        rows: Sequence[tuple[object, ...]],
        others: Sequence[
            tuple[Sequence[int], Sequence[str], dict[object, list[tuple[object, ...]]]]
        ],
        summary: str,
    ) -> None:
        self._driver = tuple(columns)
        self.columns = (*columns, *(name for _, names, _ in others for name in names))
        self.summary = summary
        self._rows = rows
        self._others = others

    def make(self, batch: Batch) -> None:
        """Put the columns into `batch.made`."""
        name, rows, made = self._driver[0], self._rows, batch.made
        count = len(rows)
        drawn = [
            rows[a * a * b * count >> 96]
            for a, b in zip(batch.bits32(name), batch.bits32(name, "skew"), strict=True)
        ]
        for place, column in enumerate(self._driver):
            made[column] = [row[place] for row in drawn]
        for which, (shared, names, fitting) in enumerate(self._others):
            found = [
                choices[a * len(choices) >> 32]
                for choices, a in zip(
                    (fitting[tuple(row[place] for place in shared)] for row in drawn),
                    batch.bits32(name, f"other {which}"),
                    strict=True,
                )
            ]
            for place, column in enumerate(names):
                made[column] = [row[place] for row in found]
