"""The pool of the application: whether the server has room for it, and with `--pool` in earnest."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from dbctl.db.connections import count_connections
from dbctl.db.failures import DRIVER_ERRORS, first_line, without_password
from dbctl.errors import DbctlError
from dbctl.health.check import Check
from dbctl.health.results import Component, Finding, Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dbctl.db.engine import DatabaseSessionManager
    from dbctl.health.check import Context
    from dbctl.health.reader import LookReader
    from dbctl.health.results import Value

# Seconds in which the whole pool must open; the check has some more, to close it again.
_PATIENCE = 5.0
_SECONDS = 10.0


async def _run(reader: LookReader, context: Context) -> Finding:
    """Compare this pool with what the server has left for it, and with `--pool` open all of it.

    Where the server has less than the pool may still open, that is a warning, unless a pooler opens
    connections in its place. With `--pool` it is a failure, and none is opened: to take the last
    ones would make the outage that this is to prevent.
    """
    server, pool = await count_connections(reader), context.pool
    usable = max(server.maximum - server.reserved, 1)
    limit = pool.size + pool.max_overflow
    wanted = limit - pool.checked_in - pool.checked_out
    left = max(usable - server.used, 0)
    pooled = context.server.pooled
    observed: dict[str, Value] = {
        "size": pool.size,
        "max_overflow": pool.max_overflow,
        "checked_out": pool.checked_out,
        "recycle_seconds": pool.recycle if pool.recycle >= 0 else None,
        "server_connections_left": left,
        "pooler": pooled,
    }
    summary = f"up to {limit} connections" + (", through a pooler" if pooled else "")
    if wanted > left and not pooled:
        return Finding(
            status=Status.FAIL if context.open_pool else Status.WARN,
            summary=f"{summary}, but the server has only {left} of {usable} left",
            value=limit,
            observed=observed,
            remedy=f"lower DB_POOL_SIZE and DB_MAX_OVERFLOW, together {limit}, or use a pooler",
        )
    if not context.open_pool:
        return Finding(status=Status.PASS, summary=summary, value=limit, observed=observed)
    opened = await _open(context.manager, limit, _patience(context))
    observed |= opened.observed()
    if opened.count < limit:
        return Finding(
            status=Status.FAIL,
            summary=f"only {opened.count} of {limit} connections opened: {opened.trouble}",
            value=opened.count,
            observed=observed,
            remedy=f"lower DB_POOL_SIZE and DB_MAX_OVERFLOW, together {limit}, or raise what "
            "limits them: the role's and the database's CONNECTION LIMIT, the pooler's pool",
        )
    times = f"p50 {observed['open_p50_ms']:.0f} ms, at most {observed['open_max_ms']:.0f} ms"
    return Finding(
        status=Status.PASS,
        summary=f"all {limit} connections opened, {times}" + (" (to a pooler)" if pooled else ""),
        value=limit,
        observed=observed,
    )


@dataclass(frozen=True, slots=True)
class _Opened:
    """How many connections of the pool came, in how many seconds each, and why not more."""

    count: int
    seconds: tuple[float, ...]
    trouble: str | None

    def observed(self) -> Mapping[str, Value]:
        """Return the figures under their names."""
        times = self.seconds
        return {
            "opened": self.count,
            "open_p50_ms": round(median(times) * 1000, 2) if times else None,
            "open_max_ms": round(max(times) * 1000, 2) if times else None,
        }


def _patience(context: Context) -> float:
    """Return the seconds that opening may take, so that there is time left to tell."""
    left = context.deadline - asyncio.get_running_loop().time()
    return max(min(_PATIENCE, left * 0.8), 0.0)


async def _open(manager: DatabaseSessionManager, limit: int, seconds: float) -> _Opened:
    """Check all connections of the pool out at once, then close those that nobody uses."""
    clock = asyncio.get_running_loop().time
    # One is in use by the checks.
    already = manager.pool_status().checked_out
    times: list[float] = []
    troubles: list[str] = []

    async with AsyncExitStack() as held:

        async def open_one() -> None:
            started = clock()
            try:
                await held.enter_async_context(manager.connect())
            except (DbctlError, *DRIVER_ERRORS) as error:
                troubles.append(without_password(first_line(error), manager.dsn))
            else:
                times.append(clock() - started)

        tasks = [asyncio.create_task(open_one()) for _ in range(limit - already)]
        try:
            if tasks and (await asyncio.wait(tasks, timeout=seconds))[1] and manager.trouble:
                troubles.append(manager.trouble)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    # Idle, they would count as used in what is looked at next.
    await manager.close()
    trouble = troubles[0] if troubles else f"the others did not come within {seconds:.1f} s"
    return _Opened(already + len(times), tuple(times), trouble)


CHECK = Check(
    name="pool",
    run=_run,
    measurement="limit",
    unit="connections",
    component=Component.SYSTEM,
    seconds=_SECONDS,
)
