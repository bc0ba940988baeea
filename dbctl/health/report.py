"""Make every check under one deadline, once or until the database is healthy."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.db.engine import DatabaseSessionManager
from dbctl.db.failures import (
    CONNECT_ERRORS,
    DRIVER_ERRORS,
    connection_failed,
    explain_connect,
    first_line,
    statement_failed,
    without_password,
)
from dbctl.db.retry import is_transient
from dbctl.errors import ConnectionFailed
from dbctl.health.checks import (
    CONNECTION,
    MIGRATIONS,
    POOL,
    check_connection,
    check_migrations,
    check_pool,
)
from dbctl.health.results import CheckResult, HealthReport, Status, overall
from dbctl.migrate.scripts import Checkout
from dbctl.results import ErrorBody
from dbctl.settings import Settings

type Check = Callable[[AsyncConnection], Awaitable[CheckResult]]

# Seconds that the checks of one look may take once a connection stands.
CHECKS_TIMEOUT = 5.0
# Seconds between two looks; twice that must be left for one more.
PAUSE = 0.5
# Seconds beyond the deadline in which the connector can still say what its tries met.
_GRACE = 0.25

_LIMIT = text("select pg_catalog.set_config('statement_timeout', :milliseconds, true)")
_LOST = (DBAPIError, *DRIVER_ERRORS)
_DENIED = "42501"


async def report_health(
    manager: DatabaseSessionManager,
    settings: Settings,
    revisions: Checkout | CheckResult,
    *,
    wait: float | None = None,
    allow_pending: bool = False,
    on_wait: Callable[[str], None],
) -> HealthReport:
    """Make every check and report what they found, connection or not.

    `revisions` is what `load_revisions` made of the checkout. Everything together takes `wait`
    seconds, or the connect deadline of the settings, and at most a moment more to tell why, also
    where the server accepts and never answers. With `wait` it looks again until the database is
    healthy, unless waiting cannot help; `on_wait` is told why, once per change of the reason.
    Raises ConfigurationError for what keeps dbctl from trying at all.
    """
    clock = asyncio.get_running_loop().time
    started = clock()
    deadline = started + (settings.deadline if wait is None else wait)
    checks = _checks(manager, revisions, allow_pending=allow_pending)
    report: HealthReport | None = None
    told = ""
    while True:
        full = deadline - clock() >= CHECKS_TIMEOUT
        found, failure = await _look(manager, checks, started=started, deadline=deadline)
        # What had not the time of a full look says nothing against the look before it.
        if report is not None and failure is not None and failure.late and not full:
            return report
        report = HealthReport(
            status=overall(found),
            database=manager.label,
            environment=settings.environment,
            checks=found,
            error=ErrorBody.of(failure.error) if failure else None,
        )
        failed = [check for check in report.checks if check.status is Status.FAIL]
        if wait is None or not failed or any(check.permanent for check in failed):
            return report
        if (left := deadline - clock()) < 2 * PAUSE:
            return report
        reason = "; ".join(f"{check.name}: {check.summary}" for check in failed)
        if reason != told:
            on_wait(f"waiting for {manager.label}: {reason} (up to {left:.0f} s)")
            told = reason
        await asyncio.sleep(PAUSE)


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a look found no connection, or lost it.

    `late` tells that there was no answer in time, `permanent` that waiting will not help.
    """

    error: ConnectionFailed
    reason: str
    late: bool = False
    permanent: bool = False


def _checks(
    manager: DatabaseSessionManager, revisions: Checkout | CheckResult, *, allow_pending: bool
) -> Mapping[str, Check]:
    """Return the checks in their order; each finds `manager` with a connection."""

    async def connection(connection: AsyncConnection) -> CheckResult:
        assert manager.server is not None  # noqa: S101 - the first connection sets it
        return await check_connection(connection, manager.server)

    async def migrations(connection: AsyncConnection) -> CheckResult:
        if isinstance(revisions, CheckResult):
            return revisions
        return await check_migrations(
            connection, revisions, manager.label, allow_pending=allow_pending
        )

    async def pool(connection: AsyncConnection) -> CheckResult:
        pooled = manager.server is not None and manager.server.pooled
        return await check_pool(connection, manager.pool_status(), pooled=pooled)

    return {CONNECTION: connection, MIGRATIONS: migrations, POOL: pool}


async def _look(
    manager: DatabaseSessionManager,
    checks: Mapping[str, Check],
    *,
    started: float,
    deadline: float,
) -> tuple[tuple[CheckResult, ...], _Failure | None]:
    """Connect and make every check until `deadline`; `started` is when the first look began."""
    clock = asyncio.get_running_loop().time
    results: dict[str, CheckResult] = {}
    failure: _Failure | None = None
    manager.connect_deadline = max(deadline - clock(), 0)
    try:
        await _bounded(manager, partial(_make, manager, checks, results, deadline), deadline)
    except (ConnectionFailed, *_LOST) as error:
        failure = _explain(manager, error, waited=clock() - started)
        _without_connection(results, failure, checks)
    return tuple(results[name] for name in checks), failure


async def _bounded(
    manager: DatabaseSessionManager,
    work: Callable[[asyncio.Timeout], Coroutine[None, None, None]],
    deadline: float,
) -> None:
    """Run `work`, which may move its limit; raises TimeoutError when it is not done by then.

    Then, and when this task is cancelled, its connections are cut off: whoever is cancelled in the
    middle of a statement would first ask the server, which does not answer, to cancel that too.
    """
    async with asyncio.timeout_at(deadline + _GRACE) as limit:
        task = asyncio.create_task(work(limit))
        try:
            await asyncio.wait({task})
        finally:
            if not task.done():
                manager.terminate()
                task.cancel()
                await asyncio.wait({task}, timeout=0.1)
                task.add_done_callback(lambda done: done.cancelled() or done.exception())
    task.result()


async def _make(
    manager: DatabaseSessionManager,
    checks: Mapping[str, Check],
    results: dict[str, CheckResult],
    deadline: float,
    limit: asyncio.Timeout,
) -> None:
    """Connect, make each check and put what it found into `results`.

    Raises what the driver raises where the connection is lost.
    """
    clock = asyncio.get_running_loop().time
    async with manager.connect() as connection:
        end = min(deadline, clock() + CHECKS_TIMEOUT)
        limit.reschedule(end)
        for name, check in checks.items():
            results[name] = await _result_of(name, check, connection, end - clock())


async def _result_of(
    name: str, check: Check, connection: AsyncConnection, left: float
) -> CheckResult:
    """Make a check in a transaction of its own; raises only where the connection is lost.

    The server ends a statement that waits, for a lock say, after half of the `left` seconds: then
    there is still time to hear of it, and for the checks that follow.
    """
    milliseconds = max(int(left / 2 * 1000), 1)  # zero would mean no limit
    try:
        await connection.execute(_LIMIT, {"milliseconds": str(milliseconds)})
        result = await check(connection)
    except DBAPIError as error:
        failure = statement_failed(error)
        if error.connection_invalidated or isinstance(failure, ConnectionFailed):
            raise
        denied = getattr(error.driver_exception, "sqlstate", None) == _DENIED
        result = CheckResult(
            name=name,
            status=Status.UNKNOWN if denied else Status.FAIL,
            summary=failure.message,
            remedy=failure.hint,
        )
    except _LOST:  # of the driver itself: SQLAlchemy has not seen it and would talk on
        await connection.invalidate()
        raise
    await connection.rollback()
    return result


def _explain(manager: DatabaseSessionManager, error: Exception, *, waited: float) -> _Failure:
    """Say why there is no connection; `waited` is in seconds, over all looks."""
    cause = error.__cause__
    if isinstance(error, ConnectionFailed) and isinstance(cause, CONNECT_ERRORS):
        return _Failure(
            connection_failed(cause, manager.dsn, waited=waited),
            explain_connect(cause, manager.dsn).reason,
            late=isinstance(cause, TimeoutError),
            permanent=not is_transient(cause),
        )
    if isinstance(error, ConnectionFailed):
        return _Failure(error, error.message)
    if late := isinstance(error, TimeoutError):
        reason, after = "it accepts connections but does not answer", f" (waited {waited:.0f} s)"
        hint = "Look at the server's load and log, and at what stands between it and here."
    else:
        driver = getattr(error, "driver_exception", None) or error
        said = without_password(first_line(driver), manager.dsn)
        reason, after = f"the connection was lost: {said}", ""
        hint = "Look at the server's log, and at what stands between it and here."
    failed = ConnectionFailed(f"{manager.label}: {reason}{after}", hint=hint)
    return _Failure(failed, reason, late=late)


def _without_connection(
    results: dict[str, CheckResult], failure: _Failure, checks: Mapping[str, Check]
) -> None:
    """Fill `results` where there is no connection, or none any more; what was found stays."""
    before = results.get(CONNECTION)
    results[CONNECTION] = CheckResult(
        name=CONNECTION,
        status=Status.FAIL,
        summary=failure.reason,
        observed=before.observed if before else {},
        remedy=failure.error.hint,
        permanent=failure.permanent,
    )
    for name in checks.keys() - results.keys():
        results[name] = CheckResult(
            name=name, status=Status.UNKNOWN, summary="not checked: no connection"
        )
