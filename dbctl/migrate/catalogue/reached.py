"""Collect what a statement locks and loses while the catalogue is searched for it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dbctl.migrate.catalogue.relations import Catalogue, ForeignKey, Relation
from dbctl.migrate.statements.assessment import Assessment, Loss
from dbctl.migrate.statements.levels import LockLevel
from dbctl.sqltokens import quote

_AE = LockLevel.ACCESS_EXCLUSIVE
_INDEX_OF = "table of "


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock on `table`; `reason` says why where the text does not name it.

    `certain` is False where only the rows decide whether it is taken. `rows` and `bytes` are None
    where nothing measures them.
    """

    table: str
    level: LockLevel
    reason: str = ""
    certain: bool = True
    rows: int | None = None
    bytes: int | None = None


class Reached:
    """The locks and losses of one statement, first those of its text.

    `names` are those that the statement or the path gives to relations. `known` says that nothing
    may be locked besides, `transactional` that the server runs it in a transaction.
    """

    def __init__(self, assessment: Assessment, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self._locks: dict[str, Lock] = {}
        self._possible: dict[str, Lock] = {}
        self.losses = dict.fromkeys(assessment.losses)
        self.notes: list[str] = []
        self.transactional = assessment.transactional
        self.known = assessment.known or assessment.answerable
        self.names: dict[int, str] = {}
        for name, level in assessment.locks:
            self._add_named(name, level)

    def _add_named(self, name: str, level: LockLevel) -> None:
        relation = self.catalogue.find(name.removeprefix(_INDEX_OF))
        if name.startswith(_INDEX_OF) and relation and relation.table_oid:
            self.add(
                relation.table_oid, level, f"table of the index {name.removeprefix(_INDEX_OF)}"
            )
            return
        if relation and relation.oid not in self.names:
            self.names[relation.oid] = name
            self.catalogue.shown[name] = relation.oid
        self._put(Lock(name, level))

    def add(self, oid: int, level: LockLevel, reason: str, *, certain: bool = True) -> None:
        """Add a lock on a relation; one that the text names keeps its name."""
        relation = self.catalogue.relations.get(oid)
        if relation is None or relation.kind in "iIS":
            return
        name = self.names.setdefault(oid, self.catalogue.label(relation))
        self.catalogue.shown[name] = oid
        self._put(Lock(name, level, reason, certain))

    def _put(self, lock: Lock) -> None:
        """Keep the strongest lock on a table, and the first reason for one."""
        kept = self._locks if lock.certain else self._possible
        known = kept.get(lock.table)
        if known is None or known.level.strength < lock.level.strength:
            reason = lock.reason if known is None else known.reason
            kept[lock.table] = replace(lock, reason=reason)

    @property
    def locks(self) -> tuple[Lock, ...]:
        """The strongest lock on each table, and a stronger one that only the rows decide."""
        possible = [lock for lock in self._possible.values() if lock.level not in self._up_to(lock)]
        return (*self._locks.values(), *possible)

    def _up_to(self, lock: Lock) -> list[LockLevel]:
        known = self._locks.get(lock.table)
        return [] if known is None else [*LockLevel][: known.level.strength + 1]

    def holds(self, oid: int, level: LockLevel) -> bool:
        """Return whether a relation is locked for sure, in this mode or a stronger one."""
        known = self._locks.get(self.label(oid))
        return known is not None and known.level.strength >= level.strength

    def lock_below(
        self,
        oid: int,
        level: LockLevel,
        *,
        partitions: bool = False,
        inheriting: bool = False,
        certain: bool = True,
    ) -> None:
        """Lock the tables below one; `partitions` and `inheriting` leave out the other kind."""
        for each in self.catalogue.below(oid):
            if (partitions and not each.is_partition) or (inheriting and each.is_partition):
                continue
            self.add(each.oid, level, self._place(each), certain=certain)

    def _place(self, relation: Relation) -> str:
        parents = self.catalogue.parents.get(relation.oid, ())
        names = [self.label(each) for each in parents]
        word = "partition of" if relation.is_partition else "child of"
        return f"{word} {', '.join(names)}"

    def label(self, oid: int) -> str:
        """Return the name of a relation, as the statement has it if it names it."""
        relation = self.catalogue.relations.get(oid)
        return self.names.get(oid) or (self.catalogue.label(relation) if relation else "")

    def refers(self, key: ForeignKey) -> str:
        """Return the reason for a lock that a foreign key is."""
        name, other = self.label(key.table_oid), self.label(key.other_oid)
        return (
            f"foreign key {quote(key.name)} from {name} to {other}" if key.name else "foreign key"
        )

    def lock_default(self, parent: int, besides: int = 0, *, below: bool = False) -> None:
        """Lock the default partition, whose rows must not belong into another."""
        relation = self.catalogue.relations.get(parent)
        default = relation.default_partition if relation else None
        if default and default != besides:
            self.add(default, _AE, f"default partition of {self.label(parent)}")
            if below:
                self.lock_below(default, _AE)

    def lose(self, loss: Loss) -> None:
        """Add data that is gone, unless the whole table is anyway."""
        if not {loss, Loss(loss.table)} & self.losses.keys():
            self.losses[loss] = None

    def drop_described(self) -> None:
        """Remove what the text says of tables that it does not name."""
        self.losses = {loss: None for loss in self.losses if not loss.described}
