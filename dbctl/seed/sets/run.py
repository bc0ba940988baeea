"""Run a seed set: one transaction, one run of a set at a time, all of it or nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.db.engine import DatabaseSessionManager
from dbctl.db.failures import connection_loss, sqlstate, statement_failed
from dbctl.db.metadata import PROJECT_CODE_ERRORS
from dbctl.db.search_path import session_path
from dbctl.db.tables import read_table
from dbctl.errors import (
    DbctlError,
    ErrorCode,
    FindingError,
    OperationFailed,
)
from dbctl.interruption import current
from dbctl.migrate.scripts import Checkout
from dbctl.migrate.status import look
from dbctl.seed import guard, ledger
from dbctl.seed.bulk.sequences import resync
from dbctl.seed.bulk.transaction import transaction
from dbctl.seed.sets import reset as resetting
from dbctl.seed.sets.faults import SAVEPOINT, OtherSchema, SetFault, is_aborted, lacks_schema
from dbctl.seed.sets.known import Written, as_written_here, tables_of
from dbctl.seed.sets.naturals import strangers
from dbctl.seed.sets.registry import SeedSet, described, place
from dbctl.seed.sets.results import RowState, SetResult
from dbctl.seed.sets.session import SeedSession, handed_out
from dbctl.seed.sets.upsert import Upserter
from dbctl.settings import Settings

# Seconds to wait for another run of the same set.
PATIENCE = 60
_WAITING = text("""
    select pg_catalog.current_setting('lock_timeout') as before,
           pg_catalog.set_config('lock_timeout', :patience, true)
""")
_LOCK = text("""
    select pg_catalog.pg_advisory_xact_lock(
        pg_catalog.hashtextextended('dbctl seed ' || cast(:name as text), 0)
    )
""")
# The ledger has keys as text, which every session has to read alike.
_STYLES = text("""
    select pg_catalog.set_config('DateStyle', 'ISO', true),
           pg_catalog.set_config('IntervalStyle', 'postgres', true),
           pg_catalog.set_config('extra_float_digits', '1', true)
""")
_END = object()
_WAITED = text("select pg_catalog.set_config('lock_timeout', :before, true)")


@dataclass(frozen=True, slots=True)
class Terms:
    """How a set is run: `plan` writes nothing; `cascade` lets a reset take rows of others along."""

    plan: bool = False
    reset: bool = False
    cascade: bool = False
    actor: str | None = None


async def run_set(
    manager: DatabaseSessionManager,
    checkout: Checkout | None,
    settings: Settings,
    seeds: SeedSet,
    terms: Terms,
) -> SetResult:
    """Write the rows of a set, and delete those that it created before where a reset is asked for.

    `checkout` has the revisions at whose head the database has to be; None where the project has
    none. Raises RefusedError by the guard, or where a reset would take rows of others along;
    FindingError where the schema is another; SetFault, with nothing written, where the set fails.
    """
    guard.refuse_production(settings)
    with _without_revisions() if checkout is None else nullcontext():
        return await _run(manager, checkout, settings, seeds, terms)


@contextmanager
def _without_revisions() -> Iterator[None]:
    """Say what helps where the database lacks a table, and no revision could make it."""
    try:
        yield
    except OtherSchema as error:
        raise OtherSchema(
            error.message,
            hint="Create what is missing: the project has no revisions (no alembic.ini) that "
            "dbctl could apply.",
        ) from error


async def _run(
    manager: DatabaseSessionManager,
    checkout: Checkout | None,
    settings: Settings,
    seeds: SeedSet,
    terms: Terms,
) -> SetResult:
    name = seeds.entry.name
    status = await look(manager, checkout) if checkout is not None else None
    async with transaction(manager, settings, purpose=f"dbctl seed --set {name}") as (
        connection,
        driver,
    ):
        if status is not None and not status.is_at_head:
            raise FindingError(
                f"the schema of {manager.label} {status.state.sentence}", hint=status.hint
            )
        await _take_turn(connection, name)
        await connection.execute(_STYLES)
        record = Written.of(
            await ledger.read_state(connection, "set", name, schema=settings.own_schema)
        )
        tables = await tables_of(connection, record)
        before = await as_written_here(connection, record, tables)
        others = await strangers(connection, before, tables, to_delete=terms.reset)
        created = {*before.created}
        before = before.without({other.identity for other in others})
        gone, kept = None, []
        if terms.reset:
            gone = await resetting.reset(connection, before, cascade=terms.cascade)
            kept = [resetting.kept(other) for other in others if other.identity in created]
            before = before.without({*before.created})
        async with session_path(connection):  # on which models without a schema have their tables
            upserter = await _fill(connection, driver, seeds, before, settings)
        after = await upserter.finish()
        notices: list[str] = []
        if terms.plan:
            await connection.rollback()
        else:
            await ledger.write_state(
                connection,
                "set",
                name,
                after.state(),
                schema=settings.own_schema,
                actor=terms.actor,
            )
            for relation in upserter.explicit:
                table = await read_table(connection, relation)
                notices += (await resync(driver, table))[1]
    rows = (*(gone.rows if gone else ()), *kept, *upserter.rows)
    counts = Counter(row.state for row in rows)
    return SetResult(
        set_name=name,
        database=manager.label,
        plan=terms.plan,
        deleted=counts[RowState.DELETED],
        kept=counts[RowState.KEPT],
        created=counts[RowState.CREATED],
        updated=counts[RowState.UPDATED],
        unchanged=counts[RowState.UNCHANGED],
        affected=gone.affected if gone else (),
        rows=rows,
        notices=tuple(notices),
    )


async def _take_turn(connection: AsyncConnection, name: str) -> None:
    """Wait until no other run of the set is under way."""
    waiting = await connection.execute(_WAITING, {"patience": f"{PATIENCE}s"})
    try:
        await connection.execute(_LOCK, {"name": name})
    except DBAPIError as error:
        if sqlstate(error) != "55P03":
            raise
        raise OperationFailed(
            f"another run of the set {name} is under way; gave up after {PATIENCE} s",
            hint="Let it finish, and run it again.",
            code=ErrorCode.LOCK_BUSY,
        ) from error
    await connection.execute(_WAITED, {"before": waiting.one().before})


async def _fill(
    connection: AsyncConnection,
    driver: asyncpg.Connection[Any],
    seeds: SeedSet,
    before: Written,
    settings: Settings,
) -> Upserter:
    """Have the set yield its rows, and write each of them before it goes on.

    Raises CancelledError where a signal has come that the set has let pass.
    """
    name = f"the set {seeds.entry.name}"
    line = ""
    upserter = Upserter(connection, before, lambda: f"{name}{line}")
    async with handed_out(connection, upserter.forget) as session:
        with _worded(session, name, settings):
            generator = seeds.function(session)
        try:
            while True:
                with _worded(session, name, settings):
                    yielded = await anext(generator, _END)
                _heed_signal()
                _refuse_ended(driver, name)
                if yielded is _END:
                    break
                line = _line(generator)
                await upserter.write(yielded)
        finally:
            # What the set does on its way out of a failure is of no interest.
            with suppress(*PROJECT_CODE_ERRORS):
                await generator.aclose()
        with _worded(session, name, settings):
            session.check()
            await connection.exec_driver_sql("select")  # fails where a statement of the set did
    return upserter


def _heed_signal() -> None:
    if current().signal is not None:
        raise asyncio.CancelledError


def _refuse_ended(driver: asyncpg.Connection[Any], name: str) -> None:
    """Raise SetFault where the transaction is over, which only the driver itself can have done."""
    if not driver.is_closed() and not driver.is_in_transaction():
        raise SetFault(
            f"{name} has ended the transaction by the driver's own connection",
            hint="Leave that out. If it has committed, the rows until then are written.",
        )


@contextmanager
def _worded(session: SeedSession, name: str, settings: Settings) -> Iterator[None]:
    """Turn whatever the code of a set raises into words, and know its statements for its own."""
    session.running = True
    try:
        yield
    except (*PROJECT_CODE_ERRORS, GeneratorExit) as error:
        _heed_signal()  # what a set raises after that may come of it
        raise _failed(session.fault or error, name, settings) from error
    finally:
        session.running = False


def _line(generator: AsyncGenerator[object]) -> str:
    frame = getattr(generator, "ag_frame", None)
    return f" ({frame.f_code.co_filename}:{frame.f_lineno})" if frame is not None else ""


def _failed(error: BaseException, name: str, settings: Settings) -> DbctlError:
    """Say what the code of a set did or raised, and where."""
    if isinstance(error, SetFault):
        where = place(error, settings.project)
        return SetFault(f"{name}{where}: {error.message}", hint=error.hint)
    if isinstance(error, Exception) and connection_loss(error) is not None:
        return statement_failed(error)
    if isinstance(error, DBAPIError):
        failure = statement_failed(error)
        if lacks_schema(error):
            return OtherSchema(f"{name}: {failure.message}")
        if is_aborted(error):
            return SetFault(
                f"{name} lets the error of a statement pass, after which the server takes no other",
                hint=SAVEPOINT,
            )
    return SetFault(
        f"{name} failed: {described(error, settings.project)}",
        hint="Nothing of it was written; correct the set. `-v` shows its SQL.",
    )
