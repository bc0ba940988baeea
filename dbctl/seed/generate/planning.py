"""Plan every table of a run before the first row: what makes each column, and whether it can."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.db.catalog import Column
from dbctl.db.tables import Table, find_table
from dbctl.errors import OperationFailed, UsageError
from dbctl.seed import ledger
from dbctl.seed.generate.checks import read_checks
from dbctl.seed.generate.columns import make_column
from dbctl.seed.generate.distinct import Numbered
from dbctl.seed.generate.keys import plan_uniques
from dbctl.seed.generate.limits import INTEGERS
from dbctl.seed.generate.links import Links
from dbctl.seed.generate.makers import Single
from dbctl.seed.generate.order import Ordered, in_order
from dbctl.seed.generate.overrides import Models, Override, read_overrides
from dbctl.seed.generate.plan import Predicted, TablePlan
from dbctl.seed.generate.pools import Pools
from dbctl.seed.generate.request import Terms
from dbctl.seed.generate.survey import rows_in, sequence_at, taken_from
from dbctl.seed.generate.values import Scene
from dbctl.settings import Settings

# A sequence need not be the column's own.
_NEXT = re.compile(r"nextval\('(.+)'::regclass\)")
LEDGER: Literal["generate"] = "generate"


@dataclass(frozen=True, slots=True)
class Blueprint:
    """The plans of all tables, parents first."""

    plans: tuple[TablePlan, ...]
    terms: Terms


async def find_tables(connection: AsyncConnection, terms: Terms) -> dict[int, tuple[Table, int]]:
    """Find the tables that are asked for, each with its number of rows, by oid.

    Raises UsageError where one is not there or is asked for twice.
    """
    found: dict[int, tuple[Table, int]] = {}
    for wanted in terms.wanted:
        table = await find_table(connection, wanted.name)
        if table.relation.oid in found:
            raise UsageError(f"{table.label} is asked for twice", hint="Name each table once.")
        found[table.relation.oid] = (table, wanted.count)
    return found


async def plan_tables(
    connection: AsyncConnection,
    settings: Settings,
    models: Models,
    found: Mapping[int, tuple[Table, int]],
    terms: Terms,
) -> Blueprint:
    """Plan the tables, which nobody else must write to from now on.

    Raises UsageError, ConfigurationError or OperationFailed where rows cannot be made, with all
    reasons that can be told.
    """
    tables = [table for table, _ in found.values()]
    overrides = read_overrides(settings, models, tables)
    ordered = in_order(tables)
    pools = Pools(terms.seed, terms.locale)
    pools.check()
    plans: dict[int, TablePlan] = {}
    for table in ordered.tables:
        count = found[table.relation.oid][1]
        scene = Scene(terms.seed, terms.now, pools, table)
        start = await _start(connection, table, terms, settings.own_schema)
        plans[table.relation.oid] = TablePlan(scene, start, count, read_checks(table))
    faults: list[OperationFailed] = []
    for plan in plans.values():
        await _plan(connection, plan, plans, ordered, overrides, faults)
    if faults:
        raise combined(faults)
    for plan in plans.values():
        plan.freeze()
    return Blueprint(tuple(plans.values()), terms)


def combined(faults: Sequence[OperationFailed]) -> OperationFailed:
    """Tell of several reasons at once."""
    if len(faults) == 1:
        return faults[0]
    hints = dict.fromkeys(fault.hint for fault in faults if fault.hint)
    return OperationFailed(
        "\n".join(fault.message for fault in faults), hint="\n".join(hints), code=faults[0].code
    )


async def _start(connection: AsyncConnection, table: Table, terms: Terms, own_schema: str) -> int:
    """Return the number of the first new row: after all that are there, or were made."""
    if terms.start is not None:
        return terms.start
    there = await rows_in(connection, table)
    if not there:
        return 0
    state = await ledger.read_state(connection, LEDGER, table.label, schema=own_schema)
    return max(there, int(state["next"]) if state is not None else 0)


async def _plan(
    connection: AsyncConnection,
    plan: TablePlan,
    plans: Mapping[int, TablePlan],
    ordered: Ordered,
    overrides: Mapping[tuple[str, str], Override],
    faults: list[OperationFailed],
) -> None:
    links = Links(connection, plan, plans, ordered.empty, overrides)
    oid = plan.table.relation.oid
    plan.deferred += [
        key.name for key in plan.table.foreign_keys if (oid, key.name) in ordered.deferred
    ]
    referenced = {
        column
        for other in plans.values()
        for key in other.table.foreign_keys
        if key.target_oid == oid
        for column in key.target_columns
    }
    try:
        for column in plan.table.writable:
            said = overrides.get((plan.table.label, column.name))
            if column.name not in links.columns and (said is None or said.kind is None):
                await _predict(connection, plan, column, needed=column.name in referenced)
        for column in plan.table.writable:
            # What is told to be different, or told at all, may make a combination different.
            said = overrides.get((plan.table.label, column.name))
            told = said is not None and bool(said.kind or said.unique)
            if told and column.name not in {*plan.makers, *_in_uniques(plan)}:
                make_column(plan, column, overrides)
        await plan_uniques(plan, links, overrides)
        for group in links.groups():
            await links.plan(group)
        for key in links.trees:
            if not set(key.columns) <= plan.makers.keys():
                links.tree(key)
    except OperationFailed as fault:
        faults.append(fault)
    for column in plan.table.writable:
        if column.name in plan.makers or column.name in plan.server:
            continue
        if column.name in links.columns:
            continue
        try:
            make_column(plan, column, overrides)
        except OperationFailed as fault:
            faults.append(fault)


def _in_uniques(plan: TablePlan) -> set[str]:
    return {name for unique in plan.table.uniques for name in unique.columns if name is not None}


async def _predict(
    connection: AsyncConnection, plan: TablePlan, column: Column, *, needed: bool
) -> None:
    """Leave a column with a sequence to the server, and work out what it will be."""
    default = _NEXT.fullmatch(column.expression or "")
    sequence = default[1].replace("''", "'") if default else column.sequence
    if sequence is None or not (column.identity or default):
        return
    at = await sequence_at(connection, sequence)
    taken = await taken_from(connection, plan.table, column, at.next, at.increment)
    if taken is not None:
        raise OperationFailed(
            f"the sequence {sequence} is behind: it gives {at.next} next, and "
            f"{plan.table.label}.{column.name} has {taken} already",
            hint=f"Move it on: SELECT setval('{sequence}', max({column.name})) "  # noqa: S608
            f"FROM {plan.table.label};",
        )
    start, first, step = plan.start, at.next, at.increment
    last = first + (plan.count - 1) * step
    low, high = INTEGERS.get(column.leaf, (first, last))
    low, high = max(low, at.low), min(high, at.high)
    if not low <= last <= high:
        left = max(((high - first) // step if step > 0 else (first - low) // -step) + 1, 0)
        raise OperationFailed(
            f"{plan.table.label}.{column.name} ({column.type}) has {left} more numbers, and "
            f"{plan.count} rows are asked for",
            hint=f"Ask for {left} at most, or make the column and its sequence wider.",
        )
    rule = Numbered("numbers of its sequence", lambda n: first + (n - start) * step)
    plan.add(Single(column.name, rule, fixed=True))
    plan.server[column.name] = f"{'identity' if column.identity else 'its sequence'}"
    if needed or plan.checks.tests:
        plan.predicted.append(Predicted(column.name, sequence, first, step))
