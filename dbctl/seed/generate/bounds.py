"""The limits that a check sets to one column, read off its expression."""

from __future__ import annotations

import re
from typing import Any

from dbctl.db.catalog import Column
from dbctl.seed.generate.constants import literal_of
from dbctl.seed.generate.expressions import Node, Opaque, conjuncts
from dbctl.seed.generate.limits import Kind, Limits, kind_of
from dbctl.seed.generate.sqllogic import is_portable, like

_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "<>": "<>"}
_NEGATED = {"<": ">=", ">": "<=", "<=": ">", ">=": "<", "=": "<>", "<>": "="}
_BOUNDED = {
    Kind.INTEGER,
    Kind.NUMERIC,
    Kind.FLOAT,
    Kind.DATE,
    Kind.TIMESTAMP,
    Kind.TIMESTAMPTZ,
}
_LENGTHS = {
    "length",
    "char_length",
    "character_length",
    "cardinality",
    "array_length",
}


def narrowed(limits: Limits, node: Node, column: Column) -> tuple[Limits, bool]:
    """Return what a check leaves of `limits`, and whether all of the check is in it.

    A part that sets no limit is left out: what is made is tried against the whole check then.
    """
    complete = True
    for part in conjuncts(node):
        if set(part.columns()) != {column.name}:
            complete = False
            continue
        try:
            changes = _changes(part, column)
        except Opaque:
            changes = None
        if changes is None:
            complete = False
        else:
            limits = limits.narrowed(**changes)
            complete = complete and changes.keys() <= _kept(column)
    return limits, complete


def _kept(column: Column) -> set[str]:
    """Return the limits that every rule of the column's type keeps by itself."""
    kind = kind_of(column)
    kept = {"not_null", "values"}
    if column.is_array or kind is Kind.TEXT:
        kept |= {"min_length", "max_length"}
    if kind in _BOUNDED and not column.is_array:
        kept |= {"low", "high", "above", "below"}
    return kept


def _changes(node: Node, column: Column) -> dict[str, Any] | None:
    kind = kind_of(column)
    match node:
        case Node("not", None, (Node("is null", None, (inner,)),)) if _is(inner, column):
            return {"not_null": True}
        case Node("column", _) if kind is Kind.BOOL:
            return {"values": (True,)}
        case Node("not", None, (Node("compare", operator, (left, right)),)):
            return _comparison(_NEGATED[operator], left, right, column, kind)
        case Node("compare", operator, (left, right)):
            return _comparison(operator, left, right, column, kind)
        case Node("any", "=", (left, array)) if _is(left, column):
            values = _values(array, kind)
            return {"values": _in_type(values, column)}
        case Node("all", "<>", (left, array)) if _is(left, column):
            return {"excluded": _values(array, kind)}
        case Node("or", None, parts):
            return _alternatives(parts, column)
        case Node("operator", "~" | "~*", (left, pattern)) if _is(left, column):
            text = literal_of(pattern, Kind.TEXT)
            return {"pattern": text} if is_portable(text) else None
        case Node("operator", "~~", (left, pattern)) if _is(left, column):
            return {"pattern": _simple_like(literal_of(pattern, Kind.TEXT))}
        case _:
            return None


def _comparison(
    operator: str, left: Node, right: Node, column: Column, kind: Kind
) -> dict[str, Any] | None:
    if column.name in set(right.columns()):
        left, right, operator = right, left, _MIRRORED[operator]
    if left.kind == "call" and left.value in _LENGTHS and _is(left.arguments[0], column):
        length = literal_of(right, Kind.INTEGER)
        match operator:
            case "=":
                return {"min_length": length, "max_length": length}
            case ">=" | ">":
                return {"min_length": length + (operator == ">")}
            case "<=" | "<":
                return {"max_length": length - (operator == "<")}
            case "<>" if length == 0:
                return {"min_length": 1}
            case _:
                return None
    if not _is(left, column) or column.is_array:
        return None
    value = literal_of(right, kind)
    if value is None:
        return None
    match operator:
        case "=":
            return {"values": (value,)}
        case "<>" if kind is Kind.TEXT and value == "":
            return {"min_length": 1}
        case "<>":
            return {"excluded": (value,)}
        case _ if kind in {Kind.TEXT, Kind.ENUM, Kind.BOOL}:
            return None
        case ">=":
            return {"low": value}
        case ">":
            return {"above": value}
        case "<=":
            return {"high": value}
        case _:
            return {"below": value}


def _alternatives(parts: tuple[Node, ...], column: Column) -> dict[str, Any] | None:
    """Take `a = 1 or a = 2` for a set, and `a is null or …` for the rest of it."""
    rest = [
        part for part in parts if not (part.kind == "is null" and _is(part.arguments[0], column))
    ]
    if len(rest) == 1:
        # Values that satisfy the rest satisfy all; only one part of it, though, can be told.
        return _changes(rest[0], column) if rest[0].kind != "and" else None
    values: list[Any] = []
    for part in rest:
        changes = _changes(part, column)
        if changes is None or set(changes) != {"values"}:
            return None
        values += changes["values"]
    return {"values": tuple(dict.fromkeys(values))}


def _is(node: Node, column: Column) -> bool:
    """Tell whether a part is the column as it is, or as another text type."""
    while node.kind == "cast" and kind_of(column) in {Kind.TEXT, Kind.ENUM, Kind.INTEGER}:
        node = node.arguments[0]
    return node.kind == "column" and node.value == column.name


def _values(array: Node, kind: Kind) -> tuple[Any, ...]:
    while array.kind == "cast":
        array = array.arguments[0]
    if array.kind != "array":
        raise Opaque
    return tuple(literal_of(item, kind) for item in array.arguments)


def _in_type(values: tuple[Any, ...], column: Column) -> tuple[Any, ...]:
    """Leave out what the type does not hold: a label that an enum has not, a text too long."""
    if column.labels:
        return tuple(value for value in values if value in column.labels)
    if column.length is not None and kind_of(column) is Kind.TEXT:
        return tuple(value for value in values if len(value) <= column.length)
    return values


def _simple_like(pattern: str) -> str:
    """Return a regular expression for a LIKE pattern whose places can be filled with letters."""
    source = like(pattern)
    return re.sub(r"(?<!\\)\.", "[a-z]", source.removesuffix("\\Z")) + "$"
