"""Look at a database again and again: quick checks at each tick, the others now and then."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from dbctl.db.catalog import fetch
from dbctl.errors import ConnectionFailed
from dbctl.health.check import Check
from dbctl.health.registry import CHECKS
from dbctl.health.report import Request, look
from dbctl.health.results import CheckResult, Finding, HealthReport, Status, overall
from dbctl.health.thresholds import Configuration, Thresholds
from dbctl.health.watch.results import Tick, Vitals
from dbctl.health.watch.vitals import TICKS, History, Sample

if TYPE_CHECKING:
    from dbctl.db.engine import DatabaseSessionManager
    from dbctl.health.check import Context
    from dbctl.health.reader import LookReader

_VITALS = "vitals"
# The check that tells of a lost connection, made or not.
_LOST = "connection"
# What is made at each tick; --pool makes of that check one that takes its time.
_QUICK = {"connection", "pool", "connections", "blockers", "transactions", "replication", _VITALS}
# Seconds after which the others are made again: the migrations, and what did not pass, sooner.
_SELDOM = 60.0
_SOONER = 10.0
# Seconds that a look may take, or as many as are between two ticks: with quick checks alone, so
# that it is soon told that the server is away, and with others.
_PATIENCE = 3.0
_LONGER = 15.0


class Watcher:
    """Remember what was seen of one database, tick by tick.

    `every` is the seconds between two ticks. A look takes no longer, or a few seconds where that is
    more, and never longer than the connect deadline of the settings.
    """

    def __init__(self, request: Request, every: float) -> None:
        self._sampling = Check(name=_VITALS, run=self._sample, measurement="counters")
        self._request = _also(request, self._sampling)
        self._every = every
        self._results: dict[str, CheckResult] = {}
        self._made: dict[str, float] = {}
        self._history = History()
        self._latencies: deque[float | None] = deque(maxlen=TICKS)
        self._transactions = 1  # in which the first connection was asked where it leads
        self._reader: LookReader | None = None
        self._lost: datetime | None = None

    async def tick(self, manager: DatabaseSessionManager) -> Tick:
        """Look once, and return what is known now.

        Raises ConnectionFailed at the first tick alone, where waiting will not help; without a
        connection the report tells so, as that of `health` does.
        """
        started, at = asyncio.get_running_loop().time(), datetime.now(UTC)
        due = self._due(started)
        self._transactions += self._sent + 1  # that of the pool, which pings
        self._reader = None
        seconds = max(self._every, _PATIENCE if all(map(self._is_quick, due)) else _LONGER)
        deadline = started + min(seconds, self._request.settings.deadline)
        request = replace(self._request, checks=due)
        found = await look(manager, request, started=started, deadline=deadline)
        report = found.report
        if report.error and not self._made and any(check.permanent for check in report.checks):
            raise ConnectionFailed(report.error.message, hint=report.error.hint)
        if report.error is None:
            self._lost = None
            self._results.pop(_LOST, None)  # nobody may have asked for it but the loss
        else:
            self._lose(at)
        for check in report.checks:
            self._results[check.name] = check
            self._made[check.name] = started
        return self._tick(report)

    @property
    def _sent(self) -> int:
        """How many transactions of ours the present look has taken."""
        return self._reader.sent if self._reader else 0

    def _due(self, now: float) -> tuple[Check, ...]:
        """Return what is to be made now; of a server that is away, only whether it is back."""
        checks = self._request.checks
        if self._lost:
            return tuple(filter(self._is_quick, checks))
        return tuple(one for one in checks if self._is_quick(one) or self._is_due(one, now))

    def _is_quick(self, check: Check) -> bool:
        return check.name in _QUICK and not (check.name == "pool" and self._request.open_pool)

    def _is_due(self, check: Check, now: float) -> bool:
        before = self._results.get(check.name)
        if before is None:
            return True
        sooner = check.name == "migrations" or before.status is not Status.PASS
        return now - self._made[check.name] >= (_SOONER if sooner else _SELDOM)

    def _lose(self, at: datetime) -> None:
        """Take note that there is no connection; what was known before holds no longer."""
        self._lost = self._lost or at
        self._history.forget()
        unknown = Finding(status=Status.UNKNOWN, summary="not checked: no connection")
        for check in self._request.checks:
            if check.name in self._results:
                held = self._request.configuration.thresholds[check.name]
                self._results[check.name] = check.result(unknown, held)
        self._made = dict.fromkeys(self._made, float("-inf"))

    def _tick(self, report: HealthReport) -> Tick:
        checks = tuple(self._results[one.name] for one in CHECKS if one.name in self._results)
        latency = self._results.get(_LOST)
        milliseconds = latency.observed_value if latency and not report.error else None
        self._latencies.append(milliseconds if isinstance(milliseconds, float) else None)
        return Tick(
            report=report.model_copy(update={"status": overall(checks), "checks": checks}),
            vitals=Vitals(
                recent=self._history.recent(),
                whole=self._history.whole(),
                unreachable_since=self._lost,
            ),
            latencies=tuple(self._latencies),
        )

    async def _sample(self, reader: LookReader, _context: Context) -> Finding:
        """Remember the counters; made as a check is, for its connection and its limits."""
        row: Mapping[str, Any]
        (row,) = await fetch(reader, "health", "vitals")
        taken = asyncio.get_running_loop().time()
        self._reader = reader
        own = self._transactions + self._sent
        times = {name: _moment(row[name]) for name in ("reset_at", "started_at")}
        self._history.add(Sample(taken=taken, own_commits=own, **{**row, **times}))
        return Finding(status=Status.PASS, summary="")


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _also(request: Request, check: Check) -> Request:
    """Return a request that makes one more check, which its report does not tell of."""
    configuration = request.configuration
    thresholds = {**configuration.thresholds, check.name: Thresholds()}
    return replace(
        request,
        checks=(*request.checks, check),
        configuration=Configuration(thresholds, configuration.configured),
    )
