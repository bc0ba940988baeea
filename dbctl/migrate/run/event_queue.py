"""Events of env.py's thread, brought to the event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from dbctl.migrate.events import Event

# Seconds for which events are collected: waking the loop for each of hundreds of revisions would
# cost them more than the report itself.
_INTERVAL = 0.05


class EventQueue:
    """Hand the events of a run to `report`, in their order, in the loop that it was made in."""

    def __init__(self, report: Callable[[Event], None]) -> None:
        self._report = report
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Event] = deque()
        self._is_scheduled = False

    def put(self, event: Event) -> None:
        """Have an event reported soon, from any thread."""
        self._waiting.append(event)
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon_threadsafe(self._loop.call_later, _INTERVAL, self.flush)

    def report(self, event: Event) -> None:
        """Report an event now, after those that wait; in the loop only."""
        self.flush()
        self._report(event)

    def flush(self) -> None:
        """Report the events that wait; in the loop only."""
        self._is_scheduled = False  # first: what is put from now on schedules the next
        while self._waiting:
            self._report(self._waiting.popleft())
