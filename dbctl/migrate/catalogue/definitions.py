"""What ALTER, CREATE and maintenance reach: the tables below, keys, defaults, domains, indexes."""

from __future__ import annotations

from collections.abc import Sequence

from dbctl.migrate.catalogue.reached import Reached
from dbctl.migrate.catalogue.relations import parts_of
from dbctl.migrate.statements.levels import LockLevel
from dbctl.migrate.statements.lookups import (
    Alone,
    Attached,
    Below,
    CompositeAltered,
    Detached,
    DomainChecked,
    IndexAdded,
    KeyAdded,
    Maintained,
    TableOfIndex,
    Validated,
)

_AE = LockLevel.ACCESS_EXCLUSIVE
# The first version that locks all below a table for a constraint that it adds, and goes on to
# what inherits in VACUUM and ANALYZE.
_GOES_FURTHER = 18


def below(found: Reached, lookup: Below) -> None:
    """Add the tables below a table that is altered."""
    table = found.catalogue.find(lookup.table)
    if table is None:
        return
    if lookup.constraint:
        type_, _ = found.catalogue.constraints.get((table.oid, lookup.constraint), ("", True))
        if type_ not in ("c", "n"):  # others that a partition has are objects of their own
            return
    found.lock_below(
        table.oid, lookup.level, partitions=lookup.partitions, inheriting=lookup.inheriting
    )


def key_added(found: Reached, lookup: KeyAdded) -> None:
    """Add the partitions on both sides of a new foreign key."""
    level = LockLevel.SHARE_ROW_EXCLUSIVE
    if other := found.catalogue.find(lookup.other):
        found.lock_below(other.oid, level, partitions=True)
    if table := found.catalogue.find(lookup.table):
        found.lock_below(table.oid, level, partitions=found.catalogue.version < _GOES_FURTHER)


def index_added(found: Reached, lookup: IndexAdded) -> None:
    """Add the tables below, on which the index of a constraint is built."""
    if table := found.catalogue.find(lookup.table):
        if found.catalogue.version >= _GOES_FURTHER:
            found.lock_below(table.oid, _AE)
        else:
            found.lock_below(table.oid, LockLevel.SHARE, partitions=True)


def validated(found: Reached, lookup: Validated) -> None:
    """Add the tables whose rows are read for a constraint."""
    table = found.catalogue.find(lookup.table)
    if table is None:
        return
    type_, is_valid = found.catalogue.constraints.get((table.oid, lookup.constraint), ("", True))
    if is_valid:
        return
    if type_ in ("c", "n"):
        found.lock_below(table.oid, LockLevel.SHARE_UPDATE_EXCLUSIVE)
    for key in found.catalogue.keys:
        if (key.table_oid, key.name) == (table.oid, lookup.constraint):
            found.add(key.other_oid, LockLevel.ROW_SHARE, found.refers(key))
            found.lock_below(table.oid, LockLevel.SHARE_UPDATE_EXCLUSIVE, partitions=True)


def attached(found: Reached, lookup: Attached) -> None:
    """Add what a new partition is checked against: the default partition, and keys."""
    parent = found.catalogue.find(lookup.parent)
    partition = found.catalogue.find(lookup.partition)
    if partition is not None:
        found.lock_below(partition.oid, _AE)
    if parent is None:
        return
    if not lookup.default:
        found.lock_default(parent.oid, below=True)
    for key in found.catalogue.keys:
        for one, other in ((key.table_oid, key.other_oid), (key.other_oid, key.table_oid)):
            if one == parent.oid and not _is_below(found, other, parent.oid):
                found.add(other, LockLevel.SHARE_ROW_EXCLUSIVE, found.refers(key))


def _is_below(found: Reached, oid: int, parent: int) -> bool:
    return oid == parent or any(each.oid == oid for each in found.catalogue.below(parent))


def detached(found: Reached, lookup: Detached) -> None:
    """Add what a partition leaves: the default partition, and keys."""
    parent = found.catalogue.find(lookup.parent)
    partition = found.catalogue.find(lookup.partition)
    if parent is None or partition is None:
        return
    found.lock_below(partition.oid, _AE)
    if not lookup.concurrently:
        found.lock_default(parent.oid, partition.oid)
    root = found.catalogue.root(parent.oid)
    if root != parent.oid:
        found.add(root, LockLevel.ACCESS_SHARE, f"above {found.label(parent.oid)}")
    for key in found.catalogue.keys:
        if key.table_oid == partition.oid and not _is_below(found, key.other_oid, parent.oid):
            found.add(key.other_oid, LockLevel.SHARE_ROW_EXCLUSIVE, found.refers(key))
        if key.other_oid == partition.oid:
            found.add(key.table_oid, _AE, found.refers(key))


def domain_checked(found: Reached, lookup: DomainChecked) -> None:
    """Add the tables that have a column of a domain."""
    for oid in users(found, lookup.domain):
        reason = f"column of the domain {lookup.domain}"
        found.add(oid, LockLevel.SHARE, reason)


def users(found: Reached, domain: str) -> Sequence[int]:
    """Return the tables that have a column of a domain; none of one that is not known."""
    *schemas, name = parts_of(domain) or [""]
    type_ = found.catalogue.find_type(schemas[-1] if schemas else None, name)
    if type_ is None:
        found.known = False
        return ()
    return found.catalogue.uses.get(type_.oid, ())


def composite_altered(found: Reached, lookup: CompositeAltered) -> None:
    """Add the tables that were created OF a type."""
    *schemas, name = parts_of(lookup.type) or [""]
    type_ = found.catalogue.find_type(schemas[-1] if schemas else None, name)
    for table in [*found.catalogue.relations.values()]:
        if type_ and table.of_type == type_.oid:
            found.add(table.oid, _AE, f"created of the type {lookup.type}")
            found.lock_below(table.oid, _AE)


def table_of_index(found: Reached, lookup: TableOfIndex) -> None:
    """Add the table of an index."""
    index = found.catalogue.find(lookup.index)
    if index and index.table_oid:
        found.add(index.table_oid, lookup.level, f"table of the index {lookup.index}")


def maintained(found: Reached, lookup: Maintained) -> None:
    """Add the tables below that VACUUM or ANALYZE goes on to."""
    table = found.catalogue.find(lookup.table)
    if table is None:
        return
    if lookup.only:
        if lookup.analyzes:
            found.lock_below(table.oid, LockLevel.ACCESS_SHARE)
        return
    found.lock_below(table.oid, lookup.level, partitions=True)
    if found.catalogue.version >= _GOES_FURTHER:
        found.lock_below(table.oid, lookup.level, inheriting=True)
    elif lookup.analyzes:
        found.lock_below(table.oid, LockLevel.ACCESS_SHARE, inheriting=True)


def alone(found: Reached, lookup: Alone) -> None:
    """Add the partitions of what the server takes one by one, outside a transaction."""
    relation = found.catalogue.find(lookup.table)
    if relation and relation.kind in "pI":
        found.transactional = False
        found.lock_below(relation.table_oid or relation.oid, lookup.level, partitions=True)
