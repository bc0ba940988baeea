"""Check for invalid indexes: each costs every write, and no query uses it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dbctl.db.catalog import fetch
from dbctl.db.names import listed
from dbctl.figures import plural
from dbctl.health.check import Check
from dbctl.health.results import Finding
from dbctl.health.thresholds import Thresholds

if TYPE_CHECKING:
    from dbctl.health.check import Context
    from dbctl.health.reader import LookReader

_NAMED = 3


async def _run(reader: LookReader, context: Context) -> Finding:
    """Find the indexes that a failed build, rebuild or drop left behind."""
    rows = await fetch(reader, "health", "invalid_indexes")
    summary = "all are valid"
    if rows:
        names = [row["index"] for row in rows[:_NAMED]]
        if len(rows) > _NAMED:
            names.append(f"{len(rows) - _NAMED:,} more")
        summary = f"{plural(len(rows), 'index', 'indexes')} invalid: {listed(names)}"
    return Finding(
        status=context.thresholds.judge(len(rows)),
        summary=summary,
        value=len(rows),
        evidence=[
            {name: row[name] for name in ("index", "table", "unique")} | {"remedy": _remedy(row)}
            for row in rows
        ],
        remedy=_remedy(rows[0]) if rows else None,
    )


def _remedy(row: Mapping[str, Any]) -> str:
    if row["transient"] or not row["live"]:
        return f"DROP INDEX CONCURRENTLY {row['index']};"
    rebuild = f"REINDEX INDEX CONCURRENTLY {row['index']};"
    return f"{rebuild} -- once its values are unique" if row["unique"] else rebuild


CHECK = Check(
    name="indexes",
    run=_run,
    measurement="invalid",
    unit="indexes",
    thresholds=Thresholds(warn=1),
)
