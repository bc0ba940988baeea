"""How bad a finding of the linter is; apart from the results, which every `--help` would load."""

from enum import StrEnum


class Severity(StrEnum):
    """How bad a finding is, in squawk's words."""

    WARNING = "warning"
    ERROR = "error"

    @property
    def reached_by(self) -> frozenset["Severity"]:
        """The severities that are at least this bad."""
        return frozenset(Severity) if self is Severity.WARNING else frozenset({Severity.ERROR})
