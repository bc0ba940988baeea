"""Show what an inspect command reads: once, or again and again on one connection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg

from dbctl.db.session import Session, bounded
from dbctl.errors import ExitCode
from dbctl.inspect.connected import patience, read
from dbctl.inspect.reading import STATEMENT_TIMEOUT
from dbctl.output import emit
from dbctl.results import Result
from dbctl.runtime import Target
from dbctl.settings import Settings

if TYPE_CHECKING:
    from rich.console import RenderableType


def look[R: Result](
    settings: Settings,
    work: Callable[[asyncpg.Connection[Any]], Awaitable[R]],
    view: Callable[[R], RenderableType],
    *,
    title: str,
    every: float | None,
    statement_timeout: float = STATEMENT_TIMEOUT,
) -> ExitCode:
    """Print what `work` reads, or show it `every` so many seconds under `title`.

    `work` reads in a transaction of its own each time. Raises what `read` and `watch` raise.
    """
    if every is None:
        return emit(read(settings, work, statement_timeout=statement_timeout), view)
    from dbctl.watching import watch

    @asynccontextmanager
    async def reader(session: Session) -> AsyncIterator[Callable[[], Awaitable[R]]]:
        async with session.connect() as connection:

            async def once() -> R:
                if not statement_timeout:
                    return await work(connection)
                return await bounded(
                    session, _run(work, connection), patience(0, statement_timeout)
                )

            yield once

    return watch(Target(settings).read, reader, view, title=f"dbctl inspect {title}", seconds=every)


async def _run[R](
    work: Callable[[asyncpg.Connection[Any]], Awaitable[R]], connection: asyncpg.Connection[Any]
) -> R:
    return await work(connection)
