"""How files write dates and numbers, where that is not ISO 8601 and a decimal point."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from warnings import catch_warnings, simplefilter

_ISO = re.compile(r"\s*\d{4}-\d\d-\d\d")
_DATE = re.compile(r"\s*(\d{1,4})([/.-])(\d{1,2})\2(\d{1,4})(?!\d)(.*)", re.DOTALL)
_HOUR = re.compile(r"^,?[ T]+(\d):")
# The places of year, month and day, by the names that DateStyle has for their orders.
ORDERS = {"dmy": (2, 1, 0), "mdy": (2, 0, 1), "ymd": (0, 1, 2)}
_GROUPED = re.compile(r"([+-]?\d{1,3})(?:([.' \u2019\u00a0\u202f])\d{3})(?:\2\d{3})*(?:,\d*)?")
_DECIMAL_COMMA = re.compile(r"\s*[+-]?[\d.' ]*\d,(?:\d{1,2}|\d{4,})\s*")
# A day that no order and no pattern without its parts can be mistaken about.
_PROBE = datetime(2003, 11, 25)  # noqa: DTZ001 - only its date counts


@dataclass(frozen=True, slots=True)
class Notation:
    """How values are written.

    `date_format` is an order of ORDERS or a pattern of strptime; ISO 8601 is read as well.
    """

    assume_utc: bool = False
    date_format: str | None = None
    decimal_comma: bool = False

    @property
    def to_iso(self) -> Callable[[Any], Any] | None:
        """Return what rewrites a date or timestamp as ISO 8601, None where that is not needed."""
        if self.date_format is None:
            return None
        if self.date_format in ORDERS:
            return partial(_ordered, ORDERS[self.date_format])
        return partial(_patterned, self.date_format)


def parse_date_format(text: str) -> str:
    """Return a date format as `Notation` takes it; raises ValueError."""
    if text.lower() in ORDERS:
        return text.lower()
    with catch_warnings():
        simplefilter("ignore", DeprecationWarning)  # of a pattern without a year
        try:
            found = datetime.strptime(_PROBE.strftime(text), text).date()  # noqa: DTZ007 - a date
        except ValueError:
            found = None
    if found != _PROBE.date():
        raise ValueError(
            "a date format is dmy, mdy or ymd, or a pattern with day, month and year such as "
            "%d.%m.%Y or '%m/%d/%y %I:%M %p'"
        )
    return text


def looks_like_date(value: object) -> bool:
    """Return whether a text may be a date with its parts in another order than ISO 8601's."""
    return isinstance(value, str) and not _ISO.match(value) and bool(_DATE.fullmatch(value))


def looks_like_decimal_comma(value: object) -> bool:
    """Return whether a text may be a number with a decimal comma, and not one of thousands."""
    return isinstance(value, str) and bool(_DECIMAL_COMMA.fullmatch(value))


def with_point(value: Any) -> Any:
    """Rewrite a number with a decimal comma, and with thousands apart; raises ValueError."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if found := _GROUPED.fullmatch(text):
        text = text.replace(found[2], "")
    elif "." in text:
        raise ValueError("is not a number with a decimal comma, such as 1234,56 or 1.234,56")
    return text.replace(",", ".")


def _ordered(order: tuple[int, int, int], value: Any) -> Any:
    if not isinstance(value, str) or _ISO.match(value):
        return value
    found = _DATE.fullmatch(value)
    if found is None:
        return value
    parts = (found[1], found[3], found[4])
    year, month, day = (parts[place] for place in order)
    if len(year) != 4:
        raise ValueError(
            f"has no year of four digits where --date-format {_name(order)} has the year; "
            "a pattern such as %d/%m/%y reads one of two"
        )
    return f"{year}-{month:0>2}-{day:0>2}{_HOUR.sub(r' 0\1:', found[5])}"


def _name(order: tuple[int, int, int]) -> str:
    return next(name for name, places in ORDERS.items() if places == order)


def _patterned(pattern: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return datetime.strptime(value.strip(), pattern).isoformat()  # noqa: DTZ007 - as written
    except ValueError:
        return value
