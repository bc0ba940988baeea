"""What cannot be used of the sources of settings."""

from __future__ import annotations

from dataclasses import dataclass

from dbctl.errors import ConfigurationError


class UnknownKey(ConfigurationError):
    """A key in `[tool.dbctl]` that is none."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What cannot be used of a source of settings, and which source that is."""

    source: str
    error: ConfigurationError


class Faults:
    """The faults of the sources: raised at once, or kept where that is asked for."""

    def __init__(self, *, are_kept: bool) -> None:
        self.kept: list[Fault] = []
        self._are_kept = are_kept

    def add(self, *faults: Fault) -> None:
        """Keep `faults`, or raise ConfigurationError with a line for each."""
        if self._are_kept:
            self.kept.extend(faults)
            return
        if len(faults) == 1:
            raise faults[0].error from None
        errors = sorted((fault.error for fault in faults), key=lambda error: error.message)
        hint = max((error.hint or "" for error in errors), key=len)  # the longest says what all do
        raise ConfigurationError("\n".join(error.message for error in errors), hint=hint) from None
