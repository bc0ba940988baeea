"""Whether the server rewrites a table for another type of a column.

Source: ATColumnChangeRequiresRewrite() in src/backend/commands/tablecmds.c, the support functions
of the length coercions that it lets simplify first, and the pg_cast of the server.
"""

from __future__ import annotations

from collections.abc import Sequence

from dbctl.migrate.catalogue.relations import Catalogue, Column, Type
from dbctl.migrate.statements.levels import Work
from dbctl.migrate.statements.lookups import TypeChanged
from dbctl.sqltokens import words

_HEADER = 4  # what the typmod of a type with a length is more than the length
_MOST_DIGITS_OF_SECONDS = 6
_EVERY_FIELD = 0x7FFF
_TIMESTAMPS = frozenset(("timestamp", "timestamptz"))
_STRINGS = frozenset(("text", "varchar"))
# The names of zones that are UTC throughout.
_UTC = words(
    """
    utc uct gmt gmt0 gmt+0 gmt-0 zulu universal greenwich etc/utc etc/uct etc/gmt etc/gmt0 etc/gmt+0
    etc/gmt-0 etc/zulu etc/universal etc/greenwich
    """
)


def work_of(
    catalogue: Catalogue, column: Column, lookup: TypeChanged, *, partitioned: bool
) -> tuple[Work, str] | None:
    """Return what the change costs in one table, and why; None where the type is not known."""
    asked = catalogue.find_type(lookup.type.schema, lookup.type.name)
    old = catalogue.types.get(column.type_oid)
    if asked is None or old is None:
        return None
    new = catalogue.types.get(asked.array_oid) if lookup.type.is_array else asked
    if new is None:
        return None
    if not lookup.simple:
        return Work.REWRITE, f"USING computes {column.name} for every row"
    if not _keeps_values(catalogue, column, old, new, lookup.type.modifiers):
        return Work.REWRITE, f"every value of {column.name} is stored anew, as {new.name}"
    return _work_of_indexes(catalogue, column, lookup, new, partitioned=partitioned)


def _keeps_values(
    catalogue: Catalogue, column: Column, old: Type, new: Type, modifiers: Sequence[str]
) -> bool:
    """Return whether every old value is valid as it is stored."""
    typmod = column.typmod
    old, typmod = _base(catalogue, old, typmod)
    if new.kind == "d" and _is_constrained(catalogue, new):
        return False
    new, domain_typmod = _base(catalogue, new, -1)
    new_typmod = domain_typmod if domain_typmod != -1 else _typmod(new.name, modifiers)
    if new.element_oid:  # each element is coerced, unless there is nothing to do
        element = catalogue.types.get(new.element_oid)
        new_typmod = _typmod(element.name, modifiers) if element else None
        return old.oid == new.oid and new_typmod in (-1, typmod)
    if old.oid != new.oid:
        in_utc = catalogue.time_zone.lower() in _UTC
        same = {old.name, new.name} == _TIMESTAMPS and in_utc
        if not same and (old.oid, new.oid) not in catalogue.binary_casts:
            return False
        if new_typmod is None:
            return False
        if new_typmod == -1:
            return True
        if not (same or {old.name, new.name} <= _STRINGS):
            return False
    return new_typmod is not None and _fits(new.name, typmod, new_typmod)


def _is_constrained(catalogue: Catalogue, domain: Type | None) -> bool:
    while domain is not None and domain.kind == "d":
        if domain.has_constraints:
            return True
        domain = catalogue.types.get(domain.base_oid)
    return False


def _base(catalogue: Catalogue, type_: Type, typmod: int) -> tuple[Type, int]:
    while type_.kind == "d" and (base := catalogue.types.get(type_.base_oid)):
        type_, typmod = base, type_.typmod
    return type_, typmod


def _typmod(name: str, modifiers: Sequence[str]) -> int | None:
    """Return the typmod that the server makes of modifiers, None where that is not known."""
    if not modifiers:
        return -1
    try:
        numbers = [int(each) for each in modifiers]
    except ValueError:
        return None
    match name:
        case "interval":
            return (_EVERY_FIELD << 16) | numbers[0]
        case "varchar" | "bpchar":
            return numbers[0] + _HEADER
        case "varbit" | "bit" | "timestamp" | "timestamptz" | "time" | "timetz":
            return numbers[0]
        case "numeric":
            scale = numbers[1] if len(numbers) > 1 else 0
            return ((numbers[0] << 16) | (scale & 0x7FF)) + _HEADER
    return None


def _fits(name: str, old: int, new: int) -> bool:
    """Return whether every value of a type with one typmod is one with another, unchanged."""
    if new in (-1, old):
        return True
    match name:
        case "varchar" | "varbit":
            return old != -1 and new >= old
        case "numeric":
            scales = [(each - _HEADER) & 0x7FF for each in (old, new)]
            return old != -1 and scales[0] == scales[1] and new >= old
        case "timestamp" | "timestamptz" | "time" | "timetz":
            return new >= _MOST_DIGITS_OF_SECONDS or (old != -1 and new >= old)
        case "interval":
            digits = [each & 0xFFFF for each in (old, new)]
            most = digits[1] >= _MOST_DIGITS_OF_SECONDS
            return most or (old != -1 and old >> 16 == new >> 16 and digits[1] >= digits[0])
    return False


def _work_of_indexes(
    catalogue: Catalogue, column: Column, lookup: TypeChanged, new: Type, *, partitioned: bool
) -> tuple[Work, str]:
    """Return what is left where no row is rewritten: indexes and CHECKs that may differ."""
    old, _ = _base(catalogue, catalogue.types[column.type_oid], -1)
    base, _ = _base(catalogue, new, -1)
    alike = old.oid == base.oid or {old.name, base.name} <= _STRINGS
    collation = lookup.collation or new.collation
    rebuilt = list(column.computed_indexes)
    if partitioned or not alike or collation != column.collation:
        rebuilt += column.indexes
    if rebuilt:
        names = ", ".join(sorted(set(rebuilt)))
        return Work.SCAN, f"no row is rewritten, but indexes are built anew: {names}"
    if column.checks:
        return (
            Work.SCAN,
            f"no row is rewritten, but every row is checked: {', '.join(column.checks)}",
        )
    return Work.NONE, "no row is rewritten: the old values are valid as they are stored"
