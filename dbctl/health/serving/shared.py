"""One answer for all who ask at about the same time."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class Shared[T]:
    """Share what `look` finds: among all who wait for it, and with who asks within `cache` seconds.

    There is never more than one look. Who asks while one runs waits for that one, and who stops
    waiting does not stop it. `look` ends by itself within a time of its own and raises nothing.
    """

    def __init__(self, look: Callable[[], Coroutine[Any, Any, T]], *, cache: float) -> None:
        self._look = look
        self._cache = cache
        self._looking: asyncio.Task[T] | None = None
        self._fresh_until = 0.0

    async def ask(self) -> T:
        """Return what the last look found, or what the next one will."""
        return await asyncio.shield(self._current())

    def _current(self) -> asyncio.Task[T]:
        task = self._looking
        # Of no use in another loop: one for each request is what some test clients have.
        if task is not None and task.get_loop() is asyncio.get_running_loop():
            is_fresh = self._now() < self._fresh_until and not task.cancelled()
            if is_fresh or not task.done():
                return task
        self._looking = asyncio.create_task(self._timed())
        return self._looking

    async def _timed(self) -> T:
        found = await self._look()
        self._fresh_until = self._now() + self._cache
        return found

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def close(self) -> None:
        """Give up the look that runs, if there is one; the next question begins anew."""
        task, self._looking = self._looking, None
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait({task})
