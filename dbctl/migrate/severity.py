"""How bad a finding of the linter is; apart from the results, which every `--help` would load."""

from enum import StrEnum


class Severity(StrEnum):
    """How bad a finding is, the least first; the upper two are squawk's."""

    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"

    @property
    def reached_by(self) -> frozenset["Severity"]:
        """The severities that are at least this bad."""
        each = list(Severity)
        return frozenset(each[each.index(self) :])
