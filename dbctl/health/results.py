"""What `health` returns: one result per check, and the report that they make together."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from pydantic import BaseModel, Field

from dbctl.errors import ExitCode
from dbctl.results import FallibleResult, Result
from dbctl.settings import Environment

type Value = bool | int | float | str | tuple[str, ...] | None

# So many pieces of evidence are told; `evidence_total` says how many there are.
EVIDENCE = 10


class Status(StrEnum):
    """What a check found; `unknown` where it could not be made."""

    PASS = "pass"  # noqa: S105 - a verdict, no password
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


class Component(StrEnum):
    """What a check looks at: the database, or what surrounds it."""

    DATASTORE = "datastore"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a check hands back; `Check.result` makes the result of it.

    `value` is the one number or word that the verdict rests on, in the unit of the check.
    `evidence` says which: a table, a process, one mapping each, the worst first, of any length.
    `evidence_total` is for a query that returns only the worst. The names in `observed` bear their
    units. `remedy` is a command or SQL, `permanent` tells that waiting will not mend a failure.
    """

    status: Status
    summary: str
    value: Value = None
    evidence: Sequence[Mapping[str, Value]] = ()
    evidence_total: int | None = None
    observed: Mapping[str, Value] = field(default_factory=dict)
    remedy: str | None = None
    permanent: bool = False


class CheckResult(Result):
    """What one check found, and the thresholds that held.

    `observed_value`, `warn` and `fail` are in `observed_unit`; what Finding says holds here.
    """

    name: str
    measurement: str = "state"
    component: Component = Component.DATASTORE
    status: Status
    summary: str
    observed_value: Value = None
    observed_unit: str | None = None
    warn: float | None = None
    fail: float | None = None
    evidence: tuple[Mapping[str, Value], ...] = ()
    evidence_total: int = 0
    observed: Mapping[str, Value] = Field(default_factory=dict)
    remedy: str | None = None
    time: datetime = Field(default_factory=lambda: datetime.now(UTC))
    permanent: bool = Field(default=False, exclude=True)


class HealthReport(FallibleResult):
    """Whether a database is fit to serve; `error` tells why it could not be looked at.

    `strict` makes a finding of everything but pass.
    """

    status: Status
    database: str
    environment: Environment
    time: datetime = Field(default_factory=lambda: datetime.now(UTC))
    checks: tuple[CheckResult, ...]
    strict: bool = False

    @property
    def exit_code(self) -> ExitCode:
        """Zero unless something fails, one for a failure, three where there was no connection."""
        if self.error is not None:
            return super().exit_code
        findings = set(Status) - {Status.PASS} if self.strict else {Status.FAIL}
        return ExitCode.FINDING if self.status in findings else ExitCode.OK

    def document(self) -> BaseModel:
        """Return the document of the type application/health+json."""
        from dbctl.health.document import health_document

        return health_document(self)

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return one row per check."""
        return [check.model_dump(mode="json") for check in self.checks]

    def columns(self) -> Sequence[str]:
        """Name the columns."""
        return [name for name in CheckResult.model_fields if name != "permanent"]


_WORST_FIRST = (Status.FAIL, Status.WARN, Status.UNKNOWN)


def overall(checks: Iterable[CheckResult]) -> Status:
    """Return the worst of the results; one that could not be made is better than a warning."""
    found = {check.status for check in checks}
    return next((status for status in _WORST_FIRST if status in found), Status.PASS)
