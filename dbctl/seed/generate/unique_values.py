"""The rule of a column whose values never repeat: from its type, meaning and limits."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from asyncpg import Range

from dbctl.db.catalog import Column
from dbctl.seed.generate.distinct import (
    Digits,
    Distinct,
    Each,
    Numbered,
    NumberedText,
    Uuids,
    short_text,
)
from dbctl.seed.generate.limits import Kind, Limits, element_limits, kind_of, leaf_kind
from dbctl.seed.generate.randomness import key, mix
from dbctl.seed.generate.regexes import alphabets_of
from dbctl.seed.generate.values import Scene, bit_string, span_of, stepped

# What a text of a type without a limit may take.
_NO_LIMIT = 1 << 30
# So many texts are looked at whether all of a form match a pattern.
_FORMS = 1000


def distinct_for(scene: Scene, column: Column, limits: Limits) -> Distinct | None:
    """Return a rule of a column that never repeats a value; None for a type that has none."""
    salt = scene.salt(column)
    kind = kind_of(column)
    if column.is_array:
        inner = distinct_for_leaf(scene, column, kind, element_limits(column))
        if inner is None:
            return None
        return Numbered(
            f"arrays of one: {inner.summary}", lambda n: [inner.at((n,))[0]], inner.capacity
        )
    if limits.values is not None:
        values = [value for value in limits.values if value not in limits.excluded]
        return Each(f"each of {len(values)} values once", values, *salt)
    return distinct_for_leaf(scene, column, kind, limits)


def distinct_for_leaf(scene: Scene, column: Column, kind: Kind, limits: Limits) -> Distinct | None:
    """Return the rule for the type below an array."""
    salt = scene.salt(column)
    match kind:
        case Kind.BOOL:
            return Each("true and false", [True, False], *salt)
        case Kind.UUID:
            return Uuids(*salt)
        case Kind.INTEGER | Kind.NUMERIC | Kind.FLOAT:
            low, high = span_of(column, kind, limits)
            first = low if low > 0 or high < 1 else 1
            made = stepped(column, kind) if kind is not Kind.INTEGER else _same
            return Numbered("counted up", lambda n: made(first + n), max(high - first + 1, 0))
        case Kind.TEXT:
            return _distinct_text(scene, column, limits)
        case Kind.BYTES:
            salted = key(*salt)
            return Numbered(
                "different bytes",
                lambda n: n.to_bytes(8, "big") + mix(n, salted).to_bytes(8, "big"),
            )
        case Kind.DATE:
            return _distinct_dates(scene, limits)
        case Kind.TIMESTAMP | Kind.TIMESTAMPTZ:
            end = scene.now if kind is Kind.TIMESTAMPTZ else scene.now.replace(tzinfo=None)
            return Numbered(
                "a minute apart, backwards", lambda n: end - timedelta(minutes=n), 500_000_000
            )
        case Kind.TIME:
            return Numbered(
                "different times of day",
                lambda n: (datetime(2000, 1, 1) + timedelta(microseconds=n * 13)).time(),  # noqa: DTZ001
                6_000_000_000,
            )
        case Kind.INTERVAL:
            return Numbered("a second more each", lambda n: timedelta(seconds=n), 1 << 31)
        case Kind.JSON:
            return Numbered("numbered documents", lambda n: json.dumps({"n": n + 1}))
        case Kind.INET:
            if column.leaf == "cidr":
                return Numbered(
                    "different networks", lambda n: IPv4Network(((10 << 24) + n, 32)), 1 << 24
                )
            return Numbered(
                "different private addresses", lambda n: IPv4Address((10 << 24) + n), 1 << 24
            )
        case Kind.BITS:
            width = column.length or 32
            return Numbered("counted in bits", lambda n: bit_string(n, width), 1 << min(width, 62))
        case Kind.RANGE | Kind.MULTIRANGE:
            return _distinct_ranges(scene, column, kind)
        case _:
            written = _DISTINCT_WRITTEN.get(column.base_name)
            return None if written is None else Numbered("numbered", written)


_DISTINCT_WRITTEN: dict[str, Callable[[int], str]] = {
    "macaddr": lambda n: "02:" + ":".join(f"{n >> 8 * (4 - k) & 255:02x}" for k in range(5)),
    "macaddr8": lambda n: "02:" + ":".join(f"{n >> 8 * (6 - k) & 255:02x}" for k in range(7)),
    "money": lambda n: f"{n}.00",
    "ltree": lambda n: f"top.n{n + 1}",
    "pg_lsn": lambda n: f"{n >> 32:X}/{n & 0xFFFFFFFF:X}",
}


def _same(number: int) -> int:
    return number


def _distinct_text(scene: Scene, column: Column, limits: Limits) -> Distinct:
    numbered = _numbered_text(scene, column, limits)
    if limits.pattern is None:
        return numbered
    matches = re.compile(limits.pattern, re.DOTALL).search
    forms = numbered.forms() if isinstance(numbered, NumberedText) else numbered.at(range(_FORMS))
    if all(matches(str(text)) for text in forms):
        return numbered
    found = alphabets_of(limits.pattern, limits, widest=True)
    if found is None:
        return numbered
    return Digits(f"texts like {limits.pattern}", found, *scene.salt(column))


def _numbered_text(scene: Scene, column: Column, limits: Limits) -> Distinct:
    salt = scene.salt(column)
    limit = limits.max_length if limits.max_length is not None else _NO_LIMIT
    meaning = scene.text_meaning(column)
    words = [list(dict.fromkeys(words)) for words in meaning.words()]
    longest = max(len(meaning.unique(*(max(pool, key=len) for pool in words), 99_999_999_999)), 1)
    if longest > limit:
        # Shorter words, as long as there is room for the number.
        spare = limit - len(meaning.unique(*("" for _ in words), 99_999_999_999))
        if spare < 2 * len(words):
            return short_text(limit, *salt)
        words = [[word[: spare // len(words)] for word in pool] for pool in words]
    unique = meaning.unique
    fill = limits.min_length
    return NumberedText(
        f"{meaning.summary}, numbered",
        words,
        unique if not fill else lambda *parts: unique(*parts).ljust(fill, "."),
        parts=salt,
    )


def _distinct_dates(scene: Scene, limits: Limits) -> Distinct:
    first = limits.low if limits.low is not None else limits.above
    last = limits.high if limits.high is not None else limits.below
    if limits.low is None and first is not None:
        first += timedelta(1)
    if limits.high is None and last is not None:
        last -= timedelta(1)
    if first is not None:
        last = last or date.max
        return Numbered(
            f"a day apart from {first}", lambda n: first + timedelta(n), (last - first).days + 1
        )
    last = last or scene.now.date()
    return Numbered(
        f"a day apart, back from {last}",
        lambda n: last - timedelta(n),
        (last - date.min).days + 1,
    )


def _distinct_ranges(scene: Scene, column: Column, kind: Kind) -> Distinct | None:
    """Return ranges that neither repeat nor overlap."""
    several = kind is Kind.MULTIRANGE
    subtype = leaf_kind(column.subtype or "")
    capacity = 1 << 60
    make: Callable[[int], Any]
    match subtype:
        case Kind.INTEGER:
            capacity = (1 << 31) // 8 - 1 if column.subtype == "int4" else 1 << 59
            make = lambda n: Range(n * 8, n * 8 + 5)  # noqa: E731
        case Kind.NUMERIC:
            make = lambda n: Range(Decimal(n * 8), Decimal(n * 8 + 5))  # noqa: E731
        case Kind.DATE:
            # Back from today, and when there is no more of the past, on from today.
            today = scene.now.date()
            past = (today - date.min).days // 8
            capacity = past + (date.max - today).days // 8 - 1
            make = lambda n: _week(today, -n - 1 if n < past else n - past)  # noqa: E731
        case Kind.TIMESTAMP | Kind.TIMESTAMPTZ:
            now = scene.now if subtype is Kind.TIMESTAMPTZ else scene.now.replace(tzinfo=None)
            capacity = 8_000_000
            make = lambda n: Range(  # noqa: E731
                now - timedelta(hours=2 * n + 1), now - timedelta(hours=2 * n)
            )
        case _:
            return None
    return Numbered(
        "ranges that do not overlap", lambda n: [make(n)] if several else make(n), capacity
    )


def _week(today: date, number: int) -> Range:
    start = today + timedelta(number * 8)
    return Range(start, start + timedelta(5))
