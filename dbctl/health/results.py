"""What `health` returns: one result per check, and the report that they make together."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from pydantic import Field

from dbctl.errors import ExitCode
from dbctl.results import FallibleResult, Result
from dbctl.settings import Environment

type Value = bool | int | float | str | tuple[str, ...] | None


class Status(StrEnum):
    """What a check found; `unknown` where it could not be made."""

    PASS = "pass"  # noqa: S105 - a verdict, no password
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


class CheckResult(Result):
    """What one check found.

    The names in `observed` bear their units; one without a unit is a count or a name. `permanent`
    tells that waiting will not mend a failure.
    """

    name: str
    status: Status
    summary: str
    observed: Mapping[str, Value] = Field(default_factory=dict)
    remedy: str | None = None
    permanent: bool = Field(default=False, exclude=True)


class HealthReport(FallibleResult):
    """Whether a database is fit to serve; `error` tells why it could not be looked at."""

    status: Status
    database: str
    environment: Environment
    checks: tuple[CheckResult, ...]

    @property
    def exit_code(self) -> ExitCode:
        """Zero for pass and warn, one for fail, three where there was no connection."""
        if self.error is not None:
            return super().exit_code
        return ExitCode.FINDING if self.status is Status.FAIL else ExitCode.OK

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return one row per check."""
        return [check.model_dump(mode="json") for check in self.checks]

    def columns(self) -> Sequence[str]:
        """Name the columns."""
        return ["name", "status", "summary", "observed", "remedy"]


def overall(checks: Iterable[CheckResult]) -> Status:
    """Return the worst of the results; a check that could not be made is a warning."""
    found = {check.status for check in checks}
    if Status.FAIL in found:
        return Status.FAIL
    return Status.WARN if found & {Status.WARN, Status.UNKNOWN} else Status.PASS
