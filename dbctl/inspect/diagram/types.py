"""SQLAlchemy's types under the names that PostgreSQL's `format_type` gives them."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import ARRAY, Dialect, Enum
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

_DIALECT: Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
_NAMES = {
    "bool": "boolean",
    "char": "character",
    "decimal": "numeric",
    "float4": "real",
    "float8": "double precision",
    "int": "integer",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "varbit": "bit varying",
    "varchar": "character varying",
}
# A word or two, what is in brackets, and the rest: TIMESTAMP(3) WITH TIME ZONE.
_PARTS = re.compile(r"(?P<name>[^(]*?)\s*(?:\((?P<modifier>[^)]*)\)\s*(?P<rest>.*))?", re.DOTALL)
_ZONES = {"with time zone", "without time zone"}
# A binary float of up to so many bits is a real.
_REAL_BITS = 24


def type_name(type_: TypeEngine[Any]) -> str:
    """Return what `format_type` calls the type that a column of `type_` gets."""
    implementation = type_.dialect_impl(_DIALECT)
    if isinstance(implementation, ARRAY):
        return f"{type_name(implementation.item_type)}[]"
    compiled = type_.compile(dialect=_DIALECT)
    if isinstance(implementation, postgresql.DOMAIN) or (
        isinstance(implementation, Enum) and implementation.native_enum
    ):
        return compiled
    return _formatted(compiled)


def _formatted(compiled: str) -> str:
    match = _PARTS.fullmatch(compiled)
    assert match is not None  # noqa: S101 - it takes any text
    name = " ".join(match["name"].lower().split())
    modifier = re.sub(r"\s", "", match["modifier"] or "")
    rest = " ".join((match["rest"] or "").lower().split())
    for zone in _ZONES:
        if name.endswith(f" {zone}"):
            name, rest = name.removesuffix(f" {zone}"), zone
    name = _NAMES.get(name, name)
    match name:
        case "timestamptz" | "timetz":
            name, rest = name.removesuffix("tz"), "with time zone"
        case "timestamp" | "time":
            rest = rest or "without time zone"
        case "character" | "bit":
            modifier = modifier or "1"
        case "numeric" if modifier and "," not in modifier:
            modifier = f"{modifier},0"
        case "float":
            single = modifier and int(modifier) <= _REAL_BITS
            name, modifier = "real" if single else "double precision", ""
    return f"{name}{f'({modifier})' if modifier else ''}{f' {rest}' if rest else ''}"
