"""Check for long transactions: running, idle or prepared, they hold locks and keep dead rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dbctl.db.catalog import fetch
from dbctl.db.grants import all_stats, role_name
from dbctl.figures import duration, plural
from dbctl.health.backends import ending, first_words, rollback
from dbctl.health.check import Check
from dbctl.health.results import Finding, Status, Value
from dbctl.health.thresholds import Thresholds

if TYPE_CHECKING:
    from dbctl.health.check import Context
    from dbctl.health.reader import LookReader


async def _run(reader: LookReader, context: Context) -> Finding:
    """Find the oldest transaction of this database.

    Unknown where none that can be seen is too old, and others are open whose age is hidden.
    """
    rows = await fetch(reader, "health", "transactions")
    hidden = sum(row["hidden"] for row in rows)
    seen = [row for row in rows if not row["hidden"]]
    idle = [row["idle_seconds"] for row in seen if row["idle_seconds"] is not None]
    oldest = seen[0]["seconds"] if seen else 0.0
    status = context.thresholds.judge(oldest) if seen else Status.PASS
    observed: dict[str, Value] = {
        "open": len(rows),
        "idle_in_transaction": len(idle),
        "idle_in_transaction_seconds": round(max(idle), 1) if idle else None,
        "prepared": sum(row["prepared"] is not None for row in rows),
        "hidden": hidden,
    }
    remedy = None
    if status is not Status.PASS:
        first = seen[0]
        remedy = rollback(first["prepared"]) if first["prepared"] else ending(first)
        summary = f"the oldest transaction is {duration(oldest)} old: {_name(first)}"
    elif hidden:
        status = Status.UNKNOWN
        remedy = all_stats(await role_name(reader))
        summary = f"the age of {plural(hidden, 'open transaction')} is hidden from this role"
    elif seen:
        summary = f"{plural(len(seen), 'transaction')} open, for up to {duration(oldest)}"
    else:
        summary = "no other transaction is open"
    return Finding(
        status=status,
        summary=summary,
        value=None if status is Status.UNKNOWN else round(oldest, 1),
        evidence=[
            _evidence(row)
            for row in seen
            if context.thresholds.judge(row["seconds"]) is not Status.PASS
        ],
        observed=observed,
        remedy=remedy,
    )


def _evidence(row: Mapping[str, Any]) -> dict[str, Value]:
    seconds: dict[str, Value] = {"seconds": round(row["seconds"], 1)}
    if row["prepared"] is not None:
        return {"prepared": row["prepared"], "role": row["role"]} | seconds
    told: dict[str, Value] = {name: row[name] for name in ("pid", "role", "application", "state")}
    if row["idle_seconds"] is not None:
        seconds["idle_seconds"] = round(row["idle_seconds"], 1)
    return told | seconds | {"query": first_words(row["query"])}


def _name(row: Mapping[str, Any]) -> str:
    if row["prepared"] is not None:
        return f"the prepared {row['prepared']}"
    told = [row["application"], row["state"]]
    return f"pid {row['pid']} ({', '.join(one for one in told if one)})"


CHECK = Check(
    name="transactions",
    run=_run,
    measurement="oldestAge",
    unit="s",
    thresholds=Thresholds(warn=300, fail=3600),
)
