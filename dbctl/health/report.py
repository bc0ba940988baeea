"""Make checks on one connection under one deadline, and say what they found."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.db.decoding import receive_raw
from dbctl.db.failures import (
    DRIVER_ERRORS,
    sqlstate,
    statement_failed,
)
from dbctl.db.session import log_query
from dbctl.errors import ConnectionFailed, DbctlError
from dbctl.health.check import DENIED, Check, Context
from dbctl.health.checks import connection as connection_check
from dbctl.health.failure import Failure, explain
from dbctl.health.loading import Loaded, load
from dbctl.health.registry import CHECKS, select
from dbctl.health.results import CheckResult, Finding, HealthReport, Status, overall
from dbctl.health.thresholds import Configuration, configure
from dbctl.results import ErrorBody
from dbctl.settings import Settings, project_table

if TYPE_CHECKING:
    from dbctl.db.engine import DatabaseSessionManager, PoolStatus

# Seconds beyond the deadline in which the connector can still say what its tries met.
_GRACE = 0.25

_LIMIT = text("select pg_catalog.set_config('statement_timeout', :milliseconds, true)")
_BEGIN = "begin read only; set local statement_timeout = {milliseconds}"
_LOST = (DBAPIError, *DRIVER_ERRORS)


@dataclass(frozen=True, slots=True)
class Request:
    """What to look at, and with what patience; made once, for any number of looks."""

    settings: Settings
    checks: tuple[Check, ...]
    configuration: Configuration
    loaded: Loaded
    strict: bool = False
    open_pool: bool = False
    allow_pending: bool = False


def prepare(
    settings: Settings,
    *,
    only: Collection[str] = (),
    skip: Collection[str] = (),
    also: Collection[str] = (),
    thresholds: Iterable[str] = (),
    strict: bool = False,
    open_pool: bool = False,
    allow_pending: bool = False,
) -> Request:
    """Choose the checks, read their thresholds and load the code of the project that they need.

    To be called outside the event loop: what the project's code does takes its time. Raises
    UsageError and ConfigurationError for names and thresholds that are none.
    """
    checks = select(only, skip, also)
    return Request(
        settings=settings,
        checks=checks,
        configuration=configure(CHECKS, project_table(settings, "health"), thresholds),
        loaded=load(settings, {check.name for check in checks}),
        strict=strict,
        open_pool=open_pool,
        allow_pending=allow_pending,
    )


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found; `late` tells that the server did not answer in time."""

    report: HealthReport
    late: bool


async def report_health(
    manager: DatabaseSessionManager,
    request: Request,
    *,
    pool: Callable[[], PoolStatus] | None = None,
) -> HealthReport:
    """Look once and report what was found, connection or not.

    Everything together takes the connect deadline of the settings, and at most a moment more to
    tell why, also where the server accepts and never answers; then every connection of `manager` is
    cut off. `pool` counts the application's pool where that is another one.
    """
    started = asyncio.get_running_loop().time()
    deadline = started + request.settings.deadline
    return (await look(manager, request, started=started, deadline=deadline, pool=pool)).report


async def look(
    manager: DatabaseSessionManager,
    request: Request,
    *,
    started: float,
    deadline: float,
    pool: Callable[[], PoolStatus] | None = None,
) -> Look:
    """Connect and make every check until `deadline`; `started` is when the first look began."""
    clock = asyncio.get_running_loop().time
    results: dict[str, CheckResult] = {}
    failure: Failure | None = None
    manager.connect_deadline = max(deadline - clock(), 0)
    make = partial(_make, manager, request, results, deadline, pool or manager.pool_status)
    try:
        await _bounded(manager, make, deadline)
    except (ConnectionFailed, *_LOST) as error:
        failure = explain(manager, error, waited=clock() - started)
        _without_connection(results, failure, request)
    report = HealthReport(
        status=overall(results.values()),
        database=manager.label,
        environment=request.settings.environment,
        checks=tuple(results[check.name] for check in CHECKS if check.name in results),
        strict=request.strict,
        error=ErrorBody.of(failure.error) if failure else None,
    )
    return Look(report, late=failure is not None and failure.late)


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
    request: Request,
    results: dict[str, CheckResult],
    deadline: float,
    pool: Callable[[], PoolStatus],
    limit: asyncio.Timeout,
) -> None:
    """Connect, make each check and put what it found into `results`.

    Raises what the driver raises where the connection is lost.
    """
    clock = asyncio.get_running_loop().time
    async with manager.connect() as connection:
        driver = await _driver_of(connection)
        driver.add_query_logger(log_query)
        await receive_raw(driver)
        context = Context(
            settings=request.settings,
            manager=manager,
            loaded=request.loaded,
            pool=pool(),
            deadline=deadline,
            open_pool=request.open_pool,
            allow_pending=request.allow_pending,
        )
        for check in request.checks:
            # As long as the server answers one check after the other, it has all the time.
            end = min(deadline, clock() + check.seconds)
            limit.reschedule(end)
            thresholds = request.configuration.thresholds[check.name]
            own = replace(
                context,
                thresholds=thresholds,
                configured=request.configuration.configured.get(check.name),
            )
            found = await _finding_of(check, connection, own, end - clock())
            results[check.name] = check.result(found, thresholds)


async def _driver_of(connection: AsyncConnection) -> asyncpg.Connection[Any]:
    driver = (await connection.get_raw_connection()).driver_connection
    assert isinstance(driver, asyncpg.Connection)  # noqa: S101 - the engine has no other
    return driver


async def _finding_of(
    check: Check, connection: AsyncConnection, context: Context, left: float
) -> Finding:
    """Make a check in a transaction of its own; raises only where the connection is lost.

    The server ends a statement that waits, for a lock say, after half of the `left` seconds: then
    there is still time to hear of it, and for the checks that follow.
    """
    milliseconds = max(int(left / 2 * 1000), 1)  # zero would mean no limit
    driver = await _driver_of(connection)
    try:
        if check.through_engine:
            await connection.execute(_LIMIT, {"milliseconds": str(milliseconds)})
            finding = await check.run(connection, context)
        else:
            # One round trip each, which count where the server is far and the checks are many.
            await driver.execute(_BEGIN.format(milliseconds=milliseconds))
            finding = await check.run(driver, context)
    except ConnectionFailed:
        raise
    except DbctlError as error:
        finding = Finding(status=Status.UNKNOWN, summary=error.message, remedy=error.hint)
    except _LOST as error:
        failure = statement_failed(error)
        if isinstance(failure, ConnectionFailed):
            # Of the driver's own errors SQLAlchemy has not heard, and would talk on.
            await connection.invalidate()
            raise
        finding = _not_made(check, error, failure)
    # Not rolled back, which would count in the server's statistics as if something went wrong.
    await (connection.commit() if check.through_engine else driver.execute("commit"))
    return finding


def _not_made(check: Check, error: Exception, failure: DbctlError) -> Finding:
    """Say why a check could not be made; `failure` is the `error` in words."""
    denied = sqlstate(error) == DENIED
    return Finding(
        status=Status.FAIL if check.essential and not denied else Status.UNKNOWN,
        summary=failure.message,
        remedy=failure.hint,
    )


def _without_connection(
    results: dict[str, CheckResult], failure: Failure, request: Request
) -> None:
    """Fill `results` where there is no connection, or none any more; what was found stays."""
    lost, before = connection_check.CHECK, results.get(connection_check.NAME)
    results[lost.name] = lost.result(
        Finding(
            status=Status.FAIL,
            summary=failure.reason,
            observed=before.observed if before else {},
            remedy=failure.error.hint,
            permanent=failure.permanent,
        ),
        request.configuration.thresholds[lost.name],
    )
    for check in request.checks:
        if check.name not in results:
            not_made = Finding(status=Status.UNKNOWN, summary="not checked: no connection")
            results[check.name] = check.result(
                not_made, request.configuration.thresholds[check.name]
            )
