"""What reading and writing rows reaches: views, partitions, foreign keys, rules and triggers."""

from __future__ import annotations

from dataclasses import replace

from dbctl.migrate.catalogue.reached import Reached
from dbctl.migrate.catalogue.relations import Relation
from dbctl.migrate.statements.levels import LockLevel
from dbctl.migrate.statements.lookups import Read, Refreshed, Written
from dbctl.sqltokens import quote

# Bits of pg_trigger.tgtype: what fires it.
_FIRES = {"insert": 4, "delete": 8, "update": 16, "merge": 4 | 8 | 16}
# What a foreign key does to the rows of its table, by the letter of pg_constraint: all but these
# only lock them.
_LEAVES_ROWS = ("a", "r")


def refreshed(found: Reached, lookup: Refreshed) -> None:
    """Add what the query of a materialized view reads."""
    if view := found.catalogue.find(lookup.view):
        _sources(found, view, LockLevel.ACCESS_SHARE)


def read(found: Reached, lookup: Read) -> None:
    """Add what a query reads through a table or view that it names."""
    table = found.catalogue.find(lookup.table)
    if table is None:
        return
    if table.kind == "v":
        _sources(found, table, lookup.level, only=lookup.only, certain=lookup.certain)
    elif not lookup.only:
        _read_below(found, table.oid, lookup.level, certain=lookup.certain)


def _read_below(found: Reached, oid: int, level: LockLevel, *, certain: bool) -> None:
    found.lock_below(oid, level, partitions=True, certain=certain)
    found.lock_below(oid, level, inheriting=True)


def _sources(
    found: Reached, view: Relation, level: LockLevel, *, only: bool = False, certain: bool = False
) -> None:
    """Add what the query of a view reads, and those of the views in it."""
    for oid in found.catalogue.sources.get(view.oid, ()):
        source = found.catalogue.relations.get(oid)
        if source is None or found.holds(oid, level):
            continue
        found.add(oid, level, f"read by {found.label(view.oid)}")
        if source.kind == "v":
            _sources(found, source, level, only=only, certain=certain)
        elif not only:
            _read_below(found, oid, level, certain=certain)


def written(found: Reached, lookup: Written) -> None:
    """Add what the server looks up, changes and calls for each row that is written."""
    table = found.catalogue.find(lookup.table)
    if table is None:
        return
    if table.kind == "v":
        for oid in found.catalogue.sources.get(table.oid, ()):
            written(found, replace(lookup, table=_qualified(found, oid)))
        return
    tables = [table, *(() if lookup.only else found.catalogue.below(table.oid))]
    oids = {each.oid for each in tables}
    if lookup.command in ("insert", "merge"):
        found.lock_below(table.oid, LockLevel.ROW_EXCLUSIVE, partitions=True, certain=False)
    # A row of another partition is deleted here and inserted there.
    moves = lookup.command == "update" and table.kind == "p"
    command = "merge" if moves else lookup.command
    _follow_keys(found, command, set(lookup.columns), oids)
    for oid in found.catalogue.rules.get(table.oid, ()):
        reason = f"in a rule of {found.label(table.oid)}"
        found.add(oid, LockLevel.ROW_EXCLUSIVE, reason, certain=False)
    for trigger in (each for oid in oids for each in found.catalogue.triggers.get(oid, ())):
        if trigger.type & _FIRES[command]:
            found.known = False
            found.notes.append(
                f"the trigger {quote(trigger.name)} calls {quote(trigger.function)}(), which "
                "may lock and change other tables"
            )
            break


def _qualified(found: Reached, oid: int) -> str:
    relation = found.catalogue.relations.get(oid)
    return f"{quote(relation.schema)}.{quote(relation.name)}" if relation else ""


def _follow_keys(found: Reached, command: str, columns: set[str], oids: set[int]) -> None:
    """Add the other side of each foreign key that is checked for the rows."""
    seen = set(oids)
    left = [(command, columns, oids)]
    while left:
        command, columns, oids = left.pop()
        for key in found.catalogue.keys:
            if key.table_oid in oids and _checks(key.columns, command, columns):
                reason = found.refers(key)
                found.add(key.other_oid, LockLevel.ROW_SHARE, reason, certain=False)
                _read_below_key(found, key.other_oid)
            if key.other_oid in oids and _removes(key.other_columns, command, columns):
                action = key.on_update if command == "update" else key.on_delete
                follows = action not in _LEAVES_ROWS
                level = LockLevel.ROW_EXCLUSIVE if follows else LockLevel.ROW_SHARE
                found.add(key.table_oid, level, found.refers(key), certain=False)
                if follows and key.table_oid not in seen:
                    seen.add(key.table_oid)
                    next_command = "delete" if action == "c" and command != "update" else "update"
                    left.append((next_command, set(key.columns), {key.table_oid}))


def _read_below_key(found: Reached, oid: int) -> None:
    found.lock_below(oid, LockLevel.ROW_SHARE, partitions=True, certain=False)


def _checks(columns: frozenset[str], command: str, changed: set[str]) -> bool:
    """Return whether a foreign key of the table is checked for rows that are written."""
    return command in ("insert", "merge") or bool(command == "update" and columns & changed)


def _removes(columns: frozenset[str], command: str, changed: set[str]) -> bool:
    """Return whether a key that others refer to goes with rows that are written."""
    return command in ("delete", "merge") or bool(command == "update" and columns & changed)
