"""JSON without loss: numbers keep every digit that the file has."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, NoReturn


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_loads = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_constant).decode


class RepeatedKey(ValueError):
    """An object has a key twice, of which a parser keeps the last value."""

    def __init__(self, key: str) -> None:
        super().__init__(f"has the key {dumps(key)} more than once")


def _no_repeated_key(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise RepeatedKey(key)
        seen.add(key)


_examine = json.JSONDecoder(object_pairs_hook=_no_repeated_key).decode


class _HasDecimals(Exception):
    """The value holds numbers that the standard encoder would not write exactly."""


def _refuse(value: object) -> NoReturn:
    if isinstance(value, Decimal):
        raise _HasDecimals
    raise TypeError(f"{type(value).__name__} is not JSON")


_encode = json.JSONEncoder(ensure_ascii=False, default=_refuse).encode


def loads(text: str) -> Any:
    """Parse JSON; a number with a fraction or an exponent becomes a Decimal.

    Raises ValueError, and RecursionError where it is nested too deeply.
    """
    return _loads(text)


def refuse_repeated_keys(text: str) -> None:
    """Raise RepeatedKey where an object in a JSON text has a key twice."""
    _examine(text)


def dumps(value: Any) -> str:
    """Write JSON, each Decimal with the digits that it has."""
    try:
        return _encode(value)
    except _HasDecimals:
        return _written(value)


def _written(value: Any) -> str:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        pairs = (f"{_encode(str(key))}: {_written(item)}" for key, item in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_written, value)) + "]"
    return _encode(value)
