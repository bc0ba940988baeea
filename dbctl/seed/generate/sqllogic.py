"""What SQL's operators do with Python's values: unknown, division, ranges, patterns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from typing import Any

from asyncpg import Range


def _and3(parts: Sequence[Any]) -> bool | None:
    return False if False in parts else None if None in parts else True


def _or3(parts: Sequence[Any]) -> bool | None:
    return True if True in parts else None if None in parts else False


def _quotient(left: int, right: int) -> int:
    """Divide as PostgreSQL does: towards zero."""
    size = abs(left) // abs(right)
    return size if (left < 0) == (right < 0) else -size


def _remainder(left: int, right: int) -> int:
    return left - right * _quotient(left, right)


def _is_void(value: Range) -> bool:
    """Tell whether nothing is in a range, as in that from 3 to 3 without its end."""
    low, high = _lower_of(value, within=True), _upper_of(value, within=True)
    return bool(value.isempty or (low is not None and high is not None and low >= high))


def _lower_of(value: Range, *, within: bool = False) -> Any:
    """Return the start of a range in its canonical form, where the start is in it."""
    if value.lower is None or (not within and _is_void(value)):
        return None
    return value.lower if value.lower_inc else value.lower + _step(value.lower)


def _upper_of(value: Range, *, within: bool = False) -> Any:
    """Return the end of a range in its canonical form, where the end is not in it."""
    if value.upper is None or (not within and _is_void(value)):
        return None
    return value.upper + _step(value.upper) if value.upper_inc else value.upper


def _step(bound: Any) -> Any:
    """Return what the next value is apart; nothing for a type without a next value."""
    if isinstance(bound, datetime):
        return timedelta()
    if isinstance(bound, date):
        return timedelta(1)
    return 1 if isinstance(bound, int) else 0


def _unpadded(value: str | None) -> str | None:
    """Return a character(n) as it is compared: its padding does not count."""
    return None if value is None else value.rstrip(" ")


def _padded(value: str | None, width: int) -> str | None:
    """Return a character(n) as patterns see it."""
    return None if value is None else value.ljust(width)


def _rounded(value: Decimal, places: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


_PART_OF_INTERVAL = re.compile(
    r"(?P<count>[-+]?\d+) (?P<unit>year|mon|day)s?|"
    r"(?P<sign>[-+]?)(?P<hours>\d+):(?P<minutes>\d\d):(?P<seconds>\d\d)"
)


def interval(text: str) -> timedelta:
    """Read an interval as PostgreSQL writes and compares it: a month is 30 days, a year 12 months.

    Raises ValueError.
    """
    total, at = timedelta(), 0
    while at < len(text):
        part = _PART_OF_INTERVAL.match(text, at)
        if part is None:
            raise ValueError(text)
        if part["unit"]:
            total += int(part["count"]) * timedelta(_DAYS[part["unit"]])
        else:
            hours, minutes, seconds = (int(part[name]) for name in ("hours", "minutes", "seconds"))
            time = timedelta(hours=hours, minutes=minutes, seconds=seconds)
            total += -time if part["sign"] == "-" else time
        at = part.end() + (text[part.end() : part.end() + 1] == " ")
    return total


_DAYS = {"year": 360, "mon": 30, "day": 1}

HELPERS: dict[str, Any] = {
    "is_void": _is_void,
    "lower_of": _lower_of,
    "upper_of": _upper_of,
    "and3": _and3,
    "or3": _or3,
    "quotient": _quotient,
    "remainder": _remainder,
    "unpadded": _unpadded,
    "padded": _padded,
    "rounded": _rounded,
    "timedelta": timedelta,
    "len": len,
    "abs": abs,
    "float": float,
    "enumerate": enumerate,
    "zip": zip,
}


@cache
def like(pattern: str) -> str:
    """Return the regular expression of a LIKE pattern."""
    parts, escaped = [], False
    for letter in pattern:
        if escaped:
            parts.append(re.escape(letter))
            escaped = False
        elif letter == "\\":
            escaped = True
        else:
            parts.append({"%": ".*", "_": "."}.get(letter) or re.escape(letter))
    return f"^{''.join(parts)}\\Z"


def is_portable(pattern: str) -> bool:
    r"""Tell whether a regular expression means the same to PostgreSQL and to Python.

    Classes by name, escapes other than `\d`, `\w`, `\s` and of marks, and everything that begins
    with `(?` or `***` do not. `$` is the very end for PostgreSQL; what is generated has no newline.
    """
    return (
        re.search(r"\[\[|\(\?|\*\*\*|\\[^dws\W]|[*+?}][*+?]", pattern) is None
        and "\n" not in pattern
    )
