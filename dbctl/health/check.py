"""What a check is: a name, what it measures, and the function that looks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbctl.health.results import EVIDENCE, CheckResult, Component, Finding
from dbctl.health.thresholds import NEVER, Thresholds

if TYPE_CHECKING:
    from dbctl.db.connect import ServerInfo
    from dbctl.db.engine import DatabaseSessionManager, PoolStatus
    from dbctl.health.loading import Loaded
    from dbctl.health.reader import LookReader
    from dbctl.settings import Settings

# The SQLSTATE of what a role may not do.
DENIED = "42501"


@dataclass(frozen=True, slots=True)
class Context:
    """What a check may look at beside its connection.

    `thresholds` are those of the check itself, `configured` what its `parse` made of
    `[tool.dbctl.health.<name>]`, None without one. `loaded` is the project's code, `pool` that of
    the application, `deadline` the time of the event loop's clock at which everything ends.
    `open_pool` is `--pool`, `allow_pending` the option of that name.
    """

    settings: Settings
    manager: DatabaseSessionManager
    loaded: Loaded
    pool: PoolStatus
    deadline: float
    open_pool: bool = False
    allow_pending: bool = False
    thresholds: Thresholds = NEVER
    configured: Any = None

    @property
    def server(self) -> ServerInfo:
        """What the connection found out about the server."""
        server = self.manager.server
        assert server is not None  # noqa: S101 - the first connection sets it
        return server


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that is looked at.

    `run` gets what reads in read-only transactions with a statement timeout, and leaves what the
    driver raises to the caller. What all checks ask for at the same time costs one round trip: one
    that needs several queries asks for them at once (`asyncio.gather`) where none depends on the
    answer to another. `thresholds` are in `unit` and hold for the value of the finding; without
    them the check takes none. `parse` reads what the project configures beyond them, and raises
    ValueError in words. `default` checks are made without being asked for. An `essential` one fails
    where the server does not let it be made, others are unknown. `seconds` is how long the server
    may be silent, or the check busy.
    """

    name: str
    run: Callable[[LookReader, Context], Awaitable[Finding]]
    measurement: str
    unit: str | None = None
    component: Component = Component.DATASTORE
    thresholds: Thresholds = NEVER
    parse: Callable[[object], Any] | None = None
    default: bool = True
    essential: bool = False
    seconds: float = 5.0

    def result(self, finding: Finding, thresholds: Thresholds) -> CheckResult:
        """Return `finding` as the result of this check."""
        evidence = tuple(finding.evidence)
        total = finding.evidence_total
        return CheckResult(
            name=self.name,
            measurement=self.measurement,
            component=self.component,
            status=finding.status,
            summary=finding.summary,
            observed_value=finding.value,
            observed_unit=self.unit,
            warn=thresholds.warn,
            fail=thresholds.fail,
            evidence=evidence[:EVIDENCE],
            evidence_total=len(evidence) if total is None else total,
            observed=finding.observed,
            remedy=finding.remedy,
            permanent=finding.permanent,
        )
