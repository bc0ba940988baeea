"""Look at a database again and again on behalf of those who ask over HTTP."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from dbctl.db.engine import DatabaseSessionManager, PoolStatus
from dbctl.errors import ConnectionFailed, DbctlError, ErrorCode
from dbctl.health.report import Request, look
from dbctl.health.results import HealthReport, Status
from dbctl.health.serving.answers import Answers

# Seconds of a deadline that are kept for the end of a look: to tell why there is no connection
# takes a moment more than it is given.
_RESERVE = 0.4

logger = logging.getLogger("dbctl.health")


@dataclass(frozen=True, slots=True)
class Subject:
    """What is looked at: through `manager`, which nobody else uses, as a late look is cut off.

    `pool` counts the connections of the pool that the check of that name is about.
    """

    manager: DatabaseSessionManager
    request: Request
    pool: Callable[[], PoolStatus]


class Lookout:
    """Look at what `prepare` returns, within `deadline` seconds each time, and never raise.

    `prepare` is awaited by the first look, and again after it failed. `tell` hears of each change
    of the verdict, in a sentence with the names of things: for a log, not for the public.
    """

    def __init__(
        self,
        prepare: Callable[[], Awaitable[Subject]],
        *,
        deadline: float,
        tell: Callable[[str], object],
    ) -> None:
        self._prepare = prepare
        self._deadline = deadline
        self._tell = tell
        self._told: str | None = None
        self._preparing: asyncio.Future[Subject] | None = None

    async def answers(self) -> Answers:
        """Look once, and return what is to be told."""
        return Answers(await self._look())

    async def _look(self) -> HealthReport | DbctlError:
        """Return the report, or why none came about."""
        try:
            async with asyncio.timeout(self._deadline):
                found = await self._report()
        except DbctlError as error:
            return self._failed(error)
        except TimeoutError:
            return self._failed(
                ConnectionFailed(
                    f"no answer within {self._deadline:g} s",
                    hint="Look at the load of the server and of this process.",
                )
            )
        except Exception as error:
            logger.exception("the look at the database failed")
            return self._failed(
                DbctlError(
                    f"unexpected {type(error).__name__}: this is a bug in dbctl",
                    hint="The log of this process has the details; please report them.",
                    code=ErrorCode.BUG,
                )
            )
        self._notice(found)
        return found

    async def _report(self) -> HealthReport:
        started = asyncio.get_running_loop().time()
        subject = await self._subject()
        patience = max(self._deadline - _RESERVE, self._deadline / 2)
        found = await look(
            subject.manager,
            subject.request,
            started=started,
            deadline=started + patience,
            pool=subject.pool,
        )
        return found.report

    async def _subject(self) -> Subject:
        """Return what is looked at; a look that gives up does not stop the preparation."""
        loop = asyncio.get_running_loop()
        if self._preparing is None or self._preparing.get_loop() is not loop:
            self._preparing = asyncio.ensure_future(self._prepare())
        try:
            return await asyncio.shield(self._preparing)
        except Exception:
            self._preparing = None
            raise

    def _failed(self, error: DbctlError) -> DbctlError:
        self._say("fail", error.message)
        return error

    def _notice(self, report: HealthReport) -> None:
        decisive = [check for check in report.checks if check.status is report.status]
        is_good = report.status is Status.PASS
        reasons = "" if is_good else "; ".join(f"{c.name}: {c.summary}" for c in decisive)
        self._say(report.status, reasons)

    def _say(self, status: str, reasons: str) -> None:
        """Tell of the verdict when it has changed; that it passes is no news at the start."""
        before, self._told = self._told, status
        if status == before or (before is None and status == Status.PASS):
            return
        self._tell(f"health: {status}{f': {reasons}' if reasons else ''}")
