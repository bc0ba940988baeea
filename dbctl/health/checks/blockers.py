"""Check for blockers: who keeps other sessions waiting for a lock, and for how long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dbctl.db.catalog import fetch
from dbctl.db.grants import all_stats, role_name
from dbctl.figures import duration, plural
from dbctl.health.backends import ending, first_words, rollback
from dbctl.health.blocking import Blocker, heads
from dbctl.health.check import Check
from dbctl.health.results import Finding, Status, Value
from dbctl.health.thresholds import Thresholds

if TYPE_CHECKING:
    from dbctl.health.check import Context
    from dbctl.health.reader import LookReader

# What pg_blocking_pids() calls a prepared transaction.
_PREPARED = 0


async def _run(reader: LookReader, context: Context) -> Finding:
    """Find those at the head of each queue for a lock in this database.

    Waits for advisory locks are counted and not judged: with them an application orders its own
    work, as where one of its processes leads. Every role sees who waits for whom; what a blocker
    does may be hidden.
    """
    rows = await fetch(reader, "health", "waits")
    waits = [row for row in rows if not row["advisory"]]
    waiting = len({row["pid"] for row in waits})
    observed = {
        "waiting": waiting,
        "waiting_for_advisory_locks": len({row["pid"] for row in rows}) - waiting,
    }
    if not waits:
        return Finding(
            status=Status.PASS, summary="nobody waits for a lock", value=0.0, observed=observed
        )
    blockers = heads(waits)
    evidence, remedies = await _told(reader, blockers)
    seconds = waits[0]["seconds"]
    status = context.thresholds.judge(seconds)
    summary = f"{plural(waiting, 'session')} waiting for a lock, for up to {duration(seconds)}"
    if evidence:
        summary += f"; {_name(evidence[0])} is at the head of it"
    remedy = remedies[0] if remedies and status is not Status.PASS else None
    if remedy and evidence[0].get("hidden"):
        remedy += f" -- what it does shows after {all_stats(await role_name(reader))}"
    return Finding(
        status=status,
        summary=summary,
        value=round(seconds, 1),
        evidence=evidence,
        observed=observed,
        remedy=remedy,
    )


async def _told(
    reader: LookReader, blockers: Mapping[int, Blocker]
) -> tuple[list[dict[str, Value]], list[str]]:
    """Return what is known of each blocker, and what ends it, whoever keeps most waiting first."""
    told: list[tuple[tuple[int, float], dict[str, Value], str]] = []
    pids = [pid for pid in blockers if pid != _PREPARED]
    for row in await fetch(reader, "health", "backends", pids=pids) if pids else []:
        blocker = blockers[row["pid"]]
        one: dict[str, Value] = {
            "pid": row["pid"],
            "role": row["role"],
            "application": row["application"],
            "state": row["state"],
            "transaction_seconds": _rounded(row["seconds"]),
            "query": None if row["hidden"] else first_words(row["query"]),
            "waiting": len(blocker.victims),
            "waiting_seconds": _rounded(blocker.seconds),
        }
        if row["hidden"]:
            one["hidden"] = True
        told.append(((-len(blocker.victims), -blocker.seconds), one, ending(row)))
    if _PREPARED in blockers:
        blocker = blockers[_PREPARED]
        holders = await fetch(reader, "health", "prepared_blockers", pids=sorted(blocker.victims))
        for gid, row in {row["gid"]: row for row in holders}.items():
            victims = {row["pid"] for row in holders if row["gid"] == gid}
            one = {
                "prepared": gid,
                "role": row["role"],
                "transaction_seconds": _rounded(row["seconds"]),
                "waiting": len(victims),
                "waiting_seconds": _rounded(blocker.seconds),
            }
            told.append(((-len(victims), -blocker.seconds), one, rollback(gid)))
    told.sort(key=lambda item: item[0])
    return [one for _, one, _ in told], [remedy for _, _, remedy in told]


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _name(blocker: Mapping[str, Value]) -> str:
    if "prepared" in blocker:
        return f"the prepared transaction {blocker['prepared']}"
    name = f"pid {blocker['pid']}"
    told = [blocker["application"], blocker["state"]]
    return f"{name} ({', '.join(str(one) for one in told if one)})" if any(told) else name


CHECK = Check(
    name="blockers",
    run=_run,
    measurement="waitTime",
    unit="s",
    thresholds=Thresholds(warn=5, fail=60),
)
