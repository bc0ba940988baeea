"""Try rows before the first one is written: against the checks here, and on the server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.db.catalog import Relation
from dbctl.db.failures import sqlstate
from dbctl.db.search_path import ON_SESSION_PATH
from dbctl.errors import OperationFailed
from dbctl.seed.bulk.refusals import CopyRefused
from dbctl.seed.bulk.writer import Writer
from dbctl.seed.generate.checks import Unknown, unsatisfied
from dbctl.seed.generate.plan import TablePlan
from dbctl.seed.generate.planning import combined
from dbctl.seed.generate.randomness import BLOCK

_ROWS = 1000
_STAGE = "dbctl_trial"
_TELL = (
    "Say how to make the column in [tool.dbctl.generate]; docs/seed.md says what it may be told."
)


def try_here(plans: Sequence[TablePlan]) -> None:
    """Make the first rows of each table, and look whether they satisfy the checks.

    Raises OperationFailed, with every reason.
    """
    faults = []
    for plan in plans:
        try:
            _head(plan)
        except OperationFailed as fault:
            faults.append(fault)
    if faults:
        raise combined(faults)


async def try_there(writer: Writer, plans: Sequence[TablePlan]) -> None:
    """Let the server judge the first rows of each table in a copy of it, which is not kept.

    Raises OperationFailed where they do not satisfy a constraint, with every reason.
    """
    faults = []
    for plan in plans:
        # To where it began, whatever happened: not even an error is left of it.
        trial = await writer.connection.begin_nested()
        try:
            failing = await _failing(writer, plan)
        except CopyRefused as fault:
            faults.append(OperationFailed(fault.message, hint=_TELL))
            continue
        finally:
            await trial.rollback()
        if failing:
            faults.append(unsatisfied(plan.table.label, failing))
    if faults:
        raise combined(faults)


def unknowns(plan: TablePlan) -> tuple[Unknown, ...]:
    """Return what only the server can judge about rows of a table."""
    exclusions = [
        Unknown("exclusion", one.name, one.definition, tuple(filter(None, one.columns)))
        for one in plan.table.exclusions
    ]
    return (*plan.checks.unknown, *plan.unknown, *exclusions)


def _head(plan: TablePlan) -> tuple[list[str], list[tuple[object, ...]]]:
    """Return columns of a table, those of its sequences too, and its first rows."""
    block = plan.start // BLOCK
    numbers = range(block * BLOCK, min(plan.start + _ROWS, plan.end, (block + 1) * BLOCK))
    made = plan.block(numbers, block)
    columns = list(plan.makers)
    return columns, plan.records(made, columns)[plan.start - numbers.start :]


async def _failing(writer: Writer, plan: TablePlan) -> list[Unknown]:
    """Return the constraints that the first rows do not satisfy."""
    connection, table = writer.connection, plan.table
    columns, rows = _head(plan)

    async def batches() -> AsyncIterator[Sequence[tuple[object, ...]]]:
        yield rows

    await connection.exec_driver_sql(
        f"create temporary table {_STAGE} "
        f"(like {table.sql} including generated including defaults) on commit drop"
    )
    copy = replace(table, relation=Relation(table.relation.oid, "pg_temp", _STAGE, "table"))
    if columns:
        try:
            await writer.copy(copy, columns, batches(), lambda _rows: None)
        except CopyRefused as fault:
            message = fault.message.replace(copy.label, table.label)
            raise CopyRefused(message, sqlstate=fault.sqlstate) from fault
    checks = [Unknown("check", one.name, one.expression, one.columns) for one in table.checks]
    others = [one for one in unknowns(plan) if one.kind != "check"]
    return [one for one in (*checks, *others) if not await _holds(connection, plan, one)]


async def _holds(connection: AsyncConnection, plan: TablePlan, one: Unknown) -> bool:
    stage = f"pg_temp.{_STAGE}"
    attempt = await connection.begin_nested()
    try:
        match one.kind:
            case "check":
                failing = await connection.exec_driver_sql(
                    f"select exists (select from {stage} where {ON_SESSION_PATH} "  # noqa: S608
                    f"and not ({one.expression}))"
                )
                return not failing.scalar()
            case "unique":
                unique = next(u for u in plan.table.uniques if u.name == one.name)
                parts = ", ".join(f"({part})" for part in unique.expressions)
                where = f" where {unique.predicate}" if unique.predicate else ""
                nulls = " nulls not distinct" if unique.nulls_are_equal else ""
                await connection.exec_driver_sql(
                    f"create unique index on {stage} ({parts}){nulls}{where}"
                )
            case _:
                await connection.exec_driver_sql(f"alter table {stage} add {one.expression}")
    except DBAPIError as error:
        if not (sqlstate(error) or "").startswith(("22", "23")):
            raise
        return False
    finally:
        await attempt.rollback()
    return True
