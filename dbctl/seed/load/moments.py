"""Dates and times from text: ISO 8601, as PostgreSQL and as JavaScript write it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any

from dbctl.seed.load.notation import Notation, looks_like_date

_UTC_NAMED = re.compile(r"(.*\d)\s*(?:UTC|GMT|Z)", re.IGNORECASE)
# What has more digits is rounded, as the server does; Python would cut them off.
_FINE = re.compile(r":\d\d([.,]\d{7,})")
# Where the seventh digit stands in 2026-01-31T12:00:00.1234567, which saves a search of the rest.
_SEVENTH = slice(26, 27)
_INFINITIES = frozenset({"infinity", "-infinity"})


def timestamptz(value: Any, *, assume_utc: bool = False) -> datetime | str:
    """Read a timestamp with its zone; one without counts as UTC only where that is asked for.

    Raises ValueError.
    """
    found = _moment(value)
    if isinstance(found, str):
        return found
    if found.tzinfo is not None:
        return found
    if assume_utc:
        return found.replace(tzinfo=UTC)
    raise ValueError("has no time zone: write it, as in 2026-01-31T12:00:00Z, or give --assume-utc")


def timestamp(value: Any, *, assume_utc: bool = False) -> datetime | str:
    """Read a timestamp without a zone; one in UTC loses it, another one where that is asked for.

    Raises ValueError.
    """
    found = _moment(value)
    if isinstance(found, str):
        return found
    offset = found.utcoffset()
    if offset is None:
        return found
    if offset and not assume_utc:
        raise ValueError(
            "has a time zone, and the column has none: write it in UTC, or give --assume-utc"
        )
    try:
        return found.replace(tzinfo=None) - offset
    except OverflowError:
        raise ValueError("is out of range in UTC") from None


def day(value: object) -> date | str:
    """Read a date, or a timestamp at midnight.

    Raises ValueError.
    """
    try:
        return date.fromisoformat(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        found = _infinity(value) or _spelled(value)
        if isinstance(found, str):
            return found
    if found.time() != time():
        raise ValueError("has a time of day, and the column has none")
    return found.date()


def timetz(value: object) -> time:
    """Read a time of day with its offset from UTC.

    Raises ValueError.
    """
    found = _time(value)
    if found.tzinfo is None:
        raise ValueError("has no offset from UTC: write it, as in 12:00:00Z")
    return found


def clock(value: object) -> time:
    """Read a time of day.

    Raises ValueError.
    """
    found = _time(value)
    if found.tzinfo is not None:
        raise ValueError("has an offset from UTC, and the column has none")
    return found


def _time(value: object) -> time:
    try:
        found = time.fromisoformat(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ValueError("is no time of day: write it as 12:30:00") from None
    midnight = datetime.combine(date.min, found)
    rounded = _rounded(midnight, str(value))
    if rounded.date() != midnight.date():
        raise ValueError("is rounded to the next day, with no more than 6 decimal places")
    return rounded.timetz()


def _moment(value: Any) -> datetime | str:
    """Read a timestamp, or the name that stands for infinity."""
    try:
        found = datetime.fromisoformat(value)
        return _rounded(found, value) if value[_SEVENTH].isdigit() else found
    except (TypeError, ValueError):
        return _infinity(value) or _spelled(value)


def _infinity(value: object) -> str | None:
    """Return the name that stands for what comes before, or after, all moments."""
    text = value.strip().lower() if isinstance(value, str) else ""
    return text if text in _INFINITIES else None


def _rounded(found: datetime, text: str) -> datetime:
    """Round to microseconds what was read from `text`; raises ValueError where that is too late."""
    fine = _FINE.search(text)
    if fine is None:
        return found
    fraction = timedelta(microseconds=round(float(f"0.{fine[1][1:]}") * 1_000_000))
    try:
        return found.replace(microsecond=0) + fraction
    except OverflowError:
        raise ValueError("is out of range") from None


def _spelled(value: object) -> datetime:
    """Read what Python's own reader does not take."""
    if isinstance(value, str):
        text = value.strip()
        if named := _UTC_NAMED.fullmatch(text):
            text = f"{named[1]}+00:00"
        try:
            return _rounded(datetime.fromisoformat(text), text)
        except ValueError:
            pass
    other = "; --date-format reads dates such as 31/01/2026" if looks_like_date(value) else ""
    raise ValueError(
        f"is not a date or time: write it as ISO 8601, such as 2026-01-31T12:00:00Z{other}"
    )


_WITH_DATE = frozenset({"date", "timestamp", "timestamptz"})
READERS: dict[str, Callable[..., object]] = {"date": day, "time": clock, "timetz": timetz}


def reader(leaf: str, notation: Notation) -> Callable[[object], object]:
    """Return what reads a value of the built-in type `leaf`, one of dates or times."""
    if leaf in {"timestamptz", "timestamp"}:
        read = timestamptz if leaf == "timestamptz" else timestamp
        found: Callable[[object], object] = (
            partial(read, assume_utc=True) if notation.assume_utc else read
        )
    else:
        found = READERS[leaf]
    to_iso = notation.to_iso if leaf in _WITH_DATE else None
    return found if to_iso is None else lambda value: found(_rewritten(to_iso, value))


def _rewritten(to_iso: Callable[[Any], Any], value: Any) -> Any:
    """Return a date as ISO 8601 has it; as it is written where that would be none."""
    iso = to_iso(value)
    if iso != value:
        try:
            date.fromisoformat(iso[:10])
        except ValueError:
            return value
    return iso
