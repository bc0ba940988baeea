"""Check the age of transaction ids: when they run out, the server takes no more writes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dbctl.db.catalog import fetch
from dbctl.db.names import literal
from dbctl.health.backends import rollback
from dbctl.health.check import Check
from dbctl.health.results import Finding, Status, Value
from dbctl.health.thresholds import Thresholds

if TYPE_CHECKING:
    from dbctl.health.check import Context
    from dbctl.health.reader import LookReader

# So many ids there are ahead of one; the server stops 3 million before the last.
_IDS = 2**31


async def _run(reader: LookReader, context: Context) -> Finding:
    """Find the database with the oldest transaction or multixact id, and what keeps it so old.

    One database that runs out stops the whole server. Every role sees the ages.
    """
    rows = await fetch(reader, "health", "wraparound")
    worst, (here,) = rows[0], [row for row in rows if row["here"]]
    percent = _percent(worst)
    status = context.thresholds.judge(percent)
    ids = "multixact" if worst["multixacts"] > worst["xids"] else "transaction"
    age = max(worst["xids"], worst["multixacts"])
    observed: dict[str, Value] = {
        "database": worst["database"],
        "transaction_ids": worst["xids"],
        "multixact_ids": worst["multixacts"],
        "percent_here": round(_percent(here), 2),
        "autovacuum_freeze_max_age": worst["freeze_xids"],
        "autovacuum_multixact_freeze_max_age": worst["freeze_multixacts"],
    }
    evidence: list[dict[str, Value]] = []
    remedy = None
    if status is not Status.PASS:
        evidence, remedy = await _cause(reader, worst, context.thresholds)
    return Finding(
        status=status,
        summary=f"the oldest {ids} id, in {worst['database']}, is {age:,} old ({percent:.1f} %)",
        value=round(percent, 2),
        evidence=evidence,
        observed=observed,
        remedy=remedy,
    )


def _percent(row: Mapping[str, Any]) -> float:
    ids: int = max(row["xids"], row["multixacts"])
    return 100 * ids / _IDS


async def _cause(
    reader: LookReader, worst: Mapping[str, Any], thresholds: Thresholds
) -> tuple[list[dict[str, Value]], str]:
    """Return the oldest tables and what keeps vacuum from them, and what to do about it."""
    percent = thresholds.fail if thresholds.warn is None else thresholds.warn
    limit = round((percent or 0) / 100 * _IDS)
    tables, holders = await asyncio.gather(
        fetch(reader, "health", "oldest_tables", limit=limit), fetch(reader, "health", "horizon")
    )
    evidence: list[dict[str, Value]] = [
        {
            "table": row["table"],
            "transaction_ids": row["xids"],
            "multixact_ids": row["multixacts"],
            "temporary": row["temporary"],
        }
        for row in tables
    ]
    evidence += [
        {"held_back_by": row["kind"], "name": row["name"], "pid": row["pid"]}
        | {"transaction_ids": row["xids"]}
        for row in holders
    ]
    # For whom VACUUM must keep what is too old.
    releases = [_release(row) for row in holders if row["xids"] >= limit]
    return evidence, " ".join([*releases, _vacuum(worst, tables)])


def _release(row: Mapping[str, Any]) -> str:
    match row["kind"]:
        case "session":
            return f"SELECT pg_terminate_backend({row['pid']});"
        case "replication slot":
            return f"SELECT pg_drop_replication_slot({literal(row['name'])});"
        case _:
            return rollback(row["name"])


def _vacuum(worst: Mapping[str, Any], tables: Sequence[Mapping[str, Any]]) -> str:
    """Return what freezes the tables that are too old, or all where they are many."""
    if not worst["here"]:
        return f"VACUUM (FREEZE, VERBOSE); -- in the database {worst['database']}"
    old = tables[: tables[0]["old"]]
    if tables[0]["old"] > len(tables) or any(row["temporary"] for row in old):
        return "VACUUM (FREEZE, VERBOSE);"
    return f"VACUUM (FREEZE, VERBOSE) {', '.join(row['table'] for row in old)};"


# Autovacuum freezes from 200 million ids on, 9 %: at half of all it has failed for long, and there
# is still time to plan. At 75 %, 1.6 billion, it goes as fast as it can (vacuum_failsafe_age).
CHECK = Check(
    name="wraparound",
    run=_run,
    measurement="utilization",
    unit="percent",
    thresholds=Thresholds(warn=50, fail=75),
)
