"""Wait for the deployer, as an application does that cannot start before its schema is there."""

import asyncio
from collections.abc import Awaitable, Callable

from dbctl.db.engine import DatabaseSessionManager
from dbctl.migrate.results import MigrationStatus, State

# Seconds between two looks while a deployer is waited for.
_PAUSE = 0.5
# States that a deployer at work changes sooner or later.
_PASSING = {State.PENDING, State.EMPTY, State.UNMANAGED}


async def wait_until_current(
    manager: DatabaseSessionManager,
    look: Callable[[], Awaitable[MigrationStatus]],
    seconds: float,
    on_wait: Callable[[MigrationStatus, float], None],
) -> MigrationStatus:
    """Look again and again until the database is at the head, for `seconds` at most.

    Returns the last status, at once where waiting for a deployer cannot help. `on_wait` is told
    each state that is waited in and the seconds left. Raises what `look` raises; a server that
    cannot be reached is waited for as well.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + seconds
    told: tuple[State, tuple[str, ...]] | None = None
    while True:
        manager.connect_deadline = max(deadline - clock(), _PAUSE)
        status = await look()
        left = deadline - clock()
        if status.state not in _PASSING or left <= 0:
            return status
        if (status.state, status.current) != told:
            told = status.state, status.current
            on_wait(status, left)
        await asyncio.sleep(min(_PAUSE, left))
