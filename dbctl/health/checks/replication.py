"""Replication: how far standbys are behind, seen from the primary or from the standby itself."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dbctl.db.catalog import fetch
from dbctl.db.grants import all_stats, role_name
from dbctl.figures import duration, plural, size
from dbctl.health.check import Check
from dbctl.health.results import Finding, Status
from dbctl.health.thresholds import Thresholds

if TYPE_CHECKING:
    from dbctl.health.check import Context
    from dbctl.health.reader import LookReader

# Bytes behind from which on it is a warning: the seconds, as the primary measures them, stand still
# where a standby does.
FAR_BEHIND = 1 << 30
# What has just arrived is replayed within moments; so often, and so many seconds apart, it is
# looked whether it was.
_LOOKS = 3
_PAUSE = 0.1

_SYNCHRONOUS = re.compile(r"\s*(?:first\s+|any\s+)?(\d+)\s*\(", re.IGNORECASE)
_NO_RECEIVER = (
    "check primary_conninfo and primary_slot_name, the primary, and this server's log; "
    "what was removed from the primary needs a new base backup"
)


async def _run(reader: LookReader, context: Context) -> Finding:
    """Judge the lag of each standby, or of this server where it is one."""
    server = await _server(reader)
    found = [await _standbys(reader, server, context.thresholds)]
    if server["standby"]:
        found.insert(0, await _standby(reader, server, context.thresholds))
    # A standby that none follows has only its own lag to tell.
    told = [each for each in found if each.evidence] or found[:1]
    return max(told, key=lambda each: _BADNESS.index(each.status))


_BADNESS = (Status.PASS, Status.UNKNOWN, Status.WARN, Status.FAIL)


async def _server(reader: LookReader) -> Mapping[str, Any]:
    (server,) = await fetch(reader, "health", "replication")
    return server


async def _standbys(
    reader: LookReader, server: Mapping[str, Any], thresholds: Thresholds
) -> Finding:
    """Judge the standbys that stream from this server."""
    rows = await fetch(reader, "health", "standbys")
    evidence = [dict(row) for row in rows]
    hidden = [row for row in rows if row["state"] is None]
    lag = max((row["lag_seconds"] or 0.0 for row in rows), default=None)
    behind = max((row["lag_bytes"] or 0 for row in rows), default=0)
    observed = {"role": "standby" if server["standby"] else "primary", "standbys": len(rows)}
    if (missing := _missing(server, rows)) and not hidden:
        return Finding(
            status=Status.FAIL,
            summary=f"every commit waits: {plural(missing, 'synchronous standby')} missing "
            f"({server['synchronous_names']})",
            value=lag,
            evidence=evidence,
            observed=observed,
            remedy="start the standby, or let commits go on without it: "
            "ALTER SYSTEM SET synchronous_standby_names = ''; SELECT pg_reload_conf();",
        )
    if hidden:
        return Finding(
            status=Status.UNKNOWN,
            summary=f"the lag of {plural(len(hidden), 'standby')} is hidden from this role",
            evidence=evidence,
            observed=observed,
            remedy=all_stats(await role_name(reader)),
        )
    if lag is None:
        return Finding(status=Status.PASS, summary="no standby", observed=observed)
    status = thresholds.judge(lag)
    if status is Status.PASS and behind >= FAR_BEHIND:
        status = Status.WARN
    worst = max(rows, key=lambda row: (row["lag_bytes"] or 0, row["lag_seconds"] or 0))
    return Finding(
        status=status,
        summary=f"{plural(len(rows), 'standby')}, at most {duration(lag)} and "
        f"{size(behind)} behind",
        value=lag,
        evidence=evidence,
        observed=observed | {"lag_bytes": behind},
        remedy=None
        if status is Status.PASS
        else f"look at the load, the network and the log of standby {worst['application_name']}, "
        "and there for what holds up the replay: SELECT pg_is_wal_replay_paused();",
    )


def _missing(server: Mapping[str, Any], rows: list[Mapping[str, Any]]) -> int:
    """Return how many synchronous standbys commits wait for in vain."""
    names = server["synchronous_names"].strip()
    if not names or server["standby"] or server["neon"] or not server["commits_wait"]:
        return 0
    counted = _SYNCHRONOUS.match(names)
    wanted = int(counted[1]) if counted else 1
    there = sum(row["sync_state"] in ("sync", "quorum") for row in rows)
    return max(wanted - there, 0)


async def _standby(
    reader: LookReader, server: Mapping[str, Any], thresholds: Thresholds
) -> Finding:
    """Judge how far this standby is behind what it has received.

    Where all of that is replayed there is no lag, however long ago the primary last wrote.
    """
    for _ in range(_LOOKS):
        if not server["behind_bytes"] or server["paused"]:
            break
        await asyncio.sleep(_PAUSE)
        server = await _server(reader)
    caught_up = server["receiving"] and not server["behind_bytes"]
    since = server["seconds_since_replay"]
    lag = 0.0 if caught_up else since
    status = thresholds.judge(lag or 0.0)
    remedy = None
    if server["paused"]:
        status = _at_least_a_warning(status)
        summary = "this standby's replay is paused"
        remedy = "SELECT pg_catalog.pg_wal_replay_resume();"
    elif not server["receiving"]:
        status = _at_least_a_warning(status)
        summary = "this standby receives nothing: no WAL receiver runs"
        remedy = _NO_RECEIVER
    else:
        summary = "this standby streams"
        if status is not Status.PASS:
            remedy = (
                "look for queries here that the replay waits for (dbctl inspect activity), "
                "and lower max_standby_streaming_delay"
            )
    if caught_up:
        summary += ", all is replayed"
    elif since is None:
        summary += ", nothing was replayed since its start"
    else:
        summary += f", the last commit was replayed {duration(since)} ago"
    return Finding(
        status=status,
        summary=summary,
        value=None if lag is None else round(lag, 3),
        evidence=[
            {
                "standby": "this server",
                "receiving": server["receiving"],
                "receiver_status": server["receiver_status"],
                "paused": server["paused"],
                "lag_bytes": server["behind_bytes"],
                "lag_seconds": lag,
            }
        ],
        observed={"role": "standby", "lag_bytes": server["behind_bytes"]},
        remedy=remedy,
    )


def _at_least_a_warning(status: Status) -> Status:
    return Status.WARN if status is Status.PASS else status


CHECK = Check(
    name="replication",
    run=_run,
    measurement="lag",
    unit="s",
    thresholds=Thresholds(warn=30, fail=300),
)
