"""Check sequences and integer keys: how much of their range is used."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from dbctl.db.names import listed
from dbctl.figures import plural
from dbctl.health.check import Check
from dbctl.health.ranges import Unread, Use, read_ranges
from dbctl.health.results import Finding, Status, Value
from dbctl.health.thresholds import Thresholds

if TYPE_CHECKING:
    from dbctl.health.check import Context
    from dbctl.health.reader import LookReader

_SEVERITY = (Status.PASS, Status.WARN, Status.FAIL)
_NAMED = 3


async def _run(reader: LookReader, context: Context) -> Finding:
    """Find what is nearest to its end: a sequence, a column that holds its values, or a key.

    Unknown where all that can be read is far from its end and something cannot be read.
    """
    uses, unread = await read_ranges(reader)
    judged = [(_SEVERITY.index(_judge(use, context.thresholds)), use) for use in uses]
    judged.sort(key=lambda pair: -pair[0])  # stable: the fullest stay first
    status, worst = Status.PASS, uses[0] if uses else None
    if judged:
        severity, worst = judged[0]
        status = _SEVERITY[severity]
    observed: dict[str, Value] = {"ranges": len(uses), "unread": len(unread)}
    if status is Status.PASS and unread:
        return Finding(
            status=Status.UNKNOWN,
            summary=f"cannot read {_names(unread)}",
            value=None if worst is None else round(worst.percent, 1),
            evidence=[{"name": one.name, "remedy": one.grant} for one in unread],
            observed=observed,
            remedy=_grants(unread),
        )
    return Finding(
        status=status,
        summary="nothing has given out a value" if worst is None else _told(worst),
        value=0.0 if worst is None else round(worst.percent, 1),
        evidence=[_evidence(use) for severity, use in judged if severity],
        observed=observed,
        remedy=None if worst is None or status is Status.PASS else worst.remedy,
    )


def _judge(use: Use, thresholds: Thresholds) -> Status:
    """Judge a range; what is guessed only warns."""
    status = thresholds.judge(use.percent)
    return Status.WARN if use.guessed and status is Status.FAIL else status


def _told(use: Use) -> str:
    if use.percent > 100:
        return f"{use.name} ({use.type}) has come past the end of its range"
    return f"{use.name} ({use.type}) has used {use.percent:.0f} % of its range"


def _evidence(use: Use) -> dict[str, Value]:
    told: dict[str, Value] = asdict(use)
    return told | {"percent": round(use.percent, 1)}


def _names(unread: list[Unread]) -> str:
    names = [one.name for one in unread[:_NAMED]]
    if len(unread) > _NAMED:
        names.append(f"{len(unread) - _NAMED:,} more")
    locked = sum(one.grant is None for one in unread)
    return listed(names) + (f"; {plural(locked, 'one', 'of them')} locked now" if locked else "")


def _grants(unread: list[Unread]) -> str:
    grants = [one.grant for one in unread if one.grant is not None]
    if not grants:
        return "look again once the locks are gone: dbctl inspect locks"
    more = f" -- and {len(grants) - _NAMED:,} more" if len(grants) > _NAMED else ""
    return " ".join(grants[:_NAMED]) + more


CHECK = Check(
    name="sequences",
    run=_run,
    measurement="utilization",
    unit="percent",
    thresholds=Thresholds(warn=75, fail=90),
)
