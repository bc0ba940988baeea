"""What DROP and TRUNCATE reach: what belongs to it, what depends on it, and who refers to it."""

from __future__ import annotations

from collections import defaultdict

from dbctl.migrate.catalogue.reached import Reached
from dbctl.migrate.catalogue.relations import ForeignKey, Gone
from dbctl.migrate.statements.assessment import Loss
from dbctl.migrate.statements.levels import LockLevel
from dbctl.migrate.statements.lookups import OF_RELATIONS, Dropped, Truncated
from dbctl.sqltokens import quote

_AE = LockLevel.ACCESS_EXCLUSIVE


def dropped(found: Reached, lookup: Dropped) -> None:
    """Add the tables that a DROP takes, or takes something from."""
    for oid in found.catalogue.new_keys.get(lookup.name.removeprefix("public."), ()):
        found.add(oid, _AE, f"foreign key of {lookup.name}")
        found.lock_below(oid, _AE, partitions=True)
    taken = found.catalogue.dropped.get(lookup)
    if not taken:
        found.known &= lookup.kind in OF_RELATIONS or not lookup.cascade
        return
    if lookup.kind in OF_RELATIONS and found.catalogue.find(lookup.name) is None:
        return
    found.drop_described()
    for gone in taken:
        _gone(found, gone, lookup)


def _gone(found: Reached, gone: Gone, lookup: Dropped) -> None:
    relation = found.catalogue.relations.get(gone.table_oid or 0)
    if relation is None:
        return
    name = found.label(relation.oid)
    if gone.what == "statistics":
        found.add(relation.oid, LockLevel.SHARE_UPDATE_EXCLUSIVE, f"statistics {gone.part}")
        return
    found.add(relation.oid, _AE, _losing(gone, lookup))
    if gone.what == "relation" and relation.is_partition:
        for parent in found.catalogue.parents.get(relation.oid, ()):
            found.add(parent, _AE, f"parent of {name}")
            found.lock_default(parent, relation.oid)
    if gone.what == "relation" and relation.kind in "rpf" and not gone.is_root:
        found.lose(Loss(name))
    elif gone.what == "column" and not gone.is_root:
        found.lose(Loss(name, quote(gone.part or "")))


def truncated(found: Reached, lookup: Truncated) -> None:
    """Add the tables below a table that is emptied and, with CASCADE, those that refer to it."""
    table = found.catalogue.find(lookup.table)
    if table is None:
        return
    emptied = [table.oid, *(each.oid for each in found.catalogue.below(table.oid))]
    if lookup.only:
        emptied = emptied[:1]
    else:
        found.lock_below(table.oid, _AE)
        for oid in emptied[1:]:
            found.lose(Loss(found.label(oid)))
    if not lookup.cascade:
        return
    found.drop_described()
    referring: dict[int, list[ForeignKey]] = defaultdict(list)
    for key in found.catalogue.keys:
        referring[key.other_oid].append(key)
    seen = set(emptied)
    for oid in emptied:  # which grows
        for key in referring[oid]:
            if key.table_oid not in seen:
                seen.add(key.table_oid)
                emptied.append(key.table_oid)
                found.add(key.table_oid, _AE, found.refers(key))
                found.lose(Loss(found.label(key.table_oid)))


def _losing(gone: Gone, lookup: Dropped) -> str:
    of = f"{lookup.part} of {lookup.name}" if lookup.part else lookup.name
    match gone.what:
        case "relation":
            return f"dropped with {of}"
        case what:
            return f"its {what} {quote(gone.part or '')} is dropped with {of}"
