"""From which value on a check warns or fails: its own, the project's, those of the command line."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from dbctl.db.names import listed, suggestion
from dbctl.errors import ConfigurationError, DbctlError, UsageError
from dbctl.health.results import Status

if TYPE_CHECKING:
    from dbctl.health.check import Check

_LEVELS = ("warn", "fail")
_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Z%]*)")
# What a threshold may be written in, by the unit of the check, and what that is in this unit.
_SECONDS = {"ms": 0.001, "s": 1, "min": 60, "h": 3600, "d": 86400}
_BYTES = {"B": 1, "kB": 2**10, "MB": 2**20, "GB": 2**30, "TB": 2**40} | {
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
_UNITS: Mapping[str, Mapping[str, float]] = {
    "s": _SECONDS,
    "ms": {unit: seconds * 1000 for unit, seconds in _SECONDS.items()},
    "bytes": _BYTES,
    "percent": {"%": 1, "percent": 1},
}


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The values from which on a check warns, and fails; None for never."""

    warn: float | None = None
    fail: float | None = None

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return self.warn is not None or self.fail is not None

    def judge(self, value: float) -> Status:
        """Return what a value means, which is the worse the higher it is."""
        if self.fail is not None and value >= self.fail:
            return Status.FAIL
        if self.warn is not None and value >= self.warn:
            return Status.WARN
        return Status.PASS


NEVER = Thresholds()


@dataclass(frozen=True, slots=True)
class Configuration:
    """The thresholds and the own configuration of checks, by the check's name."""

    thresholds: Mapping[str, Thresholds] = field(default_factory=dict)
    configured: Mapping[str, Any] = field(default_factory=dict)


def configure(
    checks: Iterable[Check], table: Mapping[str, object], flags: Iterable[str]
) -> Configuration:
    """Lay the project's table over the checks' own thresholds, and the `--threshold` flags on top.

    Raises ConfigurationError for a fault in `[tool.dbctl.health]`, UsageError for one in a flag
    (`connections.warn=70`).
    """
    known = {check.name: check for check in checks}
    thresholds = {name: check.thresholds for name, check in known.items()}
    configured: dict[str, Any] = {}
    for name, value in table.items():
        where = f"{name} in [tool.dbctl.health]"
        check = _find(known, name, where, ConfigurationError)
        if check.thresholds and isinstance(value, Mapping):
            levels = {key: value[key] for key in _LEVELS if key in value}
            value = {key: rest for key, rest in value.items() if key not in levels}
            for level, amount in levels.items():
                found = _read(amount, check, level, f"{name}.{level}", ConfigurationError)
                thresholds[name] = replace(thresholds[name], **found)
            if not value:
                continue
        configured[name] = _parse(check, value, where)
    for flag in flags:
        key, _, amount = flag.partition("=")
        name, dot, level = key.strip().rpartition(".")
        if not dot:
            raise UsageError(
                f"--threshold {flag}: it names no level",
                hint="Write it as NAME.LEVEL=VALUE, such as connections.warn=70.",
            )
        check = _find(known, name, f"--threshold {flag}", UsageError)
        found = _read(amount.strip(), check, level, f"--threshold {flag}", UsageError)
        thresholds[name] = replace(thresholds[name], **found)
    _check_order(known, thresholds)
    return Configuration(thresholds, configured)


def _find(known: Mapping[str, Check], name: str, where: str, error: type[DbctlError]) -> Check:
    if name in known:
        return known[name]
    hint = suggestion(name, known, f"The checks are {listed(list(known))}.")
    raise error(f"{where}: there is no check {name!r}", hint=hint)


def _parse(check: Check, value: object, where: str) -> object:
    """Return what a check makes of the project's table."""
    keys = ", ".join(map(str, value)) if isinstance(value, Mapping) else str(value)
    if check.parse is None:
        takes = "It takes warn and fail." if check.thresholds else "It takes none."
        raise ConfigurationError(f"{where} has no setting {keys}", hint=takes)
    try:
        return check.parse(value)
    except ValueError as error:
        raise ConfigurationError(
            f"{where}: {error}", hint="docs/health.md shows what each check takes."
        ) from None


def _read(
    amount: object, check: Check, level: str, where: str, error: type[DbctlError]
) -> dict[str, float | None]:
    """Return a threshold in the unit of its check."""
    if level not in _LEVELS or not check.thresholds:
        takes = "warn and fail" if check.thresholds else "no thresholds"
        raise error(f"{where}: there is no {level!r}", hint=f"{check.name} takes {takes}.")
    if amount == "off":
        return {level: None}
    units = _UNITS.get(check.unit or "", {})
    match = _AMOUNT.fullmatch(str(amount)) if not isinstance(amount, bool) else None
    if match is None or (match[2] and match[2] not in units):
        written = f" with {listed(list(units), 'or')}" if units else ""
        raise error(
            f"{where}: {amount!r} is no threshold",
            hint=f"Write a number in {check.unit}{written}, or off.",
        )
    value = float(match[1]) * units.get(match[2], 1)
    if not math.isfinite(value):
        raise error(f"{where}: {amount!r} is too large", hint="Write off for never.")
    return {level: value}


def _check_order(known: Mapping[str, Check], thresholds: Mapping[str, Thresholds]) -> None:
    for name, held in thresholds.items():
        if held.warn is not None and held.fail is not None and held.fail < held.warn:
            raise ConfigurationError(
                f"{name}: it would fail from {held.fail:g} {known[name].unit} on, and warn only "
                f"from {held.warn:g}",
                hint=f"Set {name}.warn and {name}.fail, the lower one first.",
            )
