"""Apply a statement to the catalogue: what it locks beside the tables of its text, and its work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

from dbctl.migrate.catalogue import type_changes
from dbctl.migrate.catalogue.relations import Catalogue, Column, ForeignKey, Gone, Relation
from dbctl.migrate.statements.assessment import Assessment, Cost, Loss, greatest
from dbctl.migrate.statements.levels import LockLevel, Work
from dbctl.migrate.statements.lookups import (
    OF_RELATIONS,
    Alone,
    Attached,
    Below,
    ColumnAdded,
    CompositeAltered,
    Detached,
    DomainChecked,
    Dropped,
    ExpressionSet,
    IndexAdded,
    KeyAdded,
    Lookup,
    Maintained,
    NotNullSet,
    PathSet,
    Property,
    PropertySet,
    Read,
    Refreshed,
    Renamed,
    TableOfIndex,
    Truncated,
    TypeChanged,
    Validated,
    Written,
)
from dbctl.sqltokens import TokenReader, quote, tokenize

_AE = LockLevel.ACCESS_EXCLUSIVE
_INDEX_OF = "table of "
# The first version that locks all below a table for a constraint that it adds, and goes on to
# what inherits in VACUUM and ANALYZE.
_GOES_FURTHER = 18
# Bits of pg_trigger.tgtype: what fires it.
_FIRES = {"insert": 4, "delete": 8, "update": 16, "merge": 4 | 8 | 16}
# What a foreign key does to the rows of its table, by the letter of pg_constraint: all but these
# only lock them.
_LEAVES_ROWS = ("a", "r")


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


@dataclass(frozen=True, slots=True)
class Effect:
    """What a statement does, by its text and the catalogue.

    `oids` are those of the tables that it loses rows of.
    """

    locks: tuple[Lock, ...]
    work: Work
    note: str
    losses: tuple[Loss, ...]
    transactional: bool
    index: str | None
    known: bool
    oids: Mapping[str, int] = field(default_factory=dict)


def effect_of_text(assessment: Assessment) -> Effect:
    """Return what a statement does as far as its text says."""
    return Effect(
        locks=tuple(Lock(table, level) for table, level in assessment.locks),
        work=assessment.work,
        note=assessment.note,
        losses=assessment.losses,
        transactional=assessment.transactional,
        index=assessment.index,
        known=assessment.known,
    )


def apply(assessment: Assessment, catalogue: Catalogue) -> Effect:
    """Return what a statement does where the catalogue stands, and change the catalogue by it."""
    found = _Statement(assessment, catalogue)
    for lookup in assessment.lookups:
        found.follow(lookup)
    effect = found.effect()
    for lookup in assessment.lookups:
        _change(catalogue, lookup)
    catalogue.names.hidden |= {each.removeprefix("public.") for each in assessment.creates}
    return effect


class _Statement:
    """The locks of one statement while they are being found."""

    def __init__(self, assessment: Assessment, catalogue: Catalogue) -> None:
        self._assessment = assessment
        self._catalogue = catalogue
        self._locks: dict[str, Lock] = {}
        self._losses = list(assessment.losses)
        self._notes: list[str] = []
        self._transactional = assessment.transactional
        self._known = assessment.known or assessment.answerable
        self._names: dict[int, str] = {}
        for name, level in assessment.locks:
            self._add_named(name, level)

    def _add_named(self, name: str, level: LockLevel) -> None:
        relation = self._catalogue.find(name.removeprefix(_INDEX_OF))
        if name.startswith(_INDEX_OF) and relation and relation.table_oid:
            self._add(relation.table_oid, level, f"has the index {name.removeprefix(_INDEX_OF)}")
            return
        if relation and relation.oid not in self._names:
            self._names[relation.oid] = name
            self._catalogue.shown[name] = relation.oid
        self._put(Lock(name, level))

    def _add(self, oid: int, level: LockLevel, reason: str, *, certain: bool = True) -> None:
        """Add a lock on a relation; one that the text names keeps its name."""
        relation = self._catalogue.relations.get(oid)
        if relation is None or relation.kind in "iIS":
            return
        name = self._names.setdefault(oid, self._catalogue.label(relation))
        self._catalogue.shown[name] = oid
        self._put(Lock(name, level, reason, certain))

    def _put(self, lock: Lock) -> None:
        known = self._locks.get(lock.table)
        if known is not None and known.certain and not lock.certain:
            return
        if known is None or known.level.strength < lock.level.strength or not known.certain:
            reason = known.reason if known and not known.reason else lock.reason
            self._locks[lock.table] = Lock(lock.table, lock.level, reason, lock.certain)

    def effect(self) -> Effect:
        """Return all that was found."""
        cost = greatest(self._costs())
        notes = [*self._notes, *([cost.note] if cost.note else [])]
        return Effect(
            locks=tuple(self._locks.values()),
            work=cost.work,
            note="; ".join(dict.fromkeys(notes)),
            losses=tuple(self._losses),
            transactional=self._transactional,
            index=self._assessment.index,
            known=self._known,
            oids={
                loss.table: self._catalogue.shown[loss.table]
                for loss in self._losses
                if loss.table in self._catalogue.shown
            },
        )

    def _costs(self) -> Iterable[Cost]:
        for cost in self._assessment.costs:
            answer = self._cost(cost.lookup) if cost.lookup else None
            yield cost if answer is None else Cost(*answer)

    def follow(self, lookup: Lookup) -> None:
        """Add what a lookup finds."""
        match lookup:
            case Below():
                self._below(lookup)
            case Read():
                self._read(lookup)
            case Written():
                self._written(lookup)
            case Dropped():
                self._dropped(lookup)
            case Truncated():
                self._truncated(lookup)
            case KeyAdded():
                self._key_added(lookup)
            case IndexAdded():
                self._index_added(lookup)
            case Validated():
                self._validated(lookup)
            case Attached():
                self._attached(lookup)
            case Detached():
                self._detached(lookup)
            case DomainChecked():
                self._domain_checked(lookup)
            case CompositeAltered():
                self._composite_altered(lookup)
            case TableOfIndex():
                self._table_of_index(lookup)
            case Maintained():
                self._maintained(lookup)
            case Alone():
                self._alone(lookup)
            case Refreshed():
                if view := self._catalogue.find(lookup.view):
                    self._sources(view, LockLevel.ACCESS_SHARE)
            case (
                TypeChanged() | ColumnAdded() | NotNullSet() | ExpressionSet() | PropertySet()
                | Renamed() | PathSet()
            ):  # fmt: skip
                pass
            case _:
                assert_never(lookup)

    def _lock_below(
        self,
        oid: int,
        level: LockLevel,
        *,
        partitions: bool = False,
        inheriting: bool = False,
        certain: bool = True,
    ) -> None:
        for each in self._catalogue.below(oid):
            if (partitions and not each.is_partition) or (inheriting and each.is_partition):
                continue
            self._add(each.oid, level, self._place(each), certain=certain)

    def _place(self, relation: Relation) -> str:
        parents = self._catalogue.parents.get(relation.oid, ())
        names = [self._label(each) for each in parents]
        word = "is a partition of" if relation.is_partition else "inherits from"
        return f"{word} {', '.join(names)}"

    def _label(self, oid: int) -> str:
        relation = self._catalogue.relations.get(oid)
        return self._names.get(oid) or (self._catalogue.label(relation) if relation else "")

    def _below(self, lookup: Below) -> None:
        table = self._catalogue.find(lookup.table)
        if table is None:
            return
        if lookup.constraint:
            type_, _ = self._catalogue.constraints.get((table.oid, lookup.constraint), ("", True))
            if type_ not in ("c", "n"):  # others that a partition has are objects of their own
                return
        self._lock_below(
            table.oid, lookup.level, partitions=lookup.partitions, inheriting=lookup.inheriting
        )

    def _read(self, lookup: Read) -> None:
        table = self._catalogue.find(lookup.table)
        if table is None:
            return
        if table.kind == "v":
            self._sources(table, lookup.level, only=lookup.only, certain=lookup.certain)
        elif not lookup.only:
            self._read_below(table.oid, lookup.level, certain=lookup.certain)

    def _read_below(self, oid: int, level: LockLevel, *, certain: bool) -> None:
        self._lock_below(oid, level, partitions=True, certain=certain)
        self._lock_below(oid, level, inheriting=True)

    def _sources(
        self, view: Relation, level: LockLevel, *, only: bool = False, certain: bool = False
    ) -> None:
        """Add what the query of a view reads, and those of the views in it."""
        for oid in self._catalogue.sources.get(view.oid, ()):
            source = self._catalogue.relations.get(oid)
            known = self._locks.get(self._label(oid))
            if source is None or (known and known.level.strength >= level.strength):
                continue
            self._add(oid, level, f"is read by {self._label(view.oid)}")
            if source.kind == "v":
                self._sources(source, level, only=only, certain=certain)
            elif not only:
                self._read_below(oid, level, certain=certain)

    def _written(self, lookup: Written) -> None:
        table = self._catalogue.find(lookup.table)
        if table is None:
            return
        if table.kind == "v":
            for oid in self._catalogue.sources.get(table.oid, ()):
                self._written(replace(lookup, table=self._qualified(oid)))
            return
        tables = [table, *(() if lookup.only else self._catalogue.below(table.oid))]
        oids = {each.oid for each in tables}
        if lookup.command in ("insert", "merge"):
            self._lock_below(table.oid, LockLevel.ROW_EXCLUSIVE, partitions=True, certain=False)
        self._follow_keys(lookup.command, set(lookup.columns), oids)
        for oid in self._catalogue.rules.get(table.oid, ()):
            reason = f"is in a rule of {self._label(table.oid)}"
            self._add(oid, LockLevel.ROW_EXCLUSIVE, reason, certain=False)
        for trigger in (each for oid in oids for each in self._catalogue.triggers.get(oid, ())):
            if trigger.type & _FIRES[lookup.command]:
                self._known = False
                self._notes.append(
                    f"the trigger {quote(trigger.name)} calls {quote(trigger.function)}(), which "
                    "may lock and change other tables"
                )
                break

    def _qualified(self, oid: int) -> str:
        relation = self._catalogue.relations.get(oid)
        return f"{quote(relation.schema)}.{quote(relation.name)}" if relation else ""

    def _follow_keys(self, command: str, columns: set[str], oids: set[int]) -> None:
        """Add the other side of each foreign key that is checked for the rows."""
        seen = set(oids)
        left = [(command, columns, oids)]
        while left:
            command, columns, oids = left.pop()
            for key in self._catalogue.keys:
                if key.table_oid in oids and _checks(key.columns, command, columns):
                    reason = self._refers(key)
                    self._add(key.other_oid, LockLevel.ROW_SHARE, reason, certain=False)
                    self._read_below_key(key.other_oid)
                if key.other_oid in oids and _removes(key.other_columns, command, columns):
                    action = key.on_update if command == "update" else key.on_delete
                    follows = action not in _LEAVES_ROWS
                    level = LockLevel.ROW_EXCLUSIVE if follows else LockLevel.ROW_SHARE
                    self._add(key.table_oid, level, self._refers(key), certain=False)
                    if follows and key.table_oid not in seen:
                        seen.add(key.table_oid)
                        next_command = (
                            "delete" if action == "c" and command != "update" else "update"
                        )
                        left.append((next_command, set(key.columns), {key.table_oid}))

    def _read_below_key(self, oid: int) -> None:
        self._lock_below(oid, LockLevel.ROW_SHARE, partitions=True, certain=False)

    def _refers(self, key: ForeignKey) -> str:
        name, other = self._label(key.table_oid), self._label(key.other_oid)
        return f"is a side of the foreign key {quote(key.name)} from {name} to {other}"

    def _dropped(self, lookup: Dropped) -> None:
        for oid in self._catalogue.new_keys.get(lookup.name.removeprefix("public."), ()):
            self._add(oid, _AE, f"a foreign key of {lookup.name} refers to")
            self._lock_below(oid, _AE, partitions=True)
        found = self._catalogue.dropped.get(lookup)
        if not found:
            self._known &= lookup.kind in OF_RELATIONS or not lookup.cascade
            return
        if lookup.kind in OF_RELATIONS and self._catalogue.find(lookup.name) is None:
            return
        self._drop_described()
        for gone in found:
            self._gone(gone, lookup)

    def _gone(self, gone: Gone, lookup: Dropped) -> None:
        relation = self._catalogue.relations.get(gone.table_oid or 0)
        if relation is None:
            return
        name = self._label(relation.oid)
        if gone.what == "statistics":
            self._add(
                relation.oid, LockLevel.SHARE_UPDATE_EXCLUSIVE, f"has the statistics {gone.part}"
            )
            return
        self._add(relation.oid, _AE, _losing(gone, lookup))
        if gone.what == "relation" and relation.is_partition:
            for parent in self._catalogue.parents.get(relation.oid, ()):
                self._add(parent, _AE, f"has the partition {name}")
                self._lock_default(parent, relation.oid)
        if gone.what == "relation" and relation.kind in "rpf" and not gone.is_root:
            self._lose(Loss(name))
        elif gone.what == "column" and not gone.is_root:
            self._lose(Loss(name, quote(gone.part or "")))

    def _lose(self, loss: Loss) -> None:
        whole = {each.table for each in self._losses if each.column is None}
        if loss not in self._losses and loss.table not in whole:
            self._losses.append(loss)

    def _lock_default(self, parent: int, besides: int = 0, *, below: bool = False) -> None:
        """Lock the default partition, whose rows must not belong into another."""
        relation = self._catalogue.relations.get(parent)
        default = relation.default_partition if relation else None
        if default and default != besides:
            self._add(default, _AE, f"is the default partition of {self._label(parent)}")
            if below:
                self._lock_below(default, _AE)

    def _truncated(self, lookup: Truncated) -> None:
        table = self._catalogue.find(lookup.table)
        if table is None:
            return
        emptied = [table.oid, *(each.oid for each in self._catalogue.below(table.oid))]
        if lookup.only:
            emptied = emptied[:1]
        else:
            self._lock_below(table.oid, _AE)
            for oid in emptied[1:]:
                self._lose(Loss(self._label(oid)))
        if not lookup.cascade:
            return
        self._drop_described()
        seen = set(emptied)
        while emptied:
            oid = emptied.pop(0)
            for key in self._catalogue.keys:
                if key.other_oid == oid and key.table_oid not in seen:
                    seen.add(key.table_oid)
                    emptied.append(key.table_oid)
                    self._add(key.table_oid, _AE, self._refers(key))
                    self._lose(Loss(self._label(key.table_oid)))

    def _drop_described(self) -> None:
        """Remove what the text says of tables that it does not name."""
        self._losses = [loss for loss in self._losses if not loss.described]

    def _key_added(self, lookup: KeyAdded) -> None:
        level = LockLevel.SHARE_ROW_EXCLUSIVE
        if other := self._catalogue.find(lookup.other):
            self._lock_below(other.oid, level, partitions=True)
        if table := self._catalogue.find(lookup.table):
            self._lock_below(table.oid, level, partitions=self._catalogue.version < _GOES_FURTHER)

    def _index_added(self, lookup: IndexAdded) -> None:
        if table := self._catalogue.find(lookup.table):
            if self._catalogue.version >= _GOES_FURTHER:
                self._lock_below(table.oid, _AE)
            else:
                self._lock_below(table.oid, LockLevel.SHARE, partitions=True)

    def _validated(self, lookup: Validated) -> None:
        table = self._catalogue.find(lookup.table)
        if table is None:
            return
        type_, is_valid = self._catalogue.constraints.get(
            (table.oid, lookup.constraint), ("", True)
        )
        if is_valid:
            return
        if type_ in ("c", "n"):
            self._lock_below(table.oid, LockLevel.SHARE_UPDATE_EXCLUSIVE)
        for key in self._catalogue.keys:
            if (key.table_oid, key.name) == (table.oid, lookup.constraint):
                self._add(key.other_oid, LockLevel.ROW_SHARE, self._refers(key))
                self._lock_below(table.oid, LockLevel.SHARE_UPDATE_EXCLUSIVE, partitions=True)

    def _attached(self, lookup: Attached) -> None:
        parent = self._catalogue.find(lookup.parent)
        partition = self._catalogue.find(lookup.partition)
        if partition is not None:
            self._lock_below(partition.oid, _AE)
        if parent is None:
            return
        if not lookup.default:
            self._lock_default(parent.oid, below=True)
        for key in self._catalogue.keys:
            for one, other in ((key.table_oid, key.other_oid), (key.other_oid, key.table_oid)):
                if one == parent.oid and not self._is_below(other, parent.oid):
                    self._add(other, LockLevel.SHARE_ROW_EXCLUSIVE, self._refers(key))

    def _is_below(self, oid: int, parent: int) -> bool:
        return oid == parent or any(each.oid == oid for each in self._catalogue.below(parent))

    def _detached(self, lookup: Detached) -> None:
        parent = self._catalogue.find(lookup.parent)
        partition = self._catalogue.find(lookup.partition)
        if parent is None or partition is None:
            return
        self._lock_below(partition.oid, _AE)
        if not lookup.concurrently:
            self._lock_default(parent.oid, partition.oid)
        root = self._catalogue.root(parent.oid)
        if root != parent.oid:
            self._add(root, LockLevel.ACCESS_SHARE, f"is above {self._label(parent.oid)}")
        for key in self._catalogue.keys:
            if key.table_oid == partition.oid and not self._is_below(key.other_oid, parent.oid):
                self._add(key.other_oid, LockLevel.SHARE_ROW_EXCLUSIVE, self._refers(key))
            if key.other_oid == partition.oid:
                self._add(key.table_oid, _AE, self._refers(key))

    def _domain_checked(self, lookup: DomainChecked) -> None:
        for oid in self._users(lookup.domain):
            reason = f"has a column of the domain {lookup.domain}"
            self._add(oid, LockLevel.SHARE, reason)

    def _users(self, domain: str) -> Sequence[int]:
        *schemas, name = TokenReader(list(tokenize(domain))).name_parts() or [""]
        found = self._catalogue.find_type(schemas[-1] if schemas else None, name)
        if found is None:
            self._known = False
            return ()
        return self._catalogue.uses.get(found.oid, ())

    def _composite_altered(self, lookup: CompositeAltered) -> None:
        *schemas, name = TokenReader(list(tokenize(lookup.type))).name_parts() or [""]
        found = self._catalogue.find_type(schemas[-1] if schemas else None, name)
        for table in [*self._catalogue.relations.values()]:
            if found and table.of_type == found.oid:
                self._add(table.oid, _AE, f"is made of the type {lookup.type}")
                self._lock_below(table.oid, _AE)

    def _table_of_index(self, lookup: TableOfIndex) -> None:
        index = self._catalogue.find(lookup.index)
        if index and index.table_oid:
            self._add(index.table_oid, lookup.level, f"has the index {lookup.index}")

    def _maintained(self, lookup: Maintained) -> None:
        table = self._catalogue.find(lookup.table)
        if table is None:
            return
        self._lock_below(table.oid, lookup.level, partitions=True)
        if self._catalogue.version >= _GOES_FURTHER:
            self._lock_below(table.oid, lookup.level, inheriting=True)
        elif lookup.analyzes:
            self._lock_below(table.oid, LockLevel.ACCESS_SHARE, inheriting=True)

    def _alone(self, lookup: Alone) -> None:
        relation = self._catalogue.find(lookup.table)
        if relation and relation.kind in "pI":
            self._transactional = False
            self._lock_below(relation.table_oid or relation.oid, lookup.level, partitions=True)

    def _cost(self, lookup: Lookup) -> tuple[Work, str] | None:
        """Return what the catalogue says of a part of the work; None where that is nothing."""
        match lookup:
            case TypeChanged():
                return self._cost_of_type(lookup)
            case ColumnAdded():
                return self._cost_of_column(lookup)
            case NotNullSet():
                return self._cost_of_not_null(lookup)
            case ExpressionSet():
                column = self._column(lookup.table, lookup.column)
                if column is None:
                    return None
                stored = column.generated == "s"
                return (
                    (Work.REWRITE, "the column is computed for every row")
                    if stored
                    else (Work.NONE, "")
                )
            case PropertySet():
                return self._cost_of_property(lookup)
            case Validated():
                table = self._catalogue.find(lookup.table)
                if table is None:
                    return None
                known = self._catalogue.constraints.get((table.oid, lookup.constraint))
                return (Work.NONE, "it is valid already") if known and known[1] else None
            case DomainChecked():
                return None if self._users(lookup.domain) or not self._known else (Work.NONE, "")
            case _:
                return None

    def _column(self, table: str, name: str) -> Column | None:
        relation = self._catalogue.find(table)
        return self._catalogue.columns.get((relation.oid, name)) if relation else None

    def _cost_of_type(self, lookup: TypeChanged) -> tuple[Work, str] | None:
        table = self._catalogue.find(lookup.table)
        if table is None:
            return None
        family = [table, *self._catalogue.below(table.oid)]
        self._lock_keys_of_column(family, lookup.column)
        partitioned = table.kind == "p"
        answers = []
        for each in family:
            column = self._catalogue.columns.get((each.oid, lookup.column))
            if column is None:
                return None
            answer = type_changes.work_of(self._catalogue, column, lookup, partitioned=partitioned)
            if answer is None:
                return None
            answers.append(answer)
        return max(answers, key=lambda answer: answer[0].amount)

    def _lock_keys_of_column(self, family: Sequence[Relation], column: str) -> None:
        """Lock the other side of each foreign key of the column: the key is made anew."""
        oids = {each.oid for each in family}
        for key in self._catalogue.keys:
            if key.table_oid in oids and column in key.columns:
                self._add(key.other_oid, _AE, self._refers(key))
                self._lock_below(key.other_oid, _AE, partitions=True)
            if key.other_oid in oids and column in key.other_columns:
                self._add(key.table_oid, _AE, self._refers(key))
                self._lock_below(key.table_oid, _AE, partitions=True)

    def _cost_of_column(self, lookup: ColumnAdded) -> tuple[Work, str] | None:
        type_ = self._catalogue.find_type(lookup.type.schema, lookup.type.name)
        if type_ is None:
            return None
        domain = type_ if not lookup.type.is_array else None
        while domain and domain.kind == "d":
            if domain.has_constraints:
                why = f"the domain {domain.name} is checked for the value of every row"
                return Work.REWRITE, why
            if domain.has_default:
                return None
            domain = self._catalogue.types.get(domain.base_oid)
        volatile = [self._catalogue.volatile.get(each) for each in lookup.functions]
        for function, is_volatile in zip(lookup.functions, volatile, strict=True):
            if is_volatile:
                return Work.REWRITE, f"{function}() is volatile: every row gets a value of its own"
        return None if None in volatile else (Work.NONE, "")

    def _cost_of_not_null(self, lookup: NotNullSet) -> tuple[Work, str] | None:
        table = self._catalogue.find(lookup.table)
        if table is None or not lookup.columns:
            return None
        family = [table, *(() if lookup.only else self._catalogue.below(table.oid))]
        columns = [
            self._catalogue.columns.get((each.oid, name))
            for each in family
            for name in lookup.columns
        ]
        if all(column is not None and column.is_not_null for column in columns):
            return Work.NONE, "no row is read: a valid CHECK or NOT NULL proves it already"
        return None

    def _cost_of_property(self, lookup: PropertySet) -> tuple[Work, str] | None:
        table = self._catalogue.find(lookup.table)
        if table is None:
            return None
        match lookup.property:
            case Property.LOGGED:
                has_it = table.persistence == "p"
            case Property.UNLOGGED:
                has_it = table.persistence == "u"
            case Property.TABLESPACE:
                has_it = table.tablespace == lookup.value
            case Property.METHOD:
                has_it = table.method == lookup.value
            case _:
                assert_never(lookup.property)
        if has_it or table.kind in "pI":
            return Work.NONE, ""
        if table.kind == "i":
            return None
        return Work.REWRITE, "the whole table is copied while nobody can read it"


def _checks(columns: frozenset[str], command: str, changed: set[str]) -> bool:
    """Return whether a foreign key of the table is checked for rows that are written."""
    return command in ("insert", "merge") or bool(command == "update" and columns & changed)


def _removes(columns: frozenset[str], command: str, changed: set[str]) -> bool:
    """Return whether a key that others refer to goes with rows that are written."""
    return command in ("delete", "merge") or bool(command == "update" and columns & changed)


def _losing(gone: Gone, lookup: Dropped) -> str:
    of = f"{lookup.part} of {lookup.name}" if lookup.part else lookup.name
    match gone.what:
        case "relation":
            return f"goes with {of}"
        case what:
            return f"has the {what} {quote(gone.part or '')}, which goes with {of}"


def _change(catalogue: Catalogue, lookup: Lookup) -> None:
    """Leave the catalogue as the statement does."""
    match lookup:
        case Renamed():
            catalogue.names.rename(lookup.table, lookup.name)
        case PathSet():
            catalogue.names.path = lookup.schemas
        case Dropped():
            for gone in catalogue.dropped.get(lookup, ()):
                if gone.what == "relation" and gone.table_oid:
                    catalogue.forget(gone.table_oid)
                elif gone.what == "constraint":
                    catalogue.keys = [
                        key
                        for key in catalogue.keys
                        if (key.table_oid, key.name) != (gone.table_oid, gone.part)
                    ]
        case KeyAdded():
            table, other = (catalogue.find(each) for each in (lookup.table, lookup.other))
            if other and not table:
                name = lookup.table.removeprefix("public.")
                catalogue.new_keys.setdefault(name, []).append(other.oid)
            elif other and table:
                key = ForeignKey(
                    0, "", table.oid, other.oid, False, "a", "a", frozenset(), frozenset()
                )
                catalogue.keys.append(key)
        case Attached() | Detached():
            parent, partition = (catalogue.find(each) for each in (lookup.parent, lookup.partition))
            if parent and partition:
                move = catalogue.attach if isinstance(lookup, Attached) else catalogue.detach
                move(parent.oid, partition.oid)
        case _:
            pass
