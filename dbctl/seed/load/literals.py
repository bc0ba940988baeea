"""PostgreSQL's own spellings of arrays, ranges and intervals, read into Python's values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from dbctl.seed.load.exact import dumps

# Blanks are those of ASCII only: others are part of an element.
_BLANK = " \t\n\r\v\f"
_BLANKS = re.compile(r"\s*", re.ASCII)
_BARE = r'(?:[^\s",{}\\]|\\.)+'
_ELEMENT = re.compile(
    rf'"((?:[^"\\]|\\.)*)"|({_BARE}(?:\s+{_BARE})*)',
    re.DOTALL | re.ASCII,
)
_DIMENSIONS = 6
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_BOUND = r'(?:"((?:[^"\\]|\\.|"")*)"|((?:[^",()\[\]\\]|\\.)*))'
_RANGE = re.compile(rf"\s*([\[(]){_BOUND},{_BOUND}([\])])\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Interval:
    """A span of time as PostgreSQL keeps it: a month is no number of days, nor a day of hours."""

    months: int = 0
    days: int = 0
    microseconds: int = 0
    seconds: int = 0

    def __add__(self, other: Interval) -> Interval:
        """Return the sum, part by part."""
        return Interval(
            self.months + other.months,
            self.days + other.days,
            self.microseconds + other.microseconds,
        )

    def times(self, factor: int) -> Interval:
        """Return the multiple, part by part."""
        return Interval(self.months * factor, self.days * factor, self.microseconds * factor)


_MICROSECONDS = {"h": 3_600_000_000, "m": 60_000_000, "s": 1_000_000}
_UNITS: dict[str, Interval] = {
    "millennium": Interval(12_000, 0, 0),
    "century": Interval(1_200, 0, 0),
    "decade": Interval(120, 0, 0),
    "year": Interval(12, 0, 0),
    "mon": Interval(1, 0, 0),
    "month": Interval(1, 0, 0),
    "week": Interval(0, 7, 0),
    "day": Interval(0, 1, 0),
    "hour": Interval(0, 0, _MICROSECONDS["h"]),
    "minute": Interval(0, 0, _MICROSECONDS["m"]),
    "min": Interval(0, 0, _MICROSECONDS["m"]),
    "second": Interval(0, 0, _MICROSECONDS["s"]),
    "sec": Interval(0, 0, _MICROSECONDS["s"]),
    "millisecond": Interval(0, 0, 1_000),
    "microsecond": Interval(0, 0, 1),
}
_OTHERWISE = {
    "millennia": "millennium",
    "centuries": "century",
    "y": "year",
    "w": "week",
    "d": "day",
    "h": "hour",
    "m": "minute",
    "s": "second",
    "ms": "millisecond",
    "us": "microsecond",
}
_QUANTITY = re.compile(r"\s*([+-]?\d+(?:\.\d+)?)\s*([a-z]+)")
_CLOCK = re.compile(r"\s*([+-]?)(\d+):(\d\d)(?::(\d\d)(\.\d{1,6})?)?\s*")
_ISO = re.compile(
    r"(-?)P(?=.)(?:(-?\d+)Y)?(?:(-?\d+)M)?(?:(-?\d+)W)?(?:(-?\d+)D)?"
    r"(?:T(?=.)(?:(-?\d+)H)?(?:(-?\d+)M)?(?:(-?\d+(?:\.\d{1,6})?)S)?)?"
)


def array(text: str) -> list[object]:
    """Read an array such as `{a,"b c",NULL}` into a list of str, None and lists.

    Raises ValueError.
    """
    if '"' not in text and "\\" not in text and text.find("{", 1) < 0:
        if not (text.startswith("{") and text.endswith("}")):
            raise ValueError("is no array: write {a,b} or a JSON list")
        inner = text[1:-1]
        if not inner.strip(_BLANK):
            return []
        parts = [item.strip(_BLANK) for item in inner.split(",")]
        if "" in parts or "}" in inner:
            raise ValueError("is no array: an element is empty and has no quotes")
        return [None if item.upper() == "NULL" else item for item in parts]
    stripped = text.strip(_BLANK)
    items, end = _array(stripped, 0, _DIMENSIONS)
    if end != len(stripped):
        raise ValueError("is no array: there is more after it")
    return items


def _array(text: str, start: int, dimensions: int) -> tuple[list[object], int]:
    if not text.startswith("{", start):
        raise ValueError("is no array: write {a,b} or a JSON list")
    if not dimensions:
        raise ValueError(f"is an array of more than {_DIMENSIONS} dimensions")
    items: list[object] = []
    place = _past_blanks(text, start + 1)
    if text.startswith("}", place):
        return items, place + 1
    while True:
        item: object
        if text.startswith("{", place):
            item, place = _array(text, place, dimensions - 1)
        else:
            found = _ELEMENT.match(text, place)
            if found is None:
                raise ValueError("is no array: an element is empty and has no quotes")
            place = found.end()
            if found[2] is not None and found[2].upper() == "NULL":
                item = None
            else:
                item = _ESCAPED.sub(r"\1", found[1] if found[2] is None else found[2])
        items.append(item)
        place = _past_blanks(text, place)
        if text.startswith("}", place):
            return items, place + 1
        if not text.startswith(",", place):
            raise ValueError("is no array: a comma or a brace is missing")
        place = _past_blanks(text, place + 1)


def _past_blanks(text: str, place: int) -> int:
    found = _BLANKS.match(text, place)
    return found.end() if found is not None else place


def written(items: list[object]) -> str:
    """Write an array, whose elements may be lists, as PostgreSQL reads it."""
    return "{" + ",".join(map(_element, items)) + "}"


def _element(item: object) -> str:
    if isinstance(item, list):
        return written(item)
    if item is None:
        return "NULL"
    text = item if isinstance(item, str) else dumps(item)
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def range_bounds(text: str) -> tuple[str | None, str | None, str] | None:
    """Read a range such as `[a,b)` into its bounds, None where unbounded, and their kinds.

    None is the empty range. Raises ValueError.
    """
    if text.strip().lower() == "empty":
        return None
    found = _RANGE.fullmatch(text)
    if found is None:
        raise ValueError("is no range: write [a,b) or empty")
    return _bound(found[2], found[3]), _bound(found[4], found[5]), found[1] + found[6]


def _bound(quoted: str | None, bare: str) -> str | None:
    if quoted is not None:
        return re.sub(r'\\(.)|"(")', lambda match: match[1] or match[2], quoted)
    return _ESCAPED.sub(r"\1", bare) or None


def interval(text: str) -> Interval:
    """Read an interval as ISO 8601 or PostgreSQL writes it: `P1DT2H`, `1 day 02:00:00`.

    Raises ValueError.
    """
    found = _ISO.fullmatch(text.strip())
    if found is not None and any(found.groups()[1:]):
        years, months, weeks, days, hours, minutes, seconds = (
            found[number] or "0" for number in range(2, 9)
        )
        total = Interval(
            12 * int(years) + int(months),
            7 * int(weeks) + int(days),
            int(hours) * _MICROSECONDS["h"]
            + int(minutes) * _MICROSECONDS["m"]
            + _scaled(seconds, _MICROSECONDS["s"]),
        )
        return total.times(-1 if found[1] else 1)
    return _verbose(text.strip().lower())


def _verbose(text: str) -> Interval:
    total = Interval()
    text = text.removeprefix("@").strip()
    sign = -1 if text.endswith(" ago") else 1
    rest = text.removesuffix(" ago")
    if not rest:
        raise ValueError("is no interval")
    while rest:
        if clock := _CLOCK.match(rest):
            part = Interval(0, 0, _clock(clock))
            rest = rest[clock.end() :]
        elif found := _QUANTITY.match(rest):
            part = _quantity(found[1], found[2])
            rest = rest[found.end() :].lstrip()
        else:
            raise ValueError("is no interval: write P1DT2H or 1 day 02:00:00")
        total += part
    return total.times(sign)


def _clock(found: re.Match[str]) -> int:
    total = int(found[2]) * _MICROSECONDS["h"] + int(found[3]) * _MICROSECONDS["m"]
    total += _scaled((found[4] or "0") + (found[5] or ""), _MICROSECONDS["s"])
    return -total if found[1] == "-" else total


def _quantity(number: str, unit: str) -> Interval:
    name = _OTHERWISE.get(unit, unit)
    one = _UNITS.get(name) or _UNITS.get(name.removesuffix("s"))
    if one is None:
        raise ValueError(f"is no interval: {unit} is no unit")
    if one.microseconds:
        return Interval(0, 0, _scaled(number, one.microseconds))
    if "." in number:
        raise ValueError("is no interval: a fraction of a day or more is not exact")
    return one.times(int(number))


def _scaled(number: str, factor: int) -> int:
    return round(Decimal(number) * factor)
