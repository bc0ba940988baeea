"""Disk: what the database takes of it, as far as SQL can tell, and of the limit where one is known.

No function of PostgreSQL's tells how much room a disk has left.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbctl.db.catalog import fetch
from dbctl.db.grants import all_stats, role_name
from dbctl.figures import plural, size
from dbctl.health.check import Check
from dbctl.health.results import Finding, Status
from dbctl.health.thresholds import Thresholds

if TYPE_CHECKING:
    from dbctl.health.check import Context
    from dbctl.health.reader import LookReader

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|kB|MB|GB|TB)")
_POWERS = {"B": 0, "kB": 1, "MB": 2, "GB": 3, "TB": 4}
_DAY = 86400


async def _run(reader: LookReader, context: Context) -> Finding:
    """Compare the databases of the server with its limit: Neon's, or the one that is configured."""
    (row,) = await fetch(reader, "health", "disk")
    days = max((row["counted_seconds"] or 0) / _DAY, 1)
    observed = {
        "database_bytes": row["database_bytes"],
        "tablespace": row["tablespace"],
        "temp_files": row["temp_files"],
        "temp_bytes": row["temp_bytes"],
        "temp_bytes_per_day": round((row["temp_bytes"] or 0) / days),
        "wal_bytes": None,
    }
    summary = f"the database takes {size(row['database_bytes'])}"
    if row["sees_wal"]:
        (wal,) = await fetch(reader, "health", "disk_wal")
        observed["wal_bytes"] = wal["bytes"]
        summary += f", the WAL {size(wal['bytes'])}"
    limit = context.configured or row["limit_bytes"] or 0
    if limit <= 0:
        return Finding(
            status=Status.PASS, summary=f"{summary}; no limit is known", observed=observed
        )
    databases = await fetch(reader, "health", "disk_databases")
    used = sum(each["bytes"] or 0 for each in databases)
    hidden = [each["database"] for each in databases if each["bytes"] is None]
    percent = round(100 * used / limit, 1)
    status = context.thresholds.judge(percent)
    remedy = "dbctl inspect size shows what takes it; raise the limit, or delete and vacuum"
    summary = f"{size(used)} of {size(limit)} used ({percent:.0f} %) · {summary}"
    # What is seen alone may be too much already.
    if hidden and status is not Status.FAIL:
        status = Status.UNKNOWN
        summary = f"at least {summary}; the size of {plural(len(hidden), 'database')} is hidden"
        remedy = all_stats(await role_name(reader))
    return Finding(
        status=status,
        summary=summary,
        value=percent,
        evidence=[dict(each) for each in databases],
        observed=observed | {"used_bytes": used, "limit_bytes": limit},
        remedy=None if status is Status.PASS else remedy,
    )


def _parse(value: object) -> int:
    """Return the bytes of `{ limit = "10GB" }`."""
    match value:
        case {"limit": str() as text, **others} if not others:
            found = _SIZE.fullmatch(text.strip())
            if found and (limit := round(float(found[1]) * (1 << 10 * _POWERS[found[2]]))):
                return limit
    raise ValueError('write it like this: limit = "10GB"')


CHECK = Check(
    name="disk",
    run=_run,
    measurement="used",
    unit="percent",
    thresholds=Thresholds(warn=80, fail=95),
    parse=_parse,
)
