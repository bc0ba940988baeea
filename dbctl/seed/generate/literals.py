"""Values as PostgreSQL writes them, for the types whose binary form the writer does not know."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from asyncpg import BitString, Range

from dbctl.db.catalog import Column
from dbctl.seed.generate.limits import Kind, kind_of


def written(column: Column, values: Sequence[object]) -> list[str | None]:
    """Return the values of a column as text."""
    if column.is_array:
        return [None if value is None else _array(column, value) for value in values]
    several = kind_of(column) is Kind.MULTIRANGE
    return [None if value is None else _scalar(value, several) for value in values]


def _array(column: Column, values: Any) -> str:
    several = kind_of(column) is Kind.MULTIRANGE
    return "{" + ",".join(_element(value, several) for value in values) + "}"


def _element(value: object, several: bool) -> str:
    if value is None:
        return "NULL"
    text = _scalar(value, several).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _scalar(value: Any, several: bool) -> str:
    if several and isinstance(value, list):
        return "{" + ",".join(_scalar(part, False) for part in value) + "}"
    if isinstance(value, Range):
        if value.isempty:
            return "empty"
        low, high = (
            "" if bound is None else f'"{_scalar(bound, False)}"'
            for bound in (value.lower, value.upper)
        )
        return f"{'[' if value.lower_inc else '('}{low},{high}{']' if value.upper_inc else ')'}"
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, BitString):
        return str(value.as_string()).replace(" ", "")
    if isinstance(value, timedelta):
        return f"{value.days} days {value.seconds} seconds"
    return str(value)
