"""What the command line asks for: `users=10k`, `"odd schema".t=1_000`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from dbctl.errors import UsageError

_COUNT = re.compile(r"(\d[\d_]*(?:\.\d+)?)([kKmMgG]?)")
_FACTORS = {"": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000}
# Values lie around it, a lifetime and more.
_YEARS = (1900, 2900)
# Values around the present of whoever runs this release: the clock would make every run another.
NOW = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Wanted:
    """So many rows of a table, its name as it was typed."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class Terms:
    """What decides about every value: the same terms, the same rows."""

    wanted: tuple[Wanted, ...]
    seed: str = "42"
    locale: str = "en"
    now: datetime = NOW
    start: int | None = None
    actor: str | None = None


def parse_wanted(texts: Sequence[str]) -> tuple[Wanted, ...]:
    """Read `table=count`, any number of them.

    Raises UsageError where one cannot be read.
    """
    if not texts:
        raise UsageError("no table is named", hint="Write table=count, as in users=10k tasks=1M.")
    return tuple(map(_wanted, texts))


def _wanted(text: str) -> Wanted:
    name, equals, count = text.rpartition("=")
    found = _COUNT.fullmatch(count.strip())
    if not equals or not name.strip() or found is None:
        raise UsageError(
            f"{text!r} is not table=count", hint="Write for example users=10k, tasks=1.5M, t=1_000."
        )
    number = Decimal(found[1].replace("_", "")) * _FACTORS[found[2].lower()]
    if number != int(number) or number < 1:
        raise UsageError(
            f"{count} in {text!r} is no number of rows", hint="Write a whole number from 1 on."
        )
    return Wanted(name.strip(), int(number))


def parse_now(text: str) -> datetime:
    """Read the moment that timestamps lie around; UTC where it names no offset.

    Raises UsageError.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{text!r} is not a date or time",
            hint="Write it like 2026-11-01 or 2026-11-01T12:00:00Z.",
        ) from None
    if not _YEARS[0] <= moment.year <= _YEARS[1]:
        raise UsageError(
            f"{text!r} is too far away", hint="Name a year from {} to {}.".format(*_YEARS)
        )
    moment = moment.replace(microsecond=0)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
