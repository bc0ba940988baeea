"""Make checks on one connection under one deadline, and say what they found."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import asyncpg
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
from dbctl.figures import plural
from dbctl.health.check import DENIED, Check, Context
from dbctl.health.checks import connection as connection_check
from dbctl.health.failure import Failure, explain
from dbctl.health.loading import Loaded, load
from dbctl.health.reader import LookReader
from dbctl.health.registry import CHECKS, select
from dbctl.health.results import CheckResult, Finding, HealthReport, Status, overall
from dbctl.health.thresholds import Configuration, configure
from dbctl.results import ErrorBody
from dbctl.settings import Settings, project_table

if TYPE_CHECKING:
    from dbctl.db.engine import DatabaseSessionManager, PoolStatus

# Seconds beyond the deadline in which the connector can still say what its tries met.
_GRACE = 0.25

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
    """What one run of the checks found; `late` is whether the time ended before all were done."""

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
    make = _make(manager, request, results, deadline, pool or manager.pool_status)
    try:
        await _bounded(manager, make, deadline)
    except (ConnectionFailed, *_LOST) as error:
        failure = explain(manager, error, waited=clock() - started)
        _without_connection(results, failure, request)
    late = failure is not None and failure.late
    if unreached := [check for check in request.checks if check.name not in results]:
        late = True
        made = f"{len(results)} of {plural(len(request.checks), 'check')}"
        told = f"not reached: the deadline of {deadline - started:.3g} s ended after {made}"
        _fill(results, unreached, told, request)
    report = HealthReport(
        status=overall(results.values()),
        database=manager.label,
        environment=request.settings.environment,
        checks=tuple(results[check.name] for check in CHECKS if check.name in results),
        strict=request.strict,
        error=ErrorBody.of(failure.error) if failure else None,
    )
    return Look(report, late=late)


async def _bounded(
    manager: DatabaseSessionManager, work: Coroutine[Any, Any, None], deadline: float
) -> None:
    """Run `work`; raises TimeoutError when it is not done by `deadline`, and a moment more.

    Then, and when this task is cancelled, its connections are cut off: whoever is cancelled in the
    middle of a statement would first ask the server, which does not answer, to cancel that too.
    """
    task = asyncio.create_task(work)
    async with asyncio.timeout_at(deadline + _GRACE):
        try:
            await asyncio.wait({task})
        finally:
            if not task.done():
                manager.terminate()
                await _cancelled(task)
    task.result()


async def _cancelled(*tasks: asyncio.Task[Any]) -> None:
    """Cancel `tasks`, and give them a moment to end."""
    for task in tasks:
        task.cancel()
        # What it ends with is of no interest, but must be fetched.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
    await asyncio.wait(tasks, timeout=0.1)


async def _make(
    manager: DatabaseSessionManager,
    request: Request,
    results: dict[str, CheckResult],
    deadline: float,
    pool: Callable[[], PoolStatus],
) -> None:
    """Connect, make the checks together and put what each found into `results`.

    Those that `deadline` cuts off have none. Raises what the driver raises where the connection is
    lost, TimeoutError where the server is silent.
    """
    async with manager.connect() as connection:
        driver = await _driver_of(connection)
        driver.add_query_logger(log_query)
        await receive_raw(driver)
        patience = min(check.seconds for check in request.checks)
        reader = LookReader(driver, deadline=deadline, patience=patience)
        context = Context(
            settings=request.settings,
            manager=manager,
            loaded=request.loaded,
            pool=pool(),
            deadline=deadline,
            open_pool=request.open_pool,
            allow_pending=request.allow_pending,
        )

        async def make(check: Check) -> None:
            thresholds = request.configuration.thresholds[check.name]
            own = replace(
                context,
                thresholds=thresholds,
                configured=request.configuration.configured.get(check.name),
            )
            # It may be busy itself for as long as the server may be silent besides.
            found = await _finding_of(check, reader, own, check.seconds + patience)
            results[check.name] = check.result(found, thresholds)

        tasks = [asyncio.create_task(make(check)) for check in request.checks]
        is_over = False
        try:
            if await _ended(tasks, reader, deadline):
                # A check that failed may have left a question that is not answered yet.
                tasks.append(asyncio.create_task(reader.finished()))
                is_over = await _ended(tasks[-1:], reader, deadline)
        finally:
            if not is_over:
                driver.terminate()
                await _cancelled(*tasks)
                # Of the driver's own errors SQLAlchemy has not heard, and would talk on.
                await connection.invalidate()


async def _ended(tasks: Sequence[asyncio.Task[None]], reader: LookReader, deadline: float) -> bool:
    """Return whether `tasks` have ended by `deadline`.

    Raises what one of them raises, and TimeoutError where it is the server that was silent.
    """
    left = max(deadline - asyncio.get_running_loop().time(), 0.0)
    done, pending = await asyncio.wait(tasks, timeout=left, return_when=asyncio.FIRST_EXCEPTION)
    for task in done:
        task.result()
    if pending and reader.is_silent:
        raise TimeoutError
    return not pending


async def _driver_of(connection: AsyncConnection) -> asyncpg.Connection[Any]:
    driver = (await connection.get_raw_connection()).driver_connection
    assert isinstance(driver, asyncpg.Connection)  # noqa: S101 - the engine has no other
    return driver


async def _finding_of(
    check: Check, reader: LookReader, context: Context, seconds: float
) -> Finding:
    """Make a check within `seconds`; raises only where the connection of the reader is lost.

    One that the check has opened besides says nothing against it.
    """
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await check.run(reader, context)
    except DbctlError as error:
        if reader.lost is not None:
            raise reader.lost from error
        return Finding(status=Status.UNKNOWN, summary=error.message, remedy=error.hint)
    except _LOST as error:
        if limit.expired():
            return Finding(status=Status.UNKNOWN, summary=f"not made within {seconds:g} s")
        if reader.lost is not None:
            raise reader.lost from error
        failure = statement_failed(error)
        return _not_made(check, error, failure)


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
    left = [check for check in request.checks if check.name not in results]
    _fill(results, left, "not checked: no connection", request)


def _fill(
    results: dict[str, CheckResult], checks: Iterable[Check], told: str, request: Request
) -> None:
    """Put into `results` why `checks` were not made."""
    for check in checks:
        finding = Finding(status=Status.UNKNOWN, summary=told)
        results[check.name] = check.result(finding, request.configuration.thresholds[check.name])
