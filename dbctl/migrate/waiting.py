"""Wait for the deployer, as an application does that cannot start before its schema is there."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from dbctl.db.engine import DatabaseSessionManager
from dbctl.migrate.results import MigrationStatus, State
from dbctl.migrate.scripts import Checkout
from dbctl.migrate.status import look

if TYPE_CHECKING:
    from dbctl.migrate.project_models import ProjectModels

# Seconds between two looks while a deployer is waited for.
_PAUSE = 0.5
# States that a deployer at work changes sooner or later.
_PASSING = {State.PENDING, State.EMPTY, State.UNMANAGED}


async def read_in_time(
    manager: DatabaseSessionManager,
    checkout: Checkout,
    *,
    drift: bool,
    models: "ProjectModels | None",
    seconds: float | None,
    on_wait: Callable[[MigrationStatus, float], None],
) -> MigrationStatus:
    """Return the status of a database, with `drift` compared with the models as well.

    With `seconds` it is waited for as `wait_until_current` does. Raises what `look` raises.
    """

    async def read() -> MigrationStatus:
        if not drift:
            return await look(manager, checkout)
        from dbctl.migrate.drift import look_closely  # for start-up: Alembic's autogenerate

        return await look_closely(manager, checkout, models)

    if seconds is None:
        return await read()
    return await wait_until_current(manager, read, seconds, on_wait)


async def wait_until_current(
    manager: DatabaseSessionManager,
    look: Callable[[], Awaitable[MigrationStatus]],
    seconds: float,
    on_wait: Callable[[MigrationStatus, float], None],
) -> MigrationStatus:
    """Look again and again until the database is at the head, for `seconds` at most.

    Returns the last status, at once where waiting for a deployer cannot help. `on_wait` is
    called with each state that is waited in and the seconds left. Raises what `look` raises; a
    server that cannot be reached is waited for as well.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + seconds
    reported: tuple[State, tuple[str, ...]] | None = None
    while True:
        manager.connect_deadline = max(deadline - clock(), _PAUSE)
        status = await look()
        left = deadline - clock()
        if status.state not in _PASSING or left <= 0:
            return status
        if (status.state, status.current) != reported:
            reported = status.state, status.current
            on_wait(status, left)
        await asyncio.sleep(min(_PAUSE, left))
