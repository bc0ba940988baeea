"""Make every check under one deadline, once or until the database is healthy."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.db.engine import DatabaseSessionManager
from dbctl.db.failures import first_line, statement_failed, without_password
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
from dbctl.results import ErrorBody
from dbctl.settings import Settings

type Check = Callable[[AsyncConnection], Awaitable[CheckResult]]

# Seconds that the checks of one look may take once a connection stands; the server ends a statement
# of theirs that waits, for a lock say, before that.
CHECKS_TIMEOUT = 5.0
STATEMENT_TIMEOUT = 3.0
# Seconds between two looks, and the least that must be left for one more.
PAUSE = 0.5

_LIMIT = text("select pg_catalog.set_config('statement_timeout', :milliseconds, true)")
_LOST = (DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
_DENIED = "42501"


async def report_health(
    manager: DatabaseSessionManager,
    settings: Settings,
    *,
    wait: float | None = None,
    allow_pending: bool = False,
    on_wait: Callable[[str], None],
) -> HealthReport:
    """Make every check and report what they found, connection or not.

    Everything together takes `wait` seconds at most, or the connect deadline of the settings,
    also where the server accepts and never answers. With `wait` it looks again until the database
    is healthy, unless waiting cannot help; `on_wait` is told why, once per change of the reason.
    Raises ConfigurationError for what keeps dbctl from trying at all.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + (settings.deadline if wait is None else wait)
    told = ""
    while True:
        report = await _look(manager, settings, deadline - clock(), allow_pending=allow_pending)
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


async def _look(
    manager: DatabaseSessionManager, settings: Settings, seconds: float, *, allow_pending: bool
) -> HealthReport:
    """Connect and make every check within `seconds`."""
    results: dict[str, CheckResult] = {}
    checks = _checks(manager, settings, allow_pending=allow_pending)
    # A little less, so that the connector can still say what its tries met.
    manager.connect_deadline = max(seconds - 0.25, seconds / 2)
    failure: ConnectionFailed | None = None
    permanent = False
    try:
        await _bounded(manager, _make(manager, checks, results), seconds)
    except ConnectionFailed as error:
        failure = error
        permanent = error.__cause__ is not None and not is_transient(error.__cause__)
    except TimeoutError:
        failure = _unanswered(manager, seconds)
    except _LOST as error:
        failure = _lost(manager, error)
    if failure is not None:
        labels = (manager.label, manager.dsn.label)
        _without_connection(results, failure, checks, labels=labels, permanent=permanent)
    made = tuple(results[name] for name in checks)
    return HealthReport(
        status=overall(made),
        database=manager.label,
        environment=settings.environment,
        checks=made,
        error=ErrorBody.of(failure) if failure else None,
    )


def _checks(
    manager: DatabaseSessionManager, settings: Settings, *, allow_pending: bool
) -> Mapping[str, Check]:
    """Return the checks in their order; each finds `manager` with a connection."""

    def connection(connection: AsyncConnection) -> Awaitable[CheckResult]:
        assert manager.server is not None  # noqa: S101 - the first connection sets it
        return check_connection(connection, manager.server)

    def migrations(connection: AsyncConnection) -> Awaitable[CheckResult]:
        return check_migrations(connection, settings, manager.label, allow_pending=allow_pending)

    def pool(connection: AsyncConnection) -> Awaitable[CheckResult]:
        pooled = manager.server is not None and manager.server.pooled
        return check_pool(connection, manager.pool_status(), pooled=pooled)

    return {CONNECTION: connection, MIGRATIONS: migrations, POOL: pool}


async def _bounded(
    manager: DatabaseSessionManager, work: Coroutine[None, None, None], seconds: float
) -> None:
    """Run `work` for `seconds` at most; raises TimeoutError when it is not done by then.

    Then, and when this task is cancelled, its connections are cut off: whoever is cancelled in the
    middle of a statement would first ask the server, which does not answer, to cancel that too.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=seconds)
        if not task.done():
            raise TimeoutError
    finally:
        if not task.done():
            manager.terminate()
            task.cancel()
            await asyncio.wait({task}, timeout=0.1)
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
    task.result()


async def _make(
    manager: DatabaseSessionManager, checks: Mapping[str, Check], results: dict[str, CheckResult]
) -> None:
    """Connect, make each check and put what it found into `results`.

    Raises TimeoutError where the server accepts connections but does not answer, and what the
    driver raises where the connection is lost.
    """
    loop = asyncio.get_running_loop()
    async with manager.connect() as connection:
        give_up = loop.time() + CHECKS_TIMEOUT
        cut_off = loop.call_at(give_up, manager.terminate)
        try:
            for name, check in checks.items():
                results[name] = await _result_of(name, check, connection)
        except _LOST:
            if loop.time() >= give_up:
                raise TimeoutError from None
            raise
        finally:
            cut_off.cancel()


async def _result_of(name: str, check: Check, connection: AsyncConnection) -> CheckResult:
    """Make a check in a transaction of its own; raises only where the connection is lost."""
    try:
        await connection.execute(_LIMIT, {"milliseconds": str(int(STATEMENT_TIMEOUT * 1000))})
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


def _without_connection(
    results: dict[str, CheckResult],
    failure: ConnectionFailed,
    checks: Mapping[str, Check],
    *,
    labels: tuple[str, ...],
    permanent: bool,
) -> None:
    """Fill `results` where there is no connection, or none any more; what was found stays.

    The summary need not repeat which database it is, by whichever of its `labels`.
    """
    before = results.get(CONNECTION)
    summary = failure.message
    for label in labels:
        summary = summary.removeprefix(f"cannot connect to {label}: ").removeprefix(f"{label}: ")
    results[CONNECTION] = CheckResult(
        name=CONNECTION,
        status=Status.FAIL,
        summary=summary,
        observed=before.observed if before else {},
        remedy=failure.hint,
        permanent=permanent,
    )
    for name in checks.keys() - results.keys():
        results[name] = CheckResult(
            name=name, status=Status.UNKNOWN, summary="not checked: no connection"
        )


def _unanswered(manager: DatabaseSessionManager, seconds: float) -> ConnectionFailed:
    waited = min(seconds, CHECKS_TIMEOUT) if manager.server else seconds
    return ConnectionFailed(
        f"{manager.label}: it accepts connections but does not answer (waited {waited:.0f} s)",
        hint="Look at the server's load and log, and at what stands between it and here.",
    )


def _lost(manager: DatabaseSessionManager, error: BaseException) -> ConnectionFailed:
    driver = getattr(error, "driver_exception", None) or error
    return ConnectionFailed(
        f"{manager.label}: the connection was lost: "
        f"{without_password(first_line(driver), manager.dsn)}",
        hint="Look at the server's log, and at what stands between it and here.",
    )
