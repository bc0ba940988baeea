"""The metrics of what serves: those of the last look, of the requests and of the pool."""

from collections.abc import Iterator, Mapping

from dbctl.db.engine import PoolStatus
from dbctl.errors import DbctlError
from dbctl.health.prometheus import exposition, family
from dbctl.health.results import CheckResult, HealthReport, Status

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def metrics_text(
    seen: HealthReport | DbctlError,
    answers: Mapping[tuple[str, int], int],
    pool: PoolStatus,
    *,
    whole: bool,
) -> str:
    """Return all of it as Prometheus reads it; without `whole` of the checks the statuses alone."""
    return "".join((_of_look(seen, whole=whole), *_of_requests(answers), *_of_pool(pool)))


def _of_look(seen: HealthReport | DbctlError, *, whole: bool) -> str:
    if isinstance(seen, HealthReport):
        return exposition(seen if whole else _without_figures(seen))
    failed = [({"status": Status.FAIL.value}, 1.0)]
    return "".join(family("dbctl_health_status", "The database could not be looked at.", failed))


def _without_figures(report: HealthReport) -> HealthReport:
    checks = tuple(
        CheckResult(name=check.name, status=check.status, summary="", time=check.time)
        for check in report.checks
    )
    return report.model_copy(update={"checks": checks, "database": ""})


def _of_requests(answers: Mapping[tuple[str, int], int]) -> Iterator[str]:
    return family(
        "dbctl_http_requests_total",
        "Requests that were answered, by path and status.",
        (
            ({"path": path, "status": str(status)}, float(count))
            for (path, status), count in sorted(answers.items())
        ),
        kind="counter",
    )


def _of_pool(pool: PoolStatus) -> Iterator[str]:
    return family(
        "dbctl_pool_connections",
        "Connections of this process to the database.",
        (({"state": "idle"}, pool.checked_in), ({"state": "used"}, pool.checked_out)),
    )
