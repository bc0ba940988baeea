"""The rules that the project itself tells, and how its values are read."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from dbctl.db.catalog import Column
from dbctl.errors import ConfigurationError
from dbctl.seed.generate.distinct import Digits, Distinct, Each, Numbered
from dbctl.seed.generate.limits import Kind, Limits, kind_of
from dbctl.seed.generate.overrides import Override, load_function
from dbctl.seed.generate.regexes import alphabets_of
from dbctl.seed.generate.rules import Called, Choice, Constant, Integers, Joined, Mapped, Rule
from dbctl.seed.generate.values import Scene, span_of, stepped


def limited(said: Override, column: Column, limits: Limits, where: str) -> Limits:
    """Return the limits with what is told beside them."""
    for name, bound in (("min", "low"), ("max", "high")):
        value = getattr(said, name)
        if value is not None:
            limits = limits.narrowed(**{bound: value_of(value, column, f"{where}: {name}")})
    if said.length is not None:
        limits = limits.narrowed(max_length=said.length)
    if said.null == 0:
        limits = limits.narrowed(not_null=True)
    return limits


def told_rule(
    said: Override, scene: Scene, column: Column, limits: Limits, where: str
) -> Rule | Distinct | None:
    """Return the rule that is told; None where only limits are.

    Raises ConfigurationError where a value does not suit the column.
    """
    unique = bool(said.unique)
    salt = scene.salt(column)
    match said.kind:
        case "constant":
            return Constant(value_of(said.constant, column, f"{where}: constant"))
        case "choices":
            return _choices(said, scene, column, unique, where)
        case "pattern":
            return _pattern(said.pattern or "", column, where)
        case "regex":
            found = alphabets_of(said.regex or "", limits, widest=unique)
            if found is None:
                raise ConfigurationError(
                    f"{where}: regex = {said.regex!r} is not simple enough to be written",
                    hint="Classes, quantifiers, groups and anchors are; or name a function "
                    'with python = "module:function".',
                )
            if unique:
                return Digits(f"texts like {said.regex}", found, *salt)
            return Joined(
                f"texts like {said.regex}",
                [Choice("", tuple(alphabet)) for alphabet in found],
                lambda *letters: "".join(letters),
            )
        case "provider":
            values = [
                value_of(value, column, f"{where}: provider")
                for value in scene.pools.of(said.provider or "")
            ]
            if unique:
                return Each(f"{said.provider}, each once", values, *salt)
            return Choice(f"{said.provider} of mimesis", values)
        case "python":
            return Called(said.python or "", load_function(said.python or "", where))
        case _ if said.distribution is not None and kind_of(column) in {
            Kind.INTEGER,
            Kind.NUMERIC,
            Kind.FLOAT,
        }:
            return _spread(said, column, limits)
        case _:
            return None


def _choices(
    said: Override, scene: Scene, column: Column, unique: bool, where: str
) -> Rule | Distinct:
    given: list[Any] = list(said.choices or ())
    values = [value_of(value, column, f"{where}: choices") for value in given]
    if unique:
        return Each("each of the told values once", values, *scene.salt(column))
    weights = list(said.choices.values()) if isinstance(said.choices, dict) else said.weights
    return Choice(f"one of {len(values)} told values", values, weights)


def _pattern(pattern: str, column: Column, where: str) -> Numbered:
    try:
        pattern.format(n=1)
    except (ValueError, LookupError, AttributeError, TypeError) as error:
        raise ConfigurationError(
            f"{where}: pattern = {pattern!r} cannot be filled in: {error}",
            hint='{n} is the number of the row, as in "INV-{n:06}".',
        ) from None

    def written(number: int) -> Any:
        return value_of(pattern.format(n=number + 1), column, where)

    return Numbered(f"texts like {pattern.format(n=1)}", written, None if "{n" in pattern else 1)


def _spread(said: Override, column: Column, limits: Limits) -> Rule:
    kind = kind_of(column)
    low, high = span_of(column, kind, limits)
    if limits.low is None and limits.above is None:
        low = max(low, 0) if high >= 0 else high - 1000
    if limits.high is None and limits.below is None:
        high = min(high, low + 1000)
    numbers = Integers(f"{said.distribution}", low, high, skewed=said.distribution == "skewed")
    if kind is Kind.INTEGER:
        return numbers
    return Mapped(numbers.summary, numbers, stepped(column, kind))


def value_of(value: Any, column: Column, where: str) -> Any:
    """Return a value of TOML or Python as the driver takes it for the column.

    Raises ConfigurationError where it is of another type.
    """
    if value is None:
        return None
    if column.is_array and isinstance(value, list | tuple):
        return [_scalar(item, column, where) for item in value]
    return _scalar(value, column, where)


def _scalar(value: Any, column: Column, where: str) -> Any:
    kind = kind_of(column)
    if kind is Kind.JSON:
        return value if isinstance(value, str) and _is_json(value) else json.dumps(value)
    if kind is Kind.ENUM and value not in column.labels:
        raise ConfigurationError(
            f"{where}: {value!r} is not one of {', '.join(column.labels)}",
            hint="Write a label of the type.",
        )
    wanted, read = _READERS.get(kind, (object, None))
    if isinstance(value, wanted) and not (isinstance(value, bool) and kind is not Kind.BOOL):
        return Decimal(str(value)) if kind is Kind.NUMERIC else value
    try:
        if (
            read is not None
            and isinstance(value, str | int | float | Decimal)
            and (not isinstance(value, bool))
        ):
            return read(value)
    except (ValueError, ArithmeticError, TypeError):
        pass
    raise ConfigurationError(
        f"{where}: {value!r} does not suit a column of type {column.type}",
        hint="Write a value of that type.",
    )


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _whole(value: Any) -> int:
    if isinstance(value, float | Decimal) and value != int(value):
        raise ValueError(value)
    return int(value)


_READERS: dict[Kind, tuple[type | tuple[type, ...], Callable[[Any], Any] | None]] = {
    Kind.BOOL: (bool, None),
    Kind.INTEGER: (int, _whole),
    Kind.NUMERIC: ((int, float, Decimal), lambda value: Decimal(str(value))),
    Kind.FLOAT: (float, float),
    Kind.TEXT: (str, str),
    Kind.ENUM: (str, None),
    Kind.UUID: (UUID, UUID),
    Kind.DATE: (date, date.fromisoformat),
    Kind.TIME: (time, time.fromisoformat),
    Kind.TIMESTAMP: (datetime, datetime.fromisoformat),
    Kind.TIMESTAMPTZ: (datetime, datetime.fromisoformat),
    Kind.INTERVAL: (timedelta, lambda value: timedelta(seconds=float(value))),
}
