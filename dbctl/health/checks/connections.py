"""Check the server's connections: how many of those for ordinary roles are used."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from dbctl.db.catalog import fetch
from dbctl.db.connections import ServerConnections, count_connections
from dbctl.figures import plural
from dbctl.health.check import Check
from dbctl.health.results import Finding, Status
from dbctl.health.thresholds import Thresholds

if TYPE_CHECKING:
    from dbctl.health.check import Context
    from dbctl.health.reader import LookReader

# So many applications are told, those with the most connections.
_APPLICATIONS = 5


async def _run(reader: LookReader, context: Context) -> Finding:
    """Compare the server's connections with what it has room for, and say whose they are.

    What is reserved for superusers and maintenance is no room. Every role sees the number and the
    applications; those whose state it may not see are counted as hidden.
    """
    server, rows = await asyncio.gather(
        count_connections(reader), fetch(reader, "health", "sessions")
    )
    usable = max(server.maximum - server.reserved, 1)
    percent, summary = occupancy(server)
    states: Counter[str] = Counter()
    applications: dict[str, Counter[str]] = {}
    for row in rows:
        state = (row["state"] or "hidden").replace(" ", "_")
        states[state] += row["connections"]
        applications.setdefault(row["application"], Counter())[state] += row["connections"]
    busiest = sorted(applications.items(), key=lambda item: (-item[1].total(), item[0]))
    status = context.thresholds.judge(percent)
    idle = sum(count for state, count in states.items() if state.startswith("idle_in_transaction"))
    if idle:
        summary += f", {plural(idle, 'session')} idle in transaction"
    return Finding(
        status=status,
        summary=summary,
        value=percent,
        evidence=[
            {"application": name or "(no name)", "connections": counts.total(), **counts}
            for name, counts in busiest[:_APPLICATIONS]
        ],
        evidence_total=len(busiest),
        observed={
            "used": server.used,
            "usable": usable,
            "max_connections": server.maximum,
            "reserved": server.reserved,
            **dict(sorted(states.items())),
        },
        remedy=None
        if status is Status.PASS
        else "close what is idle, lower the pools (DB_POOL_SIZE), or connect through a pooler",
    )


def occupancy(server: ServerConnections) -> tuple[float, str]:
    """Return how much of the room for ordinary roles is used, in percent, and that in words.

    Superusers have further connections, which are reserved for them.
    """
    usable = max(server.maximum - server.reserved, 1)
    percent = min(round(100 * server.used / usable, 1), 100.0)
    if server.used > usable:
        return percent, (
            f"none is left for ordinary roles: {server.used:,} of {server.maximum:,} used, "
            f"{server.reserved:,} reserved"
        )
    return percent, f"{server.used:,} of {usable:,} used ({percent:.0f} %)"


CHECK = Check(
    name="connections",
    run=_run,
    measurement="utilization",
    unit="percent",
    thresholds=Thresholds(warn=80, fail=95),
)
