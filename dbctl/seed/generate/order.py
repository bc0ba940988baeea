"""In which order tables are filled: parents first, and what is done about cycles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dbctl.db.names import listed
from dbctl.db.tables import ForeignKey, Table
from dbctl.errors import UsageError


@dataclass(frozen=True, slots=True)
class Ordered:
    """Tables in the order in which they are filled.

    `deferred` are the foreign keys that are checked at the end, `empty` those that stay NULL, both
    by (oid of the table, name): they close a cycle.
    """

    tables: tuple[Table, ...]
    deferred: frozenset[tuple[int, str]]
    empty: frozenset[tuple[int, str]]


def in_order(tables: Sequence[Table]) -> Ordered:
    """Put tables behind those that their foreign keys point at, by name where that is open.

    Raises UsageError where a cycle has neither a deferrable foreign key nor one that may be NULL.
    """
    left = {table.relation.oid: table for table in sorted(tables, key=lambda table: table.label)}
    edges = {
        oid: [key for key in table.foreign_keys if key.target_oid in left and key.target_oid != oid]
        for oid, table in left.items()
    }
    deferred: set[tuple[int, str]] = set()
    empty: set[tuple[int, str]] = set()
    done: list[Table] = []
    while left:
        ready = next(
            (oid for oid in left if not any(key.target_oid in left for key in edges[oid])), None
        )
        if ready is not None:
            done.append(left.pop(ready))
            continue
        cycle = _cycle(left, edges)
        oid, key = _weakest(cycle)
        if key.deferrable:
            deferred.add((oid, key.name))
        else:
            empty.add((oid, key.name))
        edges[oid].remove(key)
    return Ordered(tuple(done), frozenset(deferred), frozenset(empty))


def _cycle(
    left: Mapping[int, Table], edges: Mapping[int, Sequence[ForeignKey]]
) -> list[tuple[Table, ForeignKey]]:
    """Return the foreign keys of one cycle; every table that is left points at another one."""
    path: list[tuple[Table, ForeignKey]] = []
    seen: dict[int, int] = {}
    oid = next(iter(left))
    while oid not in seen:
        seen[oid] = len(path)
        key = next(key for key in edges[oid] if key.target_oid in left)
        path.append((left[oid], key))
        oid = key.target_oid
    return path[seen[oid] :]


def _weakest(cycle: Sequence[tuple[Table, ForeignKey]]) -> tuple[int, ForeignKey]:
    for table, key in cycle:
        if key.deferrable:
            return table.relation.oid, key
    for table, key in cycle:
        if may_be_null(table, key):
            return table.relation.oid, key
    names = listed([f"{key.name} of {table.label}" for table, key in cycle])
    raise UsageError(
        f"{names} form a cycle: none of these rows can be the first",
        hint="Make one of these foreign keys DEFERRABLE, or let its columns be NULL.",
    )


def may_be_null(table: Table, key: ForeignKey) -> bool:
    """Tell whether a row can do without a parent."""
    nullable = [table.column(name).nullable for name in key.columns]
    return all(nullable) if key.match_full else any(nullable)
