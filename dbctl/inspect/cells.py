"""How a value of each type comes back: what SQL selects, and what is made of it, losslessly.

In the result, numbers, booleans and text are themselves. A numeric is its exact text; bytes are
base64; dates and times are ISO 8601; arrays are lists; json is what it holds. Every other type is
the text that PostgreSQL writes for it. NaN and the infinities are text, since JSON has none, and so
are dates that ISO 8601 cannot write: `infinity`, `0044-03-15 BC`.
"""

import base64
import json
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from dbctl.db.catalog import Column

# What asyncpg decodes exactly by itself. float4 is not: 0.1 would become 0.10000000149011612.
_NATIVE = frozenset({"bool", "int2", "int4", "int8", "oid", "text", "varchar", "bpchar", "name"})
# Casting these to text loses blanks at the end, or adds a netmask.
_CHANGED_BY_CAST = {"bpchar": "bpcharout", "inet": "inet_out"}
_TIMESTAMP = re.compile(r"(\d{4,})-(\d\d)-(\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)([+-][\d:]+)?")
# Pydantic ends at 255; a value that deep is not read by its structure anyway.
_MAX_DEPTH = 100
_MAX_DIGITS = 4000


def select(column: Column) -> str:
    """Return the SQL expression that reads `column` without loss."""
    if column.is_array:
        exact = column.leaf in _CHANGED_BY_CAST
        elements = column.sql if exact else f"CAST({column.sql} AS pg_catalog.text[])"
        return f"pg_catalog.to_json({elements})::pg_catalog.text"
    if column.leaf in _NATIVE:
        return column.sql
    if output := _CHANGED_BY_CAST.get(column.leaf):
        return f"pg_catalog.textin(pg_catalog.{output}({column.sql}))"
    return f"CAST({column.sql} AS pg_catalog.text)"


def decode(column: Column, value: Any) -> Any:
    """Return what JSON can hold of a value that `select(column)` read."""
    if value is None:
        return None
    scalar = _DECODERS.get(column.leaf)
    if column.is_array:
        return _elements(json.loads(value), scalar)
    return value if scalar is None or column.leaf in _NATIVE else scalar(value)


def _elements(value: Any, scalar: Callable[[str], Any] | None) -> Any:
    if isinstance(value, list):
        return [_elements(element, scalar) for element in value]
    return value if value is None or scalar is None else scalar(value)


def _float(text: str) -> float | str:
    return text if text in {"NaN", "Infinity", "-Infinity"} else float(text)


def _timestamp(text: str) -> str:
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return text
    year, month, day, time, zone = match.groups()
    return f"{year}-{month}-{day}T{time}{_zone(zone or '')}"


def _timetz(text: str) -> str:
    time, sign, zone = re.split("([+-])", text)
    return time + _zone(sign + zone)


def _zone(zone: str) -> str:
    return f"{zone}:00" if len(zone) == 3 else zone


def _base64(text: str) -> str:
    return base64.b64encode(bytes.fromhex(text.removeprefix("\\x"))).decode("ascii")


class _Inexact(Exception):
    """Python would hold less than this JSON text says."""


def _json(text: str) -> Any:
    """Parse JSON exactly; what cannot be is left as its text.

    A number that no double equals becomes a string. The whole text stays where it repeats a key,
    is nested very deeply or holds half a surrogate pair.
    """
    try:
        value = json.loads(text, parse_float=_number, parse_int=_integer, object_pairs_hook=_object)
        if _depth(value) > _MAX_DEPTH:
            return text
        json.dumps(value, ensure_ascii=False).encode()
    except (_Inexact, RecursionError, UnicodeEncodeError):
        return text
    return value


def _number(text: str) -> float | str:
    number = float(text)
    try:
        exact = Decimal(text) == Decimal(repr(number))
    except InvalidOperation:  # an exponent of twenty digits
        exact = False
    return number if exact else text


def _integer(text: str) -> int | str:
    # Python refuses to convert more digits than that.
    return int(text) if len(text) <= _MAX_DIGITS else text


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise _Inexact
    return value


def _depth(value: Any) -> int:
    children = value.values() if isinstance(value, dict) else value
    if not isinstance(value, dict | list):
        return 0
    return 1 + max((_depth(child) for child in children), default=0)


_DECODERS: dict[str, Callable[[str], Any]] = {
    "bool": lambda text: text == "true",
    "int2": int,
    "int4": int,
    "int8": int,
    "oid": int,
    "float4": _float,
    "float8": _float,
    "timestamp": _timestamp,
    "timestamptz": _timestamp,
    "timetz": _timetz,
    "bytea": _base64,
    "json": _json,
    "jsonb": _json,
}


def array_literal(text: str) -> str:
    """Return a JSON array as PostgreSQL writes it; any other text as it is."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return _literal(value) if isinstance(value, list) else text


def _literal(value: object) -> str:
    if isinstance(value, list):
        return "{" + ",".join(map(_literal, value)) + "}"
    if value is None:
        return "NULL"
    element = value if isinstance(value, str) else json.dumps(value)
    escaped = element.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
