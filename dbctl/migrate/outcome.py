"""What a run has left: read back, compared with what was promised, and put into words."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    retry_if_result,
    stop_after_attempt,
    stop_after_delay,
    wait_fixed,
)

from dbctl import interruption
from dbctl.db import drivers
from dbctl.db.failures import Loss, connection_loss, statement_failed
from dbctl.db.metadata import located
from dbctl.errors import ConnectionFailed, DbctlError, ErrorCode, Interrupted, OperationFailed
from dbctl.migrate.events import ConnectionLost, Event
from dbctl.migrate.indexes import InvalidIndex, invalid_indexes
from dbctl.migrate.results import Applied, Migrated
from dbctl.migrate.run.execution import Execution, is_lock_timeout
from dbctl.migrate.scripts import named
from dbctl.results import ErrorBody

_CORRECT = "It was rolled back; correct it and run the command again."
_CORRECT_THE_REST = (
    "What it had committed before, in an autocommit_block or ahead of one, stays: let it find that "
    "done, and run the command again."
)
_PARAMETER = (
    "Pass a value of the column's own type, such as a datetime for a timestamp. It was rolled back."
)
_GO_ON = "Run the command again to go on from there."
# How often what was left is read where the connection is lost meanwhile, as to a server that ends.
_READINGS = 3
# Seconds that the server may take to end the session of an interrupted run.
_SETTLING = 3.0

_STILL_AT_WORK = text("""
    select exists (select from pg_catalog.pg_stat_activity
                   where pid = :pid and state is distinct from 'idle')
""")


async def read_outcome(
    execution: Execution,
    failure: DbctlError | None,
    report: Callable[[Event], None],
    *,
    is_at_fault: bool,
) -> Migrated:
    """Read back what the run has left in one database, and compare it with what was promised.

    Where the connection was lost, what is read decides: a run that has come to its end then has
    not failed. `is_at_fault` says that the failure came from this database.
    """
    with interruption.awaiting("the server to undo what was begun"):
        try:
            left = await _read_left(execution, after_failure=failure is not None)
        except ConnectionFailed as error:
            left = _Left(None, execution.invalid)
            failure = failure or error
    applied = execution.committed(left.version)
    unfinished = execution.unfinished if failure is not None else None
    if unfinished and unfinished.revision in {step.revision for step in applied}:
        unfinished = None
    if isinstance(failure, Interrupted):
        failure = _interrupted(execution, unfinished, left.version)
    elif (loss := connection_loss(failure)) is not None:
        if left.version is not None and execution.has_taken_all(applied):
            failure = None
        elif is_at_fault:
            failure = _lost(execution, loss, left, applied, unfinished)
        if failure is None and is_at_fault:
            report(ConnectionLost(execution.database.label, loss.said))
    if failure is None and left.version is not None and set(left.version) != execution.promised:
        failure = OperationFailed(
            f"every revision ran, but {execution.database.label} is at {named(left.version)} "
            f"instead of {named(execution.promised)}: env.py undid the work, or did it elsewhere",
            hint="env.py must leave the transactions to context.begin_transaction().",
            code=ErrorCode.MIGRATION_FAILED,
        )
    return Migrated(
        direction=execution.direction,
        database=execution.database.label,
        before=execution.before,
        after=left.version,
        applied=applied,
        unfinished=unfinished,
        lock_waited=round(execution.lock.waited, 3),
        invalid_indexes=tuple(index.name for index in left.invalid if not index.busy),
        atomic=execution.atomic,
        error=ErrorBody.of(failure) if failure else None,
    )


@dataclass(frozen=True, slots=True)
class _Left:
    """What was read back; `version` is None where the database could not be asked.

    `at_work` is the pid of the run's session where the server has not ended it.
    """

    version: tuple[str, ...] | None
    invalid: tuple[InvalidIndex, ...]
    at_work: int | None = None


async def _read_left(execution: Execution, *, after_failure: bool) -> _Left:
    """Read it on a fresh connection, or on another one where that is lost, too.

    Raises ConnectionFailed.
    """

    async def once() -> _Left:
        async with execution.database.manager.connect() as connection:
            at_work = None
            if after_failure:
                pid = execution.session.pid
                at_work = None if await _is_settled(connection, pid) else pid
                await _make_durable(connection)
            version, _ = await execution.database.store.read_version(connection)
            invalid = execution.invalid
            if after_failure or invalid:
                invalid = await connection.run_sync(invalid_indexes)
        return _Left(version, invalid, at_work)

    return await AsyncRetrying(
        retry=retry_if_exception(lambda error: connection_loss(error) is not None),
        stop=stop_after_attempt(_READINGS),
        retry_error_callback=_reading_failed,
    )(once)


def _reading_failed(state: RetryCallState) -> NoReturn:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, Exception)  # noqa: S101 - that is why it was given up
    raise statement_failed(error, only_read=True) from error


async def _make_durable(connection: AsyncConnection) -> None:
    """Have the disk hold what was committed before; only a run's last COMMIT waits for it."""
    try:
        await connection.execute(text("select pg_catalog.txid_current()"))
        await connection.commit()
    except DBAPIError:  # it takes no writes any more, as after a failover
        await connection.rollback()


async def _is_settled(connection: AsyncConnection, pid: int | None) -> bool:
    """Wait until the session of a run that did not end by itself is at work no more.

    A COMMIT that was on its way may still take effect. Returns False where it is not waited for any
    longer.
    """
    if pid is None:
        return True

    async def at_work() -> bool:
        answer = await connection.scalar(_STILL_AT_WORK, {"pid": pid})
        await connection.rollback()
        return bool(answer)

    return not await AsyncRetrying(
        retry=retry_if_result(bool),
        stop=stop_after_delay(_SETTLING),
        wait=wait_fixed(0.05),
        retry_error_callback=lambda _state: True,
    )(at_work)


def _lost(
    execution: Execution,
    loss: Loss,
    left: _Left,
    applied: Sequence[Applied],
    unfinished: Applied | None,
) -> ConnectionFailed:
    """Describe what the loss of the connection has left."""
    label = execution.database.label
    lost = f"the connection to {label} was lost"
    if left.version is None:
        what = f"revision {unfinished.revision} ({unfinished.message}) failed" if unfinished else ""
        return ConnectionFailed(
            f"{what}{': ' if what else ''}{lost}{loss.reason}, and it cannot be asked what took "
            "effect",
            hint="Look at the state (`dbctl migrate status`) before you run it again.",
        )
    place = f"{label} is at {named(left.version)}"
    if unfinished is not None:
        where = f"revision {unfinished.revision} ({unfinished.message}) failed"
        if left.at_work is not None:
            return ConnectionFailed(
                f"{where}: {lost}{loss.reason}; {place}, but the session of the run (pid "
                f"{left.at_work}) has not ended",
                hint="Wait until it has (`dbctl inspect activity`), and look at the state "
                "(`dbctl migrate status`) before you run it again.",
            )
        if execution.has_committed_a_part:
            return ConnectionFailed(
                f"{where}: {lost}{loss.reason}; {place}", hint=_CORRECT_THE_REST
            )
        return ConnectionFailed(
            f"{where}: {lost}{loss.reason}; it was rolled back, {place}", hint=_GO_ON
        )
    if applied:
        return ConnectionFailed(
            f"{lost} after {applied[-1].revision} was committed{loss.reason}", hint=_GO_ON
        )
    return ConnectionFailed(
        f"{lost} before a revision was run{loss.reason}; {place}", hint="Run the command again."
    )


def _interrupted(
    execution: Execution,
    unfinished: Applied | None,
    after: tuple[str, ...] | None,
) -> Interrupted:
    """Say what an interruption has left."""
    number = interruption.current().signal
    assert number is not None  # noqa: S101 - that is why it ended
    place = f"{execution.database.label} is at {named(after)}" if after is not None else None
    if unfinished is None:
        outcome = place or "the database cannot be asked where it is"
    elif place is None:
        outcome = f"the database cannot be asked what became of revision {unfinished.revision}"
    elif execution.has_committed_a_part:
        outcome = f"revision {unfinished.revision} did not come to its end, {place}"
    else:
        outcome = f"revision {unfinished.revision} was rolled back, {place}"
    return interruption.interrupted(number, outcome, hint=_GO_ON)


def failure_of(execution: Execution, error: BaseException, *, several: bool = False) -> DbctlError:
    """Describe why a run ended, in which revision, and of `several` databases on which."""
    at = execution.current
    where = f"revision {at.revision} ({at.message}) failed" if at else "env.py failed"
    if several:
        where += f" on {execution.database.label}"
    correct = _CORRECT_THE_REST if execution.has_committed_a_part else _CORRECT
    if is_lock_timeout(error) and at and not execution.has_committed_a_part:
        on = f" on {execution.database.label}" if several else ""
        return _no_lock(execution, f"revision {at.revision} ({at.message}){on}")
    for known in (error, error.__cause__):  # Alembic's command line gets a CommandError around it
        if isinstance(known, DbctlError):
            return known
    if isinstance(error, Exception) and (
        refused := drivers.explain_parameter(error, execution.database.record.driver)
    ):
        return OperationFailed(
            f"{where}: {refused}", hint=_PARAMETER, code=ErrorCode.MIGRATION_FAILED
        )
    if isinstance(error, Exception) and (
        isinstance(error, DBAPIError) or connection_loss(error) is not None
    ):
        cause = statement_failed(error)
        if isinstance(cause, ConnectionFailed):
            return ConnectionFailed(f"{where}: {cause.message}", hint=cause.hint)
        hint = correct if execution.has_committed_a_part else cause.hint
        return OperationFailed(
            f"{where}: {cause.message}", hint=hint, code=ErrorCode.MIGRATION_FAILED
        )
    return OperationFailed(
        f"{where}: {located(error)}", hint=correct, code=ErrorCode.MIGRATION_FAILED
    )


def _no_lock(execution: Execution, revision: str) -> OperationFailed:
    """Describe who kept a revision from its lock until its time was over."""
    tried = execution.unfinished
    assert tried is not None  # noqa: S101 - it is the revision that failed
    times = f"{tried.attempts} attempt{'' if tried.attempts == 1 else 's'}"
    by = "; ".join(blocker.sentence for blocker in tried.blockers)
    return OperationFailed(
        f"{revision} got no lock in {times} over {tried.waited + tried.seconds:.0f} s"
        + (f", blocked by {by}" if by else ""),
        hint="Let the sessions that hold it end, or give --retry-for or --ddl-lock-timeout more "
        "seconds.",
        code=ErrorCode.LOCK_TIMEOUT,
    )
