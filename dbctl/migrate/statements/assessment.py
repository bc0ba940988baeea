"""What a statement does to the tables it touches: the words for it, and how they add up."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum


class LockLevel(StrEnum):
    """A table lock mode, as PostgreSQL prints it, the weakest first.

    Source: PostgreSQL docs, Explicit Locking, Table-Level Locks.
    """

    ACCESS_SHARE = "ACCESS SHARE"
    ROW_SHARE = "ROW SHARE"
    ROW_EXCLUSIVE = "ROW EXCLUSIVE"
    SHARE_UPDATE_EXCLUSIVE = "SHARE UPDATE EXCLUSIVE"
    SHARE = "SHARE"
    SHARE_ROW_EXCLUSIVE = "SHARE ROW EXCLUSIVE"
    EXCLUSIVE = "EXCLUSIVE"
    ACCESS_EXCLUSIVE = "ACCESS EXCLUSIVE"

    @property
    def strength(self) -> int:
        """The place among the modes; a higher one shuts out more."""
        return list(LockLevel).index(self)

    @property
    def blocks(self) -> str:
        """What others cannot do on the table meanwhile."""
        if self is LockLevel.ACCESS_EXCLUSIVE:
            return "reads and writes"
        return "writes" if self.strength >= LockLevel.SHARE.strength else "schema changes"


class Work(StrEnum):
    """How much of a table a statement goes through under its lock, the least first."""

    NONE = "none"
    SCAN = "scan"
    MAYBE_REWRITE = "may_rewrite"
    REWRITE = "rewrite"

    @property
    def amount(self) -> int:
        """The place among the kinds of work; a higher one takes longer."""
        return list(Work).index(self)


@dataclass(frozen=True, slots=True)
class Loss:
    """Data that is gone after the statement; `column` is None where it is rows of a table."""

    table: str
    column: str | None = None


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a statement locks, works through and destroys, as far as its text tells.

    `locks` has the strongest lock on each relation that the text names, the relations quoted
    only where they need to be; "table of i" stands for the table of an index i. `index` is the
    index that is built, None where the text names none. `creates` are the tables that are new
    for sure, so not those of IF NOT EXISTS. `known` is False where the text does not name the
    tables that are locked, such as with DO.
    """

    locks: tuple[tuple[str, LockLevel], ...] = ()
    work: Work = Work.NONE
    losses: tuple[Loss, ...] = ()
    transactional: bool = True
    note: str = ""
    index: str | None = None
    creates: tuple[str, ...] = ()
    known: bool = True


class Draft:
    """An assessment while the statement is being read; nothing is noted about new tables."""

    def __init__(self, created: Collection[str] = ()) -> None:
        self.transactional = True
        self.index: str | None = None
        self.known = True
        self._new = {_bare(table) for table in created}
        self._creates: list[str] = []
        self._locks: dict[str, LockLevel] = {}
        self._work = Work.NONE
        self._note = ""
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

    def lock(
        self, table: str | None, level: LockLevel, work: Work = Work.NONE, note: str = ""
    ) -> None:
        """Add a lock on `table`, and work and a note on it; a name that is missing is unknown."""
        if table is None:
            self.known = False
        elif _bare(table) not in self._new:
            stronger = max(self._locks.get(table, level), level, key=lambda each: each.strength)
            self._locks[table] = stronger
            self._add(work, note)

    def lose(self, table: str, column: str | None = None) -> None:
        """Add data that is gone afterwards."""
        loss = Loss(table, column)
        if _bare(table) not in self._new and loss not in self._losses:
            self._losses.append(loss)

    def unknown(self, note: str, work: Work = Work.NONE) -> None:
        """Admit that the text does not tell which tables are locked."""
        self.known = False
        self._add(work, note)

    def remark(self, note: str) -> None:
        """Add a note; that on the greatest work is kept, of several the first."""
        self._add(Work.NONE, note)

    def finish(self) -> Assessment:
        """Return what was noted."""
        return Assessment(
            locks=tuple(self._locks.items()),
            work=self._work,
            losses=tuple(self._losses),
            transactional=self.transactional,
            note=self._note,
            index=self.index,
            creates=tuple(self._creates),
            known=self.known,
        )

    def _add(self, work: Work, note: str) -> None:
        if work.amount > self._work.amount:
            self._work, self._note = work, note or self._note
        self._note = self._note or note


def _bare(table: str) -> str:
    return table.removeprefix("public.")
