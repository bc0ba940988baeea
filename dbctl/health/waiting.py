"""Look again and again until the database is healthy, or the time is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from dbctl.errors import ExitCode
from dbctl.health.report import Request, look
from dbctl.health.results import CheckResult, HealthReport, Status

if TYPE_CHECKING:
    from dbctl.db.engine import DatabaseSessionManager

# Seconds that a look may take; the last one may have less, and then says nothing against the one
# before it.
FULL_LOOK = 5.0
# Seconds between two looks; twice that must be left for one more.
PAUSE = 0.5


async def wait_for_health(
    manager: DatabaseSessionManager,
    request: Request,
    *,
    seconds: float,
    on_wait: Callable[[str], None],
) -> HealthReport:
    """Look until the database is healthy, waiting cannot help, or `seconds` are over.

    Returns the last report, after a moment more than `seconds` at most, whatever the server does.
    `on_wait` is told what is waited for, once per change of it.
    """
    clock = asyncio.get_running_loop().time
    started = clock()
    deadline = started + seconds
    report: HealthReport | None = None
    told = ""
    while True:
        full = deadline - clock() >= FULL_LOOK
        found = await look(manager, request, started=started, deadline=deadline)
        if report is not None and report.error is None and found.late and not full:
            return report
        report = found.report
        awaited = _awaited(report)
        if not awaited or any(check.permanent for check in awaited):
            return report
        if (left := deadline - clock()) < 2 * PAUSE:
            return report
        reason = "; ".join(f"{check.name}: {check.summary}" for check in awaited)
        if (topic := _topic(awaited)) != told:
            on_wait(f"waiting for {manager.label}: {reason} (up to {left:.0f} s)")
            told = topic
        await asyncio.sleep(PAUSE)


def _awaited(report: HealthReport) -> list[CheckResult]:
    """Return the checks that keep the report from being a good one."""
    if report.exit_code is ExitCode.OK:
        return []
    if report.strict:
        return [check for check in report.checks if check.status is not Status.PASS]
    return [check for check in report.checks if check.status is Status.FAIL]


def _topic(awaited: list[CheckResult]) -> str:
    """Return what changes when the reason for waiting does; a number in a summary may not count."""
    return "; ".join(
        f"{check.name}: {''.join(c for c in check.summary if not c.isdigit())}" for check in awaited
    )
