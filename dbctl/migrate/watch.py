"""Look at a run from a side connection: who blocks it, and how far an index build is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.db.queries import query
from dbctl.migrate.events import Blocked, Building, Event
from dbctl.migrate.results import Blocker, Revision
from dbctl.migrate.run.execution import Execution
from dbctl.sqlliterals import without_literals

# Seconds between two looks; a short lock timeout needs more of them to see who caused it.
_INTERVAL = 0.25
_LOOKS_PER_TIMEOUT = 4
# Seconds that the side connection has for its leave.
_PATIENCE = 0.5
_QUERY_LENGTH = 200

logger = logging.getLogger("dbctl.migrate")


@asynccontextmanager
async def watching(
    execution: Execution,
    lock_timeout: float,
    report: Callable[[Event], None],
) -> AsyncIterator[None]:
    """Watch `execution` while the body runs, from the first revision on that takes its time.

    Each blocker is kept in the execution and reported once per revision, an index build whenever
    it has come further. What goes wrong with the side connection is logged and ends the watch only.
    """
    watch = asyncio.create_task(_watch(execution, lock_timeout, report))
    try:
        yield
    finally:
        watch.cancel()
        await asyncio.wait({watch}, timeout=_PATIENCE)
        watch.add_done_callback(lambda done: done.cancelled() or done.exception())


async def _watch(
    execution: Execution,
    lock_timeout: float,
    report: Callable[[Event], None],
) -> None:
    interval = min(_INTERVAL, lock_timeout / _LOOKS_PER_TIMEOUT)
    try:
        await _until_something_takes_long(execution, interval)
        async with execution.database.manager.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            while True:
                pid, revision = execution.session.pid, execution.current
                if pid is not None and revision is not None:
                    await _look(connection, pid, revision, execution, report)
                await asyncio.sleep(interval)
    except Exception as error:  # whatever it is, the run must not suffer
        logger.info("cannot watch the run: %s", error)


async def _until_something_takes_long(execution: Execution, interval: float) -> None:
    """Return when the same revision runs at two looks in a row."""
    before = None
    while execution.current is None or execution.current is not before:
        before = execution.current
        await asyncio.sleep(interval)


async def _look(
    connection: AsyncConnection,
    pid: int,
    revision: Revision,
    execution: Execution,
    report: Callable[[Event], None],
) -> None:
    found = await connection.exec_driver_sql(query("migrate", "blockers"), (pid,))
    blockers = [
        Blocker.model_validate(dict(row) | {"query": sanitised(row["query"])})
        for row in found.mappings()
    ]
    if revision is not execution.current:  # it went on meanwhile
        return
    new = [blocker for blocker in blockers if blocker.pid not in execution.blockers]
    execution.blockers.update({blocker.pid: blocker for blocker in blockers})
    if new:
        report(Blocked(revision.revision, tuple(new)))
    built = await connection.exec_driver_sql(query("migrate", "index_progress"), (pid,))
    for row in built.mappings():
        report(Building(revision=revision.revision, **row))


def sanitised(statement: str) -> str:
    """Return a statement on one short line, without its literals, which may be anybody's data."""
    shown = " ".join(without_literals(statement).split())
    return shown if len(shown) <= _QUERY_LENGTH else f"{shown[: _QUERY_LENGTH - 1]}…"
