"""Generate rows: plan them, try them, write them, and see that they are as planned."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence

from sqlalchemy import text

from dbctl.db.engine import DatabaseSessionManager
from dbctl.db.names import quote
from dbctl.errors import OperationFailed, RefusedError
from dbctl.seed import ledger
from dbctl.seed.bulk.progress import Report, Waiting, counted
from dbctl.seed.bulk.refusals import CopyRefused
from dbctl.seed.bulk.writer import Writer, writing
from dbctl.seed.generate.overrides import Models
from dbctl.seed.generate.plan import Predicted, TablePlan
from dbctl.seed.generate.planning import LEDGER, Blueprint, find_tables, plan_tables
from dbctl.seed.generate.request import Terms
from dbctl.seed.generate.results import CheckPlan, ColumnPlan, Generated, GeneratedTable
from dbctl.seed.generate.trial import try_here, try_there, unknowns
from dbctl.settings import Settings


async def plan_only(
    manager: DatabaseSessionManager, settings: Settings, models: Models, terms: Terms
) -> Generated:
    """Return how rows would be made; nothing is written.

    Raises what `generate` raises before it writes.
    """
    async with manager.connect() as connection:
        found = await find_tables(connection, terms)
        blueprint = await plan_tables(connection, settings, models, found, terms)
        standby = await connection.scalar(text("select pg_catalog.pg_is_in_recovery()"))
    try_here(blueprint.plans)
    if standby:
        notice = "not tried on the server: it is a standby"
        return _result(manager, blueprint, {}, plan=True, notices=(notice,))
    notices: tuple[str, ...] = ()
    try:
        async with writing(manager, settings, purpose="dbctl seed generate --plan") as writer:
            await try_there(writer, blueprint.plans)
    except RefusedError as refusal:
        notices = (f"not tried on the server: {refusal.message}",)
    return _result(manager, blueprint, {}, plan=True, notices=notices)


async def generate(
    manager: DatabaseSessionManager,
    settings: Settings,
    models: Models,
    terms: Terms,
    report: Report,
) -> Generated:
    """Make the rows and write them, all of them or none.

    Raises UsageError, ConfigurationError or OperationFailed before anything is written where rows
    cannot be made; RefusedError where they must not be written; OperationFailed where the server
    does not take them.
    """
    names = " ".join(wanted.name for wanted in terms.wanted)
    async with writing(manager, settings, purpose=f"dbctl seed generate {names}") as writer:
        found = await find_tables(writer.connection, terms)
        await writer.lock([table for table, _ in found.values()])
        blueprint = await plan_tables(writer.connection, settings, models, found, terms)
        report(Waiting("trying the first rows"))
        try_here(blueprint.plans)
        await try_there(writer, blueprint.plans)
        await _defer(writer, blueprint.plans)
        seconds = {plan.table.label: await _fill(writer, plan, report) for plan in blueprint.plans}
        for plan in blueprint.plans:
            for predicted in plan.predicted:
                await _verify(writer, plan, predicted)
            await ledger.write_state(
                writer.connection,
                LEDGER,
                plan.table.label,
                {"next": plan.end, "seed": terms.seed},
                schema=settings.own_schema,
                actor=terms.actor,
            )
        report(Waiting("checking, analyzing"))
        finished = await writer.finish([plan.table for plan in blueprint.plans])
    return _result(manager, blueprint, seconds, plan=False, notices=finished.notices)


async def _defer(writer: Writer, plans: Sequence[TablePlan]) -> None:
    names = [
        f"{quote(plan.table.relation.schema)}.{quote(name)}"
        for plan in plans
        for name in plan.deferred
    ]
    if names:
        await writer.connection.exec_driver_sql(f"set constraints {', '.join(names)} deferred")


async def _fill(writer: Writer, plan: TablePlan, report: Report) -> float:
    """Write the rows of a table and return the seconds that it took."""
    began = time.monotonic()

    async def batches() -> AsyncIterator[Sequence[tuple[object, ...]]]:
        for rows in plan.blocks():
            yield rows

    try:
        with counted(report, plan.table.label, rows=plan.count) as on_rows:
            await writer.copy(plan.table, plan.sent, batches(), on_rows)
    except CopyRefused as fault:
        if fault.sqlstate in {"23505", "23P01"}:
            raise OperationFailed(
                fault.message,
                hint="A row that is there already has this key. "
                f"`--start N` gives the rows other numbers than from {plan.start} on.",
                code=fault.code,
            ) from fault
        raise
    return time.monotonic() - began


async def _verify(writer: Writer, plan: TablePlan, predicted: Predicted) -> None:
    """See that the server took the values from a sequence that other rows point at already."""
    last = predicted.first + (plan.count - 1) * predicted.increment
    low, high = sorted((predicted.first, last))
    column = quote(predicted.column)
    found = await writer.connection.scalar(
        text(
            f"select count(*) from {plan.table.sql} "  # noqa: S608 - quoted
            f"where {column} between :low and :high"
        ),
        {"low": low, "high": high},
    )
    if found != plan.count:
        raise OperationFailed(
            f"{plan.table.label}.{predicted.column} is not from {low} to {high}: somebody else "
            f"took values from {predicted.sequence}, or a trigger did",
            hint="Nothing was written. Run it again when nobody else writes there.",
        )


def _result(
    manager: DatabaseSessionManager,
    blueprint: Blueprint,
    seconds: dict[str, float],
    *,
    plan: bool,
    notices: tuple[str, ...],
) -> Generated:
    terms = blueprint.terms
    return Generated(
        database=manager.label,
        seed=terms.seed,
        locale=terms.locale,
        now=terms.now.isoformat(),
        plan=plan,
        tables=tuple(_table(one, seconds.get(one.table.label)) for one in blueprint.plans),
        notices=notices,
    )


def _table(plan: TablePlan, seconds: float | None) -> GeneratedTable:
    columns = []
    for column in plan.table.columns:
        if column.generated is not None:
            by, rule = "server", "generated"
        elif column.name in plan.server:
            by, rule = "server", plan.server[column.name]
        else:
            by, rule = "dbctl", plan.makers[column.name].summary
        columns.append(ColumnPlan(name=column.name, type=column.type, by=by, rule=rule))
    tested = {test.name for test in plan.checks.tests}
    unknown = {one.name for one in plan.checks.unknown}
    checks = [
        CheckPlan(
            name=check.name,
            kind="check",
            expression=check.expression,
            how="the first rows are tried on the server"
            if check.name in unknown
            else "every row is tried"
            if check.name in tested
            else "by the rule of the column",
        )
        for check in plan.table.checks
    ]
    checks += [
        CheckPlan(
            name=one.name,
            kind=one.kind,
            expression=one.expression,
            how="the first rows are tried on the server",
        )
        for one in unknowns(plan)
        if one.name not in {check.name for check in checks}
    ]
    return GeneratedTable(
        table=plan.table.label,
        rows=plan.count,
        start=plan.start,
        seconds=None if seconds is None else round(seconds, 3),
        columns=tuple(columns),
        checks=tuple(checks),
        notes=tuple(plan.notes),
    )
