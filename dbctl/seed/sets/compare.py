"""Whether a value that a set gives is the one that is in the database already."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import Column as ModelColumn
from sqlalchemy import ColumnElement, bindparam, cast, func
from sqlalchemy.types import UserDefinedType

from dbctl.db.catalog import Column

# A cast to these cuts what is too long, or pads what is too short, without a word.
_CUTTING = {"varchar", "bit", "varbit", "_varchar", "_bit", "_varbit"}
_PADDED = {"bpchar": "text", "_bpchar": "text[]"}
_PLAIN = (str, int, float, Decimal, UUID, datetime, date, timedelta, bytes, Enum)


class _Exactly(UserDefinedType[Any]):
    """A type of PostgreSQL by its name."""

    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **_options: Any) -> str:
        return self.name


def stored(parameter: str, of: ModelColumn[Any], column: Column) -> ColumnElement[Any]:
    """Return the SQL of a parameter as `column` would store its value, with nothing cut off."""
    return cast(bindparam(parameter, type_=of.type), _type_of(column))


def is_stored(parameter: str, of: ModelColumn[Any], column: Column) -> ColumnElement[bool]:
    """Return the SQL that tells whether `column` holds the value of a parameter byte for byte."""
    kept = cast(of, _type_of(column))
    given = stored(parameter, of, column)
    return func.pg_catalog.record_image_eq(func.row(kept), func.row(given))


def _type_of(column: Column) -> _Exactly:
    if column.base_name in _PADDED:
        return _Exactly(_PADDED[column.base_name])
    return _Exactly(column.base_sql if column.base_name in _CUTTING else column.sql_type)


def surely_same(given: object, found: object) -> bool:
    """Tell without the database that two values are the same; False where only it can tell."""
    if given is None or found is None:
        return given is None and found is None
    if type(given) is not type(found):
        return False
    if isinstance(given, dict) and isinstance(found, dict):
        return given.keys() == found.keys() and all(
            surely_same(value, found[name]) for name, value in given.items()
        )
    if isinstance(given, list | tuple) and isinstance(found, Sequence):
        return len(given) == len(found) and all(map(surely_same, given, found))
    if isinstance(given, time):
        return (given, given.utcoffset()) == (found, getattr(found, "utcoffset", lambda: None)())
    return isinstance(given, _PLAIN) and given == found
