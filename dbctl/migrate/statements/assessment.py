"""What a statement does to the tables it touches: the words for it, and how they add up."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from dbctl.migrate.statements.levels import LockLevel, Work
from dbctl.migrate.statements.lookups import Lookup, Renamed


@dataclass(frozen=True, slots=True)
class Loss:
    """Data that is gone after the statement; `column` is None where it is rows of a table.

    `described` says that the text does not name it.
    """

    table: str
    column: str | None = None
    described: bool = field(default=False, compare=False)


class Cost(NamedTuple):
    """The work of a part of a statement, with a note; `lookup` asks the catalogue for more."""

    work: Work = Work.NONE
    note: str = ""
    lookup: Lookup | None = None


def greatest(costs: Iterable[Cost]) -> Cost:
    """Return the greatest work with its note; of several the first, and its note or the next."""
    work, note = Work.NONE, ""
    for cost in costs:
        if cost.work.amount > work.amount:
            work, note = cost.work, cost.note or note
        note = note or cost.note
    return Cost(work, note)


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a statement locks, works through and destroys, as far as its text tells.

    `locks` has the strongest lock on each relation that the text names, the relations quoted
    only where they need to be; "table of i" stands for the table of an index i. `index` is the
    index that is built, None where the text names none. `creates` are the tables that are new
    for sure, so not those of IF NOT EXISTS. `known` is False where the text does not name the
    tables that are locked, such as with DO. `lookups` are what the catalogue can add, and `costs`
    what `work` and `note` were put together from. `answerable` says that nothing is unknown then.
    """

    locks: tuple[tuple[str, LockLevel], ...] = ()
    work: Work = Work.NONE
    losses: tuple[Loss, ...] = ()
    transactional: bool = True
    note: str = ""
    index: str | None = None
    creates: tuple[str, ...] = ()
    known: bool = True
    answerable: bool = field(default=True, compare=False)
    lookups: tuple[Lookup, ...] = field(default=(), compare=False)
    costs: tuple[Cost, ...] = field(default=(), compare=False)


class Draft:
    """An assessment while the statement is being read; nothing is noted about new tables."""

    def __init__(self, created: Collection[str] = ()) -> None:
        self.transactional = True
        self.index: str | None = None
        self.known = True
        self.answerable = True
        self._new = {_bare(table) for table in created}
        self._creates: list[str] = []
        self._locks: dict[str, LockLevel] = {}
        self._costs: list[Cost] = []
        self._lookups: list[Lookup] = []
        self._losses: list[Loss] = []

    @property
    def writes_rows(self) -> bool:
        """Whether rows of a table are written."""
        return LockLevel.ROW_EXCLUSIVE in self._locks.values()

    def create(self, table: str) -> None:
        """Add a new table: nobody waits for it from here on."""
        self._new.add(_bare(table))
        self._creates.append(table)

    def rename(self, old: str, new: str) -> None:
        """Add another name of a table, which is as new as the table is."""
        if _bare(old) in self._new:
            self.create(new)
        self.look_up(Renamed(old, new))

    def lock(
        self,
        table: str | None,
        level: LockLevel,
        work: Work = Work.NONE,
        note: str = "",
        lookup: Lookup | None = None,
    ) -> None:
        """Add a lock on `table`, and work and a note on it; a name that is missing is unknown.

        `lookup` is what the catalogue can say of the work.
        """
        if table is None:
            self.known = self.answerable = False
        elif not self.is_new(table):
            stronger = max(self._locks.get(table, level), level, key=lambda each: each.strength)
            self._locks[table] = stronger
            self._costs.append(Cost(work, note, lookup))

    def is_new(self, table: str) -> bool:
        """Return whether `table` was made in the same run."""
        return _bare(table) in self._new

    def level_of(self, table: str) -> LockLevel | None:
        """Return the strongest lock on `table` so far."""
        return self._locks.get(table)

    def look_up(self, *lookups: Lookup) -> None:
        """Add what the catalogue is to be asked for."""
        self._lookups += [each for each in lookups if each not in self._lookups]

    def lose(self, table: str, column: str | None = None, *, described: bool = False) -> None:
        """Add data that is gone afterwards; what is `described` has no name in the text."""
        loss = Loss(table, column, described)
        if _bare(table) not in self._new and loss not in self._losses:
            self._losses.append(loss)

    def unknown(self, note: str, work: Work = Work.NONE, lookup: Lookup | None = None) -> None:
        """Record that the text does not say which tables are locked; `lookup` may."""
        if lookup is None:
            self.answerable = False
        else:
            self.look_up(lookup)
        self.known = False
        self._costs.append(Cost(work, note, lookup))

    def remark(self, note: str) -> None:
        """Add a note; that on the greatest work is kept, of several the first."""
        self.cost(Work.NONE, note)

    def cost(self, work: Work, note: str) -> None:
        """Add work on tables that the text does not name."""
        self._costs.append(Cost(work, note))

    def finish(self) -> Assessment:
        """Return what was noted."""
        cost = greatest(self._costs)
        return Assessment(
            locks=tuple(self._locks.items()),
            work=cost.work,
            losses=tuple(self._losses),
            transactional=self.transactional,
            note=cost.note,
            index=self.index,
            creates=tuple(self._creates),
            known=self.known,
            answerable=self.answerable,
            lookups=tuple(self._lookups),
            costs=tuple(self._costs),
        )


def _bare(table: str) -> str:
    return table.removeprefix("public.")
