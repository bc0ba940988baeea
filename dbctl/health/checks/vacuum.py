"""Check vacuum: tables full of dead rows, and what keeps autovacuum from them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbctl.db.catalog import fetch
from dbctl.db.names import listed
from dbctl.figures import plural
from dbctl.health.check import Check
from dbctl.health.results import Finding, Status, Value
from dbctl.health.thresholds import Thresholds

if TYPE_CHECKING:
    from dbctl.health.check import Context
    from dbctl.health.reader import LookReader

# Smaller tables cost nobody anything, and so many dead rows are to be expected in large ones.
_ROWS = 10_000
_SETTINGS = ("track_counts", "autovacuum")
# Fewer dead rows are a warning, whatever their share.
_MANY = 1_000_000


@dataclass(frozen=True, slots=True)
class _Problem:
    """What is wrong with a table, or with the server, how bad that is, and what to do."""

    status: Status
    summary: str
    remedy: str
    evidence: dict[str, Value]


async def _run(reader: LookReader, context: Context) -> Finding:
    """Find the tables with the largest share of dead rows, and those that vacuum never sees.

    The numbers are the statistics', which every role sees and a crash resets.
    """
    (settings,), tables = await asyncio.gather(
        fetch(reader, "health", "autovacuum"), fetch(reader, "health", "dead_rows", rows=_ROWS)
    )
    problems = [_switched_off(name) for name in _SETTINGS if not settings[name]]
    problems += [found for row in tables if (found := _judge(row, context.thresholds))]
    problems.sort(key=lambda problem: problem.status is not Status.FAIL)
    percent = max((row["percent"] for row in tables if row["dead"] >= _ROWS), default=0.0)
    summary = f"at most {percent:.0f} % dead rows in a large table" if percent else "few dead rows"
    if problems:
        summary = problems[0].summary
        if len(problems) > 1:
            summary += f"; {plural(len(problems) - 1, 'more problem')}"
    return Finding(
        status=problems[0].status if problems else Status.PASS,
        summary=summary,
        value=round(percent, 1),
        evidence=[problem.evidence | {"remedy": problem.remedy} for problem in problems],
        observed={"tables": len(tables)} | {name: settings[name] for name in _SETTINGS},
        remedy=problems[0].remedy if problems else None,
    )


def _switched_off(setting: str) -> _Problem:
    return _Problem(
        Status.WARN,
        f"{setting} is off for the whole server",
        f"ALTER SYSTEM SET {setting} = on; SELECT pg_reload_conf();",
        {"setting": setting, "value": "off"},
    )


def _judge(row: Mapping[str, Any], thresholds: Thresholds) -> _Problem | None:
    """Return what is wrong with a table, if anything is."""
    share = thresholds.judge(row["percent"]) if row["dead"] >= _ROWS else Status.PASS
    if share is Status.FAIL and row["dead"] < _MANY:
        share = Status.WARN
    reasons, remedies = [], []
    if row["autovacuum_off"]:
        reasons.append("is left out by autovacuum")
        remedies.append(f"ALTER TABLE {row['table']} RESET (autovacuum_enabled);")
    if not row["known"]:
        reasons.append("was never analysed")
    if share is not Status.PASS:
        reasons.append(f"has {row['dead']:,} dead rows ({row['percent']:.0f} %)")
    if share is not Status.PASS or not row["known"]:
        remedies.append(f"VACUUM (ANALYZE) {row['table']};")
    if not reasons:
        return None
    return _Problem(
        Status.FAIL if share is Status.FAIL else Status.WARN,
        f"{row['table']} {listed(reasons)}",
        " ".join(remedies),
        _evidence(row),
    )


def _evidence(row: Mapping[str, Any]) -> dict[str, Value]:
    return {
        "table": row["table"],
        "dead_rows": row["dead"],
        "live_rows": row["live"],
        "percent": round(row["percent"], 1),
        "analysed": row["known"],
        "autovacuum_off": row["autovacuum_off"],
        "vacuumed_at": row["vacuumed_at"],
    }


CHECK = Check(
    name="vacuum",
    run=_run,
    measurement="deadRows",
    unit="percent",
    thresholds=Thresholds(warn=20, fail=50),
)
