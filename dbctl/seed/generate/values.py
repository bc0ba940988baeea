"""The rule of a column: from its type, what it is about, and the limits that its checks set."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Network

from asyncpg import BitString, Range

from dbctl.db.catalog import Column
from dbctl.db.tables import Table
from dbctl.seed.generate import spans
from dbctl.seed.generate.distinct import (
    Uuids,
)
from dbctl.seed.generate.limits import Kind, Limits, element_limits, kind_of, leaf_kind
from dbctl.seed.generate.meaning import TextMeaning, any_text, number_meaning, text_meaning
from dbctl.seed.generate.pools import Pools
from dbctl.seed.generate.randomness import mix
from dbctl.seed.generate.regexes import alphabets_of
from dbctl.seed.generate.rules import (
    Choice,
    Constant,
    Integers,
    Joined,
    Mapped,
    Rule,
    Several,
    weighted,
)

_TEXT_SAMPLES = 2048
# So many values of a meaning have to match a pattern for it to be more than chance.
_ENOUGH = 8
# Of so few texts the first ones are the frequent ones: they are labels.
FEW = 8
# Points, networks and documents as PostgreSQL writes them.
_WRITTEN: dict[str, Callable[[int], object]] = {
    "point": lambda bits: f"({bits % 1000},{bits // 1000 % 1000})",
    "line": lambda bits: f"{{1,-1,{bits % 1000}}}",
    "lseg": lambda bits: f"[(0,0),({bits % 1000},{bits // 1000 % 1000})]",
    "box": lambda bits: f"(({bits % 1000},{bits // 1000 % 1000}),(0,0))",
    "path": lambda bits: f"[(0,0),({bits % 1000},{bits // 1000 % 1000})]",
    "polygon": lambda bits: f"((0,0),({bits % 1000 + 1},0),(0,{bits // 1000 % 1000 + 1}))",
    "circle": lambda bits: f"<({bits % 1000},{bits // 1000 % 1000}),{bits % 97 + 1}>",
    "macaddr": lambda bits: "02:" + ":".join(f"{bits >> 8 * n & 255:02x}" for n in range(5)),
    "macaddr8": lambda bits: "02:" + ":".join(f"{bits >> 8 * n & 255:02x}" for n in range(7)),
    "money": lambda bits: f"{bits % 100_000}.{bits // 100_000 % 100:02}",
    "tsvector": lambda bits: f"'w{bits % 997}' 'w{bits // 997 % 997}'",
    "tsquery": lambda bits: f"'w{bits % 997}'",
    "xml": lambda bits: f"<doc><n>{bits % 100_000}</n></doc>",
    "jsonpath": lambda bits: f"$.n{bits % 1000}",
    "timetz": lambda bits: time(bits % 24, bits // 24 % 60, tzinfo=UTC),
    "pg_lsn": lambda bits: f"0/{bits % (1 << 32):X}",
    "ltree": lambda bits: f"top.n{bits % 97}.n{bits // 97 % 997}",
    "hstore": lambda bits: f"n=>{bits % 1000}",
    "vector": lambda bits: f"[{bits % 10},{bits // 10 % 10},{bits // 100 % 10}]",
}


@dataclass(frozen=True, slots=True)
class Scene:
    """What the rules of a run share: the seed, what `now` is, the pools, and the table."""

    seed: str
    now: datetime
    pools: Pools
    table: Table

    def salt(self, column: Column) -> tuple[str, str, str]:
        """Return what the permutations of a column depend on."""
        return self.seed, self.table.label, column.name

    def text_meaning(self, column: Column) -> TextMeaning:
        """Return what a text column is about."""
        name, table = column.name, self.table.relation.name
        return text_meaning(name, table, self.pools) or any_text(self.pools)


def rule_for(scene: Scene, column: Column, limits: Limits) -> Rule | None:
    """Return the rule of a column that need not be distinct; None for a type that has none."""
    if column.is_array:
        inner = _scalar(scene, column, element_limits(column))
        low = max(limits.min_length, 0)
        high = low + 4 if limits.max_length is None else min(limits.max_length, low + 4)
        return None if inner is None else Several(inner, low, high)
    return _scalar(scene, column, limits)


def _scalar(scene: Scene, column: Column, limits: Limits) -> Rule | None:
    kind = kind_of(column)
    if limits.values is not None:
        return _choice(column, limits)
    match kind:
        case Kind.BOOL:
            mostly = column.expression != "false"
            share = [9, 1] if column.expression in {"true", "false"} else [1, 1]
            return Choice("true or false", [mostly, not mostly], share)
        case Kind.INTEGER | Kind.NUMERIC | Kind.FLOAT:
            return _number(column, kind, limits)
        case Kind.TEXT:
            return _text(scene, column, limits)
        case Kind.UUID:
            return Mapped("random UUIDs", _bits(64), _uuid(scene, column))
        case Kind.BYTES:
            width = min(limits.max_length or 16, 16)
            return Mapped("random bytes", _bits(64), lambda bits: _bytes(bits, width))
        case Kind.DATE | Kind.TIMESTAMP | Kind.TIMESTAMPTZ:
            return _moment(scene, column, kind, limits)
        case Kind.TIME:
            return Mapped("a time of day", Integers("", 0, 1439), _time)
        case Kind.INTERVAL:
            return Mapped("minutes to days", Integers("", 1, 10_000, skewed=True), _minutes)
        case Kind.JSON:
            return _document(scene)
        case Kind.INET:
            of = _network if column.leaf == "cidr" else _address
            return Mapped("a private address", Integers("", 0, (1 << 24) - 1), of)
        case Kind.BITS:
            width = column.length or 8
            return Mapped("random bits", _bits(64), lambda bits: bit_string(bits, width))
        case Kind.RANGE | Kind.MULTIRANGE:
            return _range(scene, column, kind)
        case _:
            written = _WRITTEN.get(column.base_name if not column.leaf else column.leaf)
            if written is None:
                return None
            return Mapped(f"a {column.base_name}", _bits(48), lambda bits: written(_int(bits)))


def _choice(column: Column, limits: Limits) -> Rule:
    values = [value for value in limits.values or () if value not in limits.excluded]
    weights = weighted([str(value) for value in values])
    default = next(
        (place for place, v in enumerate(values) if (column.expression or "").startswith(f"'{v}'")),
        None,
    )
    if default is not None:
        weights = [60 if place == default else min(weight, 30)
                   for place, weight in enumerate(weights)]  # fmt: skip
    if len(values) == 1:
        return Constant(values[0])
    return Choice(f"one of {len(values)} values, weighted", values, weights)


def _bits(width: int) -> Integers:
    return Integers("", 0, (1 << width) - 1)


def _int(bits: object) -> int:
    assert isinstance(bits, int)  # noqa: S101 - Integers makes nothing else
    return bits


def _uuid(scene: Scene, column: Column) -> Callable[[object], object]:
    made = Uuids(*scene.salt(column))
    return lambda bits: made.at((_int(bits),))[0]


def _bytes(bits: object, width: int) -> bytes:
    number = _int(bits)
    return (number.to_bytes(8, "big") + mix(number, 0).to_bytes(8, "big"))[:width]


def _time(minutes: object) -> time:
    hour, minute = divmod(_int(minutes), 60)
    return time(hour, minute)


def _minutes(minutes: object) -> timedelta:
    return timedelta(minutes=_int(minutes))


def _address(number: object) -> IPv4Address:
    return IPv4Address((10 << 24) + _int(number))


def _network(number: object) -> IPv4Network:
    return IPv4Network(((10 << 24) + (_int(number) & 0xFFFF00), 24))


def bit_string(bits: object, width: int) -> BitString:
    """Return the lowest bits of a number."""
    return BitString(f"{_int(bits) % (1 << min(width, 64)):b}".zfill(width)[-width:])


def step_of(column: Column, kind: Kind) -> Decimal | int:
    """Return what two neighbouring values of a numeric column are apart."""
    if kind is Kind.INTEGER:
        return 1
    if kind is Kind.FLOAT:
        return Decimal(1) / 64  # exact in binary: what is compared is what was sent
    scale = 2 if column.scale is None else column.scale
    return Decimal(1).scaleb(-scale)


def span_of(column: Column, kind: Kind, limits: Limits) -> tuple[int, int]:
    """Return the lowest and the highest value that the limits allow, counted in steps."""
    step = step_of(column, kind)
    highest = (1 << 62) if kind is not Kind.NUMERIC else 10 ** min(column.precision or 18, 30) - 1
    low, high = -highest, highest
    for bound, inside in ((limits.low, 0), (limits.above, 1)):
        if bound is not None:
            steps = Decimal(bound) / step
            floor = int(steps.to_integral_value("ROUND_CEILING"))
            low = max(low, floor + (1 if inside and floor == steps else 0))
    for bound, inside in ((limits.high, 0), (limits.below, 1)):
        if bound is not None:
            steps = Decimal(bound) / step
            ceiling = int(steps.to_integral_value("ROUND_FLOOR"))
            high = min(high, ceiling - (1 if inside and ceiling == steps else 0))
    return low, high


def stepped(column: Column, kind: Kind) -> Callable[[object], object]:
    """Return what makes a number of the column's type of a count of steps."""
    if kind is Kind.FLOAT:
        return lambda steps: _int(steps) / 64
    scale = -2 if column.scale is None else -column.scale
    return lambda steps: Decimal(_int(steps)).scaleb(scale)


def _number(column: Column, kind: Kind, limits: Limits) -> Rule:
    meaning = number_meaning(column.name)
    low, high = span_of(column, kind, limits)
    step = step_of(column, kind)
    summary, skewed = "a number", True
    wanted = (0, int(1000 / step))
    if meaning is not None:
        summary, skewed = meaning.summary, meaning.skewed
        wanted = int(Decimal(meaning.low) / step), int(Decimal(meaning.high) / step)
    if wanted[0] <= high and wanted[1] >= low:
        low, high = max(low, wanted[0]), min(high, wanted[1])
    elif low > wanted[1]:
        high = min(high, low + wanted[1] - wanted[0])
    else:
        low = max(low, high - (wanted[1] - wanted[0]))
    summary = f"{summary}, {_shown(low, step)} to {_shown(high, step)}"
    numbers = Integers(summary, low, high, skewed=skewed)
    if kind is Kind.INTEGER:
        return numbers
    return Mapped(summary, numbers, stepped(column, kind))


def _shown(steps: int, step: Decimal | int) -> str:
    return f"{steps * step:f}" if isinstance(step, Decimal) else str(steps)


def _text(scene: Scene, column: Column, limits: Limits) -> Rule:
    meaning = scene.text_meaning(column)
    values = list(dict.fromkeys(fitted(value, limits) for value in meaning.values()))
    if limits.pattern is not None:
        matches = re.compile(limits.pattern, re.DOTALL).search
        matching = [value for value in values if matches(value)]
        found = alphabets_of(limits.pattern, limits)
        if len(matching) < min(_ENOUGH, len(values)) and found is not None:
            return Joined(
                f"texts like {limits.pattern}",
                [Choice("", tuple(alphabet)) for alphabet in found],
                lambda *letters: "".join(letters),
            )
        values = matching or values
    few = weighted(values) if len(values) <= FEW else None
    return Choice(meaning.summary, values[:_TEXT_SAMPLES], few)


def fitted(text: str, limits: Limits) -> str:
    """Cut or fill a text so that its length is allowed."""
    if limits.max_length is not None and len(text) > limits.max_length:
        text = text[: limits.max_length].rstrip() or text[: limits.max_length]
    while len(text) < limits.min_length:
        text = (text + "." + text)[: max(limits.min_length, 1)] if text else "x"
    return text


def _moment(scene: Scene, column: Column, kind: Kind, limits: Limits) -> Rule:
    low = limits.low if limits.low is not None else limits.above
    high = limits.high if limits.high is not None else limits.below
    if low is None and high is None:
        return spans.moment(column, spans.base_of(column, scene.table), scene.now)
    unit = timedelta(days=1) if kind is Kind.DATE else timedelta(seconds=1)
    if low is None:
        low = high - spans.HISTORY
    if high is None:
        high = low + spans.HISTORY
    steps = max((high - low) // unit, 2)
    first = low
    return Mapped(
        f"from {low} to {high}",
        Integers("", 1, steps - 1),
        lambda number: first + _int(number) * unit,
    )


def _document(scene: Scene) -> Rule:
    words = scene.pools.words()[:64]
    return Joined(
        "small documents",
        [Choice("", words), Integers("", 0, 1000, skewed=True), Choice("", [True, False])],
        lambda word, number, flag: json.dumps(
            {"kind": word, "count": number, "active": flag}, ensure_ascii=False
        ),
    )


def _range(scene: Scene, column: Column, kind: Kind) -> Rule | None:
    made = _range_at(scene, leaf_kind(column.subtype or ""))
    if made is None:
        return None
    several = kind is Kind.MULTIRANGE
    return Joined(
        "ranges",
        [Integers("", 0, 700, skewed=True), Integers("", 1, 30, skewed=True)],
        lambda start, width: [made(start, width)] if several else made(start, width),
    )


def _range_at(scene: Scene, kind: Kind) -> Callable[[int, int], Range] | None:
    """Return what makes a range of a start before now and a width, both in the type's own steps."""
    match kind:
        case Kind.INTEGER:
            return lambda start, width: Range(start, start + width)
        case Kind.NUMERIC:
            return lambda start, width: Range(Decimal(start), Decimal(start + width))
        case Kind.DATE:
            today = scene.now.date()
            return lambda start, width: Range(
                today - timedelta(start), today - timedelta(start - width)
            )
        case Kind.TIMESTAMP | Kind.TIMESTAMPTZ:
            now = scene.now if kind is Kind.TIMESTAMPTZ else scene.now.replace(tzinfo=None)
            return lambda start, width: Range(
                now - timedelta(hours=start), now - timedelta(hours=start - width)
            )
        case _:
            return None
