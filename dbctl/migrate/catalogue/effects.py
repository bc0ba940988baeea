"""Apply a statement to the catalogue: what it locks beside the tables of its text, and its work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import assert_never

from dbctl.migrate.catalogue import definitions, drops, rows
from dbctl.migrate.catalogue.costs import cost_of
from dbctl.migrate.catalogue.reached import Lock, Reached
from dbctl.migrate.catalogue.relations import Catalogue, ForeignKey
from dbctl.migrate.statements.assessment import Assessment, Cost, Loss, greatest
from dbctl.migrate.statements.levels import Work
from dbctl.migrate.statements.lookups import (
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
    IndexBuilt,
    KeyAdded,
    Lookup,
    Maintained,
    NotNullSet,
    PathSet,
    PropertySet,
    Read,
    Refreshed,
    Renamed,
    TableOfIndex,
    Truncated,
    TypeChanged,
    Validated,
    Written,
    ZoneSet,
)


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
    found = Reached(assessment, catalogue)
    for lookup in assessment.lookups:
        _follow(found, lookup)
    cost = greatest([_cost(found, each) for each in assessment.costs])
    notes = [*found.notes, *([cost.note] if cost.note else [])]
    effect = Effect(
        locks=found.locks,
        work=cost.work,
        note="; ".join(dict.fromkeys(notes)),
        losses=tuple(found.losses),
        transactional=found.transactional,
        index=assessment.index,
        known=found.known,
        oids={
            loss.table: catalogue.shown[loss.table]
            for loss in found.losses
            if loss.table in catalogue.shown
        },
    )
    for lookup in assessment.lookups:
        _change(catalogue, lookup)
    catalogue.names.hidden |= {each.removeprefix("public.") for each in assessment.creates}
    return effect


def _cost(found: Reached, cost: Cost) -> Cost:
    answer = cost_of(found, cost.lookup) if cost.lookup else None
    return cost if answer is None else Cost(*answer)


def _follow(found: Reached, lookup: Lookup) -> None:
    """Add what a lookup finds."""
    match lookup:
        case Below():
            definitions.below(found, lookup)
        case Read():
            rows.read(found, lookup)
        case Written():
            rows.written(found, lookup)
        case Dropped():
            drops.dropped(found, lookup)
        case Truncated():
            drops.truncated(found, lookup)
        case KeyAdded():
            definitions.key_added(found, lookup)
        case IndexAdded():
            definitions.index_added(found, lookup)
        case Validated():
            definitions.validated(found, lookup)
        case Attached():
            definitions.attached(found, lookup)
        case Detached():
            definitions.detached(found, lookup)
        case DomainChecked():
            definitions.domain_checked(found, lookup)
        case CompositeAltered():
            definitions.composite_altered(found, lookup)
        case TableOfIndex():
            definitions.table_of_index(found, lookup)
        case Maintained():
            definitions.maintained(found, lookup)
        case Alone():
            definitions.alone(found, lookup)
        case Refreshed():
            rows.refreshed(found, lookup)
        case (
            TypeChanged() | ColumnAdded() | IndexBuilt() | NotNullSet() | ExpressionSet()
            | PropertySet() | Renamed() | PathSet() | ZoneSet()
        ):  # fmt: skip
            pass
        case _:
            assert_never(lookup)


def _change(catalogue: Catalogue, lookup: Lookup) -> None:
    """Leave the catalogue as the statement does."""
    match lookup:
        case Renamed():
            catalogue.names.rename(lookup.table, lookup.name)
        case PathSet():
            catalogue.names.path = lookup.schemas
        case ZoneSet():
            catalogue.time_zone = lookup.zone or catalogue.default_zone
        case Dropped():
            catalogue.forget(catalogue.dropped.get(lookup, ()))
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
