"""What a statement would cost, by the planner's estimate, before it is run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from dbctl.db.names import typed
from dbctl.errors import ConfigurationError, ErrorCode, RefusedError
from dbctl.settings import Settings, project_table

# The planner's unit is a page of 8 kB read in sequence: this is a scan of some five gigabytes, or
# of fifty million short rows, which takes a small server half a minute.
MAX_COST = 1_000_000.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the planner expects: `cost` in its units, the `rows` that come out, and its `plan`."""

    cost: float
    rows: int
    plan: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Guard:
    """Refuses a statement that would cost more than `bound`, unless that was `agreed` to."""

    bound: float = MAX_COST
    agreed: bool = False

    async def check(
        self,
        connection: asyncpg.Connection[Any],
        statement: str,
        parameters: Sequence[Any] = (),
        *,
        has_limit: bool = True,
    ) -> None:
        """Raise CostRefused where `statement` would cost too much.

        `has_limit` tells whether it is one that reads less with --limit.
        """
        if self.agreed:
            return
        estimate = await estimated(connection, statement, parameters)
        if estimate.cost > self.bound:
            cause = await _cause(connection, estimate.plan)
            raise CostRefused(estimate, self.bound, cause, has_limit=has_limit)


class CostRefused(RefusedError):
    """A statement would cost more than it may without a word."""

    code = ErrorCode.COST_GUARD

    def __init__(self, estimate: Estimate, bound: float, cause: str, *, has_limit: bool) -> None:
        less = ", read less with --limit," if has_limit else ""
        super().__init__(
            f"this would cost about {estimate.cost:,.0f} by the planner's estimate, and more than "
            f"{bound:,.0f} is too much to go unasked: {cause}",
            hint=f"Filter by a column with an index{less} or add --yes.",
        )
        self.estimate = estimate


def max_cost(settings: Settings) -> float:
    """Return what a read may cost unasked: `max_cost` of `[tool.dbctl.inspect]`, or the default.

    Raises ConfigurationError for what is not a number above zero, and for another key.
    """
    table = project_table(settings, "inspect")
    if unknown := sorted(table.keys() - {"max_cost"}):
        raise ConfigurationError(
            f"unknown key {unknown[0]!r} in [tool.dbctl.inspect]", hint="It takes max_cost."
        )
    bound = table.get("max_cost", MAX_COST)
    if isinstance(bound, bool) or not isinstance(bound, int | float) or not bound > 0:
        raise ConfigurationError(
            f"max_cost in [tool.dbctl.inspect] is {bound!r}",
            hint=f"Write a number above zero; the default is {MAX_COST:.0f}.",
        )
    return float(bound)


async def estimated(
    connection: asyncpg.Connection[Any], statement: str, parameters: Sequence[Any] = ()
) -> Estimate:
    """Return what the planner expects of `statement`, which is not run."""
    text = await connection.fetchval(
        f"EXPLAIN (VERBOSE, COSTS, FORMAT JSON) {statement}", *parameters
    )
    plan = json.loads(text)[0]["Plan"]
    return Estimate(cost=float(plan["Total Cost"]), rows=int(plan["Plan Rows"]), plan=plan)


async def _cause(connection: asyncpg.Connection[Any], plan: Mapping[str, Any]) -> str:
    """Say which step of a plan costs most, and what it reads."""
    costliest = max(_nodes(plan), key=_own_cost)
    told = f"{costliest['Node Type']} of about {costliest['Plan Rows']:,} rows"
    scans = [node for node in _nodes(costliest) if "Relation Name" in node]
    if not scans:
        return told
    scan = max(scans, key=lambda node: float(node["Total Cost"]))
    rows = await connection.fetchval(
        "SELECT c.reltuples::pg_catalog.int8 FROM pg_catalog.pg_class c"
        " JOIN pg_catalog.pg_namespace n ON n.oid operator(pg_catalog.=) c.relnamespace"
        " WHERE n.nspname operator(pg_catalog.=) $1 AND c.relname operator(pg_catalog.=) $2",
        scan["Schema"],
        scan["Relation Name"],
    )
    reads = f"{scan['Node Type']} on {typed(scan['Schema'])}.{typed(scan['Relation Name'])}"
    if rows is not None and rows >= 0:
        reads += f", which has about {rows:,} rows"
    return reads if scan is costliest else f"{told}, from {reads}"


def _own_cost(node: Mapping[str, Any]) -> float:
    # A limit ends its child early, and so costs less than that: it is never the cause.
    below = sum(child["Total Cost"] for child in node.get("Plans", ()))
    return float(node["Total Cost"] - below)


def _nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)
