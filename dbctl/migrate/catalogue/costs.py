"""How much work a statement is, where the types and constraints of the database decide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from dbctl.migrate.catalogue import type_changes
from dbctl.migrate.catalogue.definitions import users
from dbctl.migrate.catalogue.reached import Reached
from dbctl.migrate.catalogue.relations import Column, Relation
from dbctl.migrate.statements.levels import LockLevel, Work
from dbctl.migrate.statements.lookups import (
    ColumnAdded,
    DomainChecked,
    ExpressionSet,
    IndexBuilt,
    Lookup,
    NotNullSet,
    Property,
    PropertySet,
    TypeChanged,
    Validated,
)

_AE = LockLevel.ACCESS_EXCLUSIVE


def cost_of(found: Reached, lookup: Lookup) -> tuple[Work, str] | None:
    """Return what the catalogue says of a part of the work; None where that is nothing."""
    match lookup:
        case TypeChanged():
            return _cost_of_type(found, lookup)
        case ColumnAdded():
            return _cost_of_column(found, lookup)
        case NotNullSet():
            return _cost_of_not_null(found, lookup)
        case ExpressionSet():
            column = _column(found, lookup.table, lookup.column)
            if column is None:
                return None
            stored = column.generated == "s"
            return (
                (Work.REWRITE, "the column is computed for every row")
                if stored
                else (Work.NONE, "")
            )
        case IndexBuilt():
            return _cost_of_index(found, lookup)
        case PropertySet():
            return _cost_of_property(found, lookup)
        case Validated():
            table = found.catalogue.find(lookup.table)
            if table is None:
                return None
            known = found.catalogue.constraints.get((table.oid, lookup.constraint))
            return (Work.NONE, "it is valid already") if known and known[1] else None
        case DomainChecked():
            return None if users(found, lookup.domain) or not found.known else (Work.NONE, "")
        case _:
            return None


def _column(found: Reached, table: str, name: str) -> Column | None:
    relation = found.catalogue.find(table)
    return found.catalogue.columns.get((relation.oid, name)) if relation else None


def _cost_of_type(found: Reached, lookup: TypeChanged) -> tuple[Work, str] | None:
    table = found.catalogue.find(lookup.table)
    if table is None:
        return None
    family = [table, *found.catalogue.below(table.oid)]
    _lock_keys_of_column(found, family, lookup.column)
    partitioned = table.kind == "p"
    answers = []
    for each in family:
        column = found.catalogue.columns.get((each.oid, lookup.column))
        if column is None:
            return None
        answer = type_changes.work_of(found.catalogue, column, lookup, partitioned=partitioned)
        if answer is None:
            return None
        answers.append(answer)
    return max(answers, key=lambda answer: answer[0].amount)


def _lock_keys_of_column(found: Reached, family: Sequence[Relation], column: str) -> None:
    """Lock the other side of each foreign key of the column: the key is made anew."""
    oids = {each.oid for each in family}
    for key in found.catalogue.keys:
        if key.table_oid in oids and column in key.columns:
            found.add(key.other_oid, _AE, found.refers(key))
            found.lock_below(key.other_oid, _AE, partitions=True)
        if key.other_oid in oids and column in key.other_columns:
            found.add(key.table_oid, _AE, found.refers(key))
            found.lock_below(key.table_oid, _AE, partitions=True)


def _cost_of_column(found: Reached, lookup: ColumnAdded) -> tuple[Work, str] | None:
    type_ = found.catalogue.find_type(lookup.type.schema, lookup.type.name)
    if type_ is None:
        return None
    domain = type_ if not lookup.type.is_array else None
    while domain and domain.kind == "d":
        if domain.has_constraints:
            why = f"the domain {domain.name} is checked for the value of every row"
            return Work.REWRITE, why
        if domain.has_default:
            return None
        domain = found.catalogue.types.get(domain.base_oid)
    volatile = [found.catalogue.volatile.get(each) for each in lookup.functions]
    for function, is_volatile in zip(lookup.functions, volatile, strict=True):
        if is_volatile:
            return Work.REWRITE, f"{function}() is volatile: every row gets a value of its own"
    return None if None in volatile else (Work.NONE, "")


def _cost_of_not_null(found: Reached, lookup: NotNullSet) -> tuple[Work, str] | None:
    table = found.catalogue.find(lookup.table)
    if table is None or not lookup.columns:
        return None
    family = [table, *(() if lookup.only else found.catalogue.below(table.oid))]
    columns = [
        found.catalogue.columns.get((each.oid, name)) for each in family for name in lookup.columns
    ]
    if all(column is not None and column.is_not_null for column in columns):
        return Work.NONE, "no row is read: a valid CHECK or NOT NULL proves it already"
    return None


def _cost_of_index(found: Reached, lookup: IndexBuilt) -> tuple[Work, str] | None:
    table = found.catalogue.find(lookup.table)
    if lookup.index and found.catalogue.find(lookup.index):
        return Work.NONE, "an index of that name is there already"
    if table and table.kind == "p" and lookup.only:
        return Work.NONE, "no partition is read: the index is not valid before each has one"
    return None


def _cost_of_property(found: Reached, lookup: PropertySet) -> tuple[Work, str] | None:
    table = found.catalogue.find(lookup.table)
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
