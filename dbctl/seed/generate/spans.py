"""When things happen: the timestamps and dates of a row, one after the other as in life."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from dbctl.db.catalog import Column
from dbctl.db.tables import Table
from dbctl.seed.generate.limits import Kind, kind_of
from dbctl.seed.generate.meaning import words_of
from dbctl.seed.generate.rules import Integers, Later, Mapped, Moments, Rule

HISTORY = timedelta(days=2 * 365)
_BEGINNINGS = frozenset(
    ["created", "inserted", "registered", "joined", "added", "opened", "ordered", "placed"]
)
_STARTS = frozenset(
    ["start", "starts", "started", "begin", "begins", "began", "from", "since", "valid_from"]
)
_ENDS = frozenset(["end", "ends", "ended", "until", "finish", "finishes", "to", "through"])
_FUTURE = frozenset(
    ["due", "expires", "expiry", "expiration", "deadline", "scheduled", "planned", "renews"]
)
_BIRTH = frozenset(["birth", "born", "birthday", "birthdate", "dob"])
_MOMENTS = frozenset({Kind.TIMESTAMP, Kind.TIMESTAMPTZ})


def base_of(column: Column, table: Table) -> str | None:
    """Return the column of the same type that comes before this one in time, None for the first."""
    words = set(words_of(column.name))
    kind = kind_of(column)
    if kind not in {*_MOMENTS, Kind.DATE} or words & (_BEGINNINGS | _BIRTH):
        return None
    same = [
        other
        for other in table.writable
        if kind_of(other) is kind and other.name != column.name and not other.is_array
    ]
    if words & _ENDS:
        # `ends_at` belongs to `starts_at`.
        for other in same:
            if set(words_of(other.name)) & _STARTS:
                return other.name
    return next(
        (other.name for other in same if set(words_of(other.name)) & _BEGINNINGS),
        None,
    )


def moment(column: Column, base: str | None, now: datetime) -> Rule:
    """Return the rule of a timestamp or date, which comes after `base` where there is one."""
    kind, words = kind_of(column), set(words_of(column.name))
    end = now if kind is Kind.TIMESTAMPTZ else now.replace(tzinfo=None)
    if base is not None:
        days = 90 if words & _FUTURE else 30
        if kind is Kind.DATE:
            return Later(f"days after {base}", base, days, timedelta(days=1))
        return Later(f"after {base}, mostly soon", base, days * 86400)
    if words & _BIRTH:
        inner = Integers("", 18 * 365, 80 * 365)
        today = now.date()
        if kind is Kind.DATE:
            return Mapped("a birthday of an adult", inner, lambda days: today - _days(days))
        return Mapped("a birthday of an adult", inner, lambda days: end - _days(days))
    if words & _FUTURE:
        end += timedelta(days=90)
    recent = Moments("before now, mostly lately", end, HISTORY)
    if kind is Kind.DATE:
        return Mapped(recent.summary, recent, _date_of)
    return recent


def _days(days: object) -> timedelta:
    assert isinstance(days, int)  # noqa: S101 - Integers makes nothing else
    return timedelta(days)


def _date_of(value: object) -> date:
    assert isinstance(value, datetime)  # noqa: S101 - Moments makes nothing else
    return value.date()
