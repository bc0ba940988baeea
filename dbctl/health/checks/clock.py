"""The clock: how far the server's is from the one here."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from dbctl.figures import duration
from dbctl.health.check import Check
from dbctl.health.results import Component, Finding
from dbctl.health.thresholds import Thresholds

if TYPE_CHECKING:
    from dbctl.health.check import Context
    from dbctl.health.reader import LookReader, Ping


async def _run(reader: LookReader, context: Context) -> Finding:
    """Measure by how much the clocks differ for certain.

    The server read its clock somewhere within the round trip: half of that is the uncertainty,
    which is least in the quicker of two samples, and is subtracted.
    """
    round_trip, ahead = min([_sample(ping) for ping in await reader.pings()])
    certain = round(max(abs(ahead) - round_trip / 2, 0.0), 3)
    status = context.thresholds.judge(certain)
    direction = "ahead of" if ahead > 0 else "behind"
    return Finding(
        status=status,
        summary=f"the server's clock is {duration(certain)} {direction} the one here"
        if certain
        else f"the clocks agree within {duration(round_trip / 2)}",
        value=certain,
        observed={
            "server_ahead_seconds": round(ahead, 6),
            "round_trip_ms": round(round_trip * 1000, 3),
        },
        remedy="set both clocks by NTP (timedatectl set-ntp true); tokens and rows with times of "
        "both sides are wrong by this much"
        if status != "pass"
        else None,
    )


def _sample(ping: Ping) -> tuple[float, float]:
    """Return the seconds of a round trip, and by how many the server is ahead at the middle."""
    sent = time.time() - (time.perf_counter() - ping.sent)
    return ping.seconds, ping.epoch - (sent + ping.seconds / 2)


CHECK = Check(
    name="clock",
    run=_run,
    measurement="skew",
    unit="s",
    component=Component.SYSTEM,
    thresholds=Thresholds(warn=2, fail=60),
)
