"""What a column's type and its own checks leave: bounds, sets, lengths, a pattern."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from dbctl.db.catalog import Column


class Kind(StrEnum):
    """What the values of a column are in Python; `TEXT` is what is handed over as text."""

    BOOL = "bool"
    INTEGER = "integer"
    NUMERIC = "numeric"
    FLOAT = "float"
    TEXT = "text"
    ENUM = "enum"
    UUID = "uuid"
    BYTES = "bytes"
    DATE = "date"
    TIME = "time"
    TIMESTAMP = "timestamp"
    TIMESTAMPTZ = "timestamptz"
    INTERVAL = "interval"
    JSON = "json"
    INET = "inet"
    BITS = "bits"
    RANGE = "range"
    MULTIRANGE = "multirange"
    OTHER = "other"


_KINDS = {
    "bool": Kind.BOOL,
    "int2": Kind.INTEGER,
    "int4": Kind.INTEGER,
    "int8": Kind.INTEGER,
    "oid": Kind.INTEGER,
    "numeric": Kind.NUMERIC,
    "float4": Kind.FLOAT,
    "float8": Kind.FLOAT,
    "text": Kind.TEXT,
    "varchar": Kind.TEXT,
    "bpchar": Kind.TEXT,
    "name": Kind.TEXT,
    "uuid": Kind.UUID,
    "bytea": Kind.BYTES,
    "date": Kind.DATE,
    "time": Kind.TIME,
    "timestamp": Kind.TIMESTAMP,
    "timestamptz": Kind.TIMESTAMPTZ,
    "interval": Kind.INTERVAL,
    "json": Kind.JSON,
    "jsonb": Kind.JSON,
    "inet": Kind.INET,
    "cidr": Kind.INET,
    "bit": Kind.BITS,
    "varbit": Kind.BITS,
}
INTEGERS = {
    "int2": (-(1 << 15), (1 << 15) - 1),
    "int4": (-(1 << 31), (1 << 31) - 1),
    "int8": (-(1 << 63), (1 << 63) - 1),
    "oid": (0, (1 << 32) - 1),
}


def leaf_kind(leaf: str) -> Kind:
    """Return the kind of a built-in type, such as the one that a range is one of."""
    return _KINDS.get(leaf, Kind.OTHER)


def kind_of(column: Column) -> Kind:
    """Return the kind of a column, or of the elements of an array."""
    if column.labels:
        return Kind.ENUM
    if column.subtype is not None:
        return Kind.MULTIRANGE if column.base_name.endswith("multirange") else Kind.RANGE
    if column.base_name == "citext":
        return Kind.TEXT
    return leaf_kind(column.leaf)


@dataclass(frozen=True, slots=True)
class Limits:
    """What the values of a column may be; None is no limit, `low` and `high` are allowed.

    `above` and `below` are not. `values` are the only ones, `excluded` are none. Lengths count
    characters, for arrays elements. `pattern` is a regular expression that has to match.
    """

    low: Any = None
    high: Any = None
    above: Any = None
    below: Any = None
    values: tuple[Any, ...] | None = None
    excluded: tuple[Any, ...] = ()
    min_length: int = 0
    max_length: int | None = None
    pattern: str | None = None
    not_null: bool = False

    def narrowed(self, **changes: Any) -> Limits:
        """Return these limits with others beside them: the narrower one of each holds."""
        merged: dict[str, Any] = {}
        for name, value in changes.items():
            before = getattr(self, name)
            match name:
                case "low" | "above" | "min_length" if before is not None:
                    merged[name] = max(before, value)
                case "high" | "below" | "max_length" if before is not None:
                    merged[name] = min(before, value)
                case "values" if before is not None:
                    merged[name] = tuple(item for item in before if item in value)
                case "excluded":
                    merged[name] = (*before, *value)
                case _:
                    merged[name] = value
        return replace(self, **merged)


def limits_of(column: Column) -> Limits:
    """Return what the type of a column alone allows; of an array, to be NULL or not."""
    limits = Limits() if column.is_array else element_limits(column)
    return limits.narrowed(not_null=not column.nullable)


def element_limits(column: Column) -> Limits:
    """Return what the type alone allows, below the array if it is one."""
    kind = kind_of(column)
    limits = Limits(not_null=True)
    if kind is Kind.INTEGER:
        low, high = INTEGERS[column.leaf]
        limits = limits.narrowed(low=low, high=high)
    if column.length is not None and kind is Kind.TEXT:
        limits = limits.narrowed(max_length=column.length)
    if column.leaf == "name":
        limits = limits.narrowed(max_length=63)
    if column.labels:
        limits = limits.narrowed(values=column.labels)
    return limits
