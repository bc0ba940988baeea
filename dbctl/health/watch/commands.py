"""`dbctl health --watch`: look at a database for as long as somebody looks at the screen."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from dbctl.errors import ExitCode

if TYPE_CHECKING:
    from dbctl.db.engine import DatabaseSessionManager
    from dbctl.health.report import Request
    from dbctl.health.watch.results import Tick
    from dbctl.settings import Settings


def watch_health(settings: "Settings", request: "Request", every: float) -> ExitCode:
    """Make the checks of `request` every so many seconds and show what they find, until `q`.

    On no terminal each look is a line of JSON. Raises UsageError for another format, and
    ConnectionFailed where the first look finds a cause that waiting will not mend.
    """
    from dbctl.health.watch import views
    from dbctl.health.watch.watcher import Watcher
    from dbctl.runtime import Target
    from dbctl.watching import watch

    watcher = Watcher(request, every)

    @asynccontextmanager
    async def reader(
        manager: "DatabaseSessionManager",
    ) -> "AsyncIterator[Callable[[], Awaitable[Tick]]]":
        yield partial(watcher.tick, manager)

    return watch(Target(settings).run, reader, views.tick, title="dbctl health", seconds=every)
