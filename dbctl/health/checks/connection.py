"""Check the connection: how quick it is, where it leads, and how long that is supported."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from dbctl.db.catalog import fetch
from dbctl.health.check import Check
from dbctl.health.results import Finding, Status
from dbctl.health.thresholds import Thresholds

if TYPE_CHECKING:
    from dbctl.health.check import Context
    from dbctl.health.reader import LookReader

NAME = "connection"

# The last release of each major version: https://www.postgresql.org/support/versioning/
END_OF_LIFE = {
    9: date(2021, 11, 11),
    10: date(2022, 11, 10),
    11: date(2023, 11, 9),
    12: date(2024, 11, 21),
    13: date(2025, 11, 13),
    14: date(2026, 11, 12),
    15: date(2027, 11, 11),
    16: date(2028, 11, 9),
    17: date(2029, 11, 8),
    18: date(2030, 11, 14),
}
# An upgrade to another major version is planned for months.
_NOTICE = timedelta(days=180)


async def _run(reader: LookReader, context: Context) -> Finding:
    """Measure the latency and tell what the connection leads to.

    The value is the quicker of two round trips. A standby is a warning: whoever writes through it
    fails.
    """
    (row,), pings = await asyncio.gather(fetch(reader, "health", "connection"), reader.pings())
    latency_ms = round(min(ping.seconds for ping in pings) * 1000, 2)
    server = context.server
    endpoint = "pooled" if server.pooled else "direct"
    status = context.thresholds.judge(latency_ms)
    problems, remedies = [], []
    if status is not Status.PASS:
        problems.append("slow")
        remedies.append("run nearer to the database, and look at the load of both machines")
    if row["in_recovery"]:
        problems.append("standby, read-only")
        remedies.append("point DATABASE_URL at the primary, unless only reads are wanted here")
    until = supported_until(server.version)
    if until and (said := end_of_life(until, datetime.now(UTC).date())):
        problems.append(said)
        remedies.append("upgrade to a newer major version of PostgreSQL")
    if problems and status is Status.PASS:
        status = Status.WARN
    facts = [
        f"{latency_ms:.1f} ms",
        f"PostgreSQL {server.version}",
        server.tls or "TLS off",
        endpoint,
        f"{row['role']}@{row['database']}",
    ]
    return Finding(
        status=status,
        summary=" · ".join([*problems, *facts]),
        value=latency_ms,
        observed={
            "latency_ms": latency_ms,
            "server_version": server.version,
            "supported_until": until.isoformat() if until else None,
            "tls": server.tls or "off",
            "endpoint": endpoint,
            "user": row["role"],
            "database": row["database"],
            "in_recovery": row["in_recovery"],
        },
        remedy="; ".join(remedies) or None,
    )


def supported_until(version: str) -> date | None:
    """Return when a server's version has its last release; None for one that is not known yet."""
    major = re.match(r"\d+", version)
    return END_OF_LIFE.get(int(major[0])) if major else None


def end_of_life(last: date, today: date) -> str | None:
    """Say that a version has come to its end, or nearly so."""
    if today > last:
        return f"out of support since {last}"
    if today >= last - _NOTICE:
        return f"supported until {last} only"
    return None


CHECK = Check(
    name=NAME,
    run=_run,
    measurement="responseTime",
    unit="ms",
    thresholds=Thresholds(warn=250, fail=1000),
    essential=True,
)
