"""Replication slots: what they keep the server from removing of its write-ahead log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dbctl.db.catalog import fetch
from dbctl.figures import plural, size
from dbctl.health.check import Check
from dbctl.health.results import Finding, Status
from dbctl.health.thresholds import Thresholds

if TYPE_CHECKING:
    from dbctl.health.check import Context
    from dbctl.health.reader import LookReader

_GIB = 1 << 30


async def _run(reader: LookReader, context: Context) -> Finding:
    """Judge the WAL that slots retain, and those that lost what they need.

    A slot that nobody reads from retains more and more until the disk is full, unless
    max_slot_wal_keep_size sets a limit: then it loses its place there.
    """
    rows = await fetch(reader, "health", "slots")
    if not rows:
        return Finding(status=Status.PASS, summary="no replication slot", value=0)
    slots = [{name: value for name, value in row.items() if name != "limit_bytes"} for row in rows]
    inactive = sum(not row["active"] for row in rows)
    # A lost slot retains nothing any more.
    retained = max((row["retained_bytes"] or 0 for row in rows if _holds(row)), default=0)
    lost = [row["slot"] for row in rows if row["wal_status"] == "lost"]
    leaving = [row["slot"] for row in rows if row["wal_status"] == "unreserved"]
    limit = rows[0]["limit_bytes"]
    status = context.thresholds.judge(retained)
    summary = f"{plural(len(rows), 'slot')}, {inactive} inactive, at most {size(retained)} retained"
    worst = max(rows, key=_retained)
    if leaving:
        status = Status.WARN if status is Status.PASS else status
        summary = f"{', '.join(leaving)} is about to lose WAL that it needs · {summary}"
    if lost:
        status = Status.FAIL
        summary = f"{', '.join(lost)} has lost WAL that it needs · {summary}"
        worst = next(row for row in rows if row["slot"] == lost[0])
    return Finding(
        status=status,
        summary=summary,
        value=retained,
        evidence=sorted(slots, key=lambda slot: slot["wal_status"] != "lost"),
        observed={
            "slots": len(rows),
            "inactive": inactive,
            "max_slot_wal_keep_bytes": limit if limit >= 0 else None,
        },
        remedy=None if status is Status.PASS else _remedy(worst),
    )


def _holds(row: Mapping[str, Any]) -> bool:
    return bool(row["wal_status"] != "lost")


def _retained(row: Mapping[str, Any]) -> int:
    return (row["retained_bytes"] or 0) if _holds(row) else -1


def _remedy(row: Mapping[str, Any]) -> str:
    slot = row["slot"]  # its name has letters, digits and underscores only
    drop = f"SELECT pg_catalog.pg_drop_replication_slot('{slot}');"
    if row["wal_status"] == "lost":
        return f"{drop} and build what read from {slot} anew"
    if row["active"]:
        return f"look why what reads from {slot} (pid {row['pid']}) does not keep up"
    return f"start what reads from {slot}, or if it is gone for good: {drop}"


CHECK = Check(
    name="slots",
    run=_run,
    measurement="retained",
    unit="bytes",
    thresholds=Thresholds(warn=_GIB, fail=10 * _GIB),
)
