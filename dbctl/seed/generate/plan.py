"""How the rows of one table are made: what makes each column, in which order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dbctl.db.tables import Table
from dbctl.seed.bulk.encoding import takes_text
from dbctl.seed.generate.checks import Checks, Repair, Unknown, repairs
from dbctl.seed.generate.literals import written
from dbctl.seed.generate.makers import Maker
from dbctl.seed.generate.randomness import BLOCK, Batch
from dbctl.seed.generate.values import Scene


@dataclass(frozen=True, slots=True)
class Predicted:
    """A column whose values the server takes from a sequence: which ones it will take."""

    column: str
    sequence: str
    first: int
    increment: int


@dataclass
class TablePlan:
    """What is to be made for one table: rows `start` to `start + count`, numbered for ever.

    `server` are the columns that the server fills, with the reason. `notes` tell people what they
    might not expect.
    """

    scene: Scene
    start: int
    count: int
    checks: Checks
    makers: dict[str, Maker] = field(default_factory=dict)
    server: dict[str, str] = field(default_factory=dict)
    predicted: list[Predicted] = field(default_factory=list)
    unknown: list[Unknown] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    deferred: list[str] = field(default_factory=list)
    _referenced: set[str] = field(default_factory=set)
    _scattered: frozenset[str] = frozenset()
    _written: frozenset[str] = frozenset()
    _order: list[Maker] = field(default_factory=list)
    _repairs: list[Repair] = field(default_factory=list)

    @property
    def table(self) -> Table:
        """The table."""
        return self.scene.table

    @property
    def end(self) -> int:
        """The number after the last row's."""
        return self.start + self.count

    @property
    def sent(self) -> tuple[str, ...]:
        """The columns that are sent, in the table's order."""
        made = [column.name for column in self.table.columns if column.name in self.makers]
        # COPY names a column at least, and takes a value for one with a sequence too.
        return tuple(name for name in made if name not in self.server) or tuple(made)

    def add(self, maker: Maker) -> None:
        """Let `maker` make its columns."""
        for column in maker.columns:
            self.makers[column] = maker

    def scatter(self, columns: Iterable[str]) -> None:
        """Let other tables compute these columns from a row's number alone."""
        self._referenced.update(columns)

    def freeze(self) -> None:
        """Settle the order of the columns and the repairs, once every table is planned."""
        self._order = self._closure(self.makers)
        self._scattered = frozenset(
            column for maker in self._closure(self._referenced) for column in maker.columns
        )
        self._written = frozenset(
            name for name in self.makers if takes_text(self.table.column(name))
        )
        tests = [test for test in self.checks.tests if set(test.columns) <= self.makers.keys()]
        self._repairs = repairs(self.table.label, tests, self._linked, self._is_fixed)

    def at(self, columns: Sequence[str], numbers: Sequence[int]) -> list[Sequence[object]]:
        """Return columns of scattered rows."""
        batch = self._batch(numbers, None)
        for maker in self._closure(columns):
            maker.make(batch)
        return [batch.made[column] for column in columns]

    def blocks(self) -> Iterator[list[tuple[object, ...]]]:
        """Yield the rows, columns as in `sent`, a block at a time."""
        sent = self.sent
        for block in range(self.start // BLOCK, -(-self.end // BLOCK)):
            low = block * BLOCK
            made = self.block(range(low, min(low + BLOCK, self.end)), block)
            yield self.records(made, sent)[max(self.start - low, 0) :]

    def records(
        self, made: Mapping[str, Sequence[object]], columns: Sequence[str]
    ) -> list[tuple[object, ...]]:
        """Return the rows of a block as the writer takes them."""
        values = [
            written(self.table.column(name), made[name]) if name in self._written else made[name]
            for name in columns
        ]
        return list(zip(*values, strict=True))

    def block(self, numbers: range, block: int) -> dict[str, Sequence[object]]:
        """Return all columns of a block, or of its head."""
        batch = self._batch(numbers, block)
        for maker in self._order:
            maker.make(batch)
        for repair in self._repairs:
            repair.apply(batch)
        return batch.made

    def _batch(self, numbers: Sequence[int], block: int | None) -> Batch:
        return Batch(f"{self.scene.seed}/{self.table.label}", numbers, block, self._scattered)

    def _closure(self, columns: Iterable[str]) -> list[Maker]:
        """Return what makes these columns, each maker behind those that it needs."""
        found: list[Maker] = []
        for column in columns:
            maker = self.makers[column]
            if maker in found:
                continue
            for needed in self._closure(maker.needs):
                if needed not in found:
                    found.append(needed)
            found.append(maker)
        return found

    def _linked(self, columns: set[str]) -> set[str]:
        """Return these columns, those they were made from, and those made from them."""
        linked = set(columns)
        while True:
            more = {
                column
                for maker in self._order
                if linked & {*maker.columns, *maker.needs} and not self._is_fixed(maker.columns[0])
                for column in (*maker.columns, *maker.needs)
            }
            if more <= linked:
                return linked
            linked |= more

    def _is_fixed(self, column: str) -> bool:
        return column in self._scattered or self.makers[column].fixed
