"""The router for an application of one's own."""

import asyncio
import logging

from fastapi import APIRouter

from dbctl.db.engine import DatabaseSessionManager, session_manager
from dbctl.health.report import Request, prepare
from dbctl.health.serving.answers import NEEDED
from dbctl.health.serving.lookout import Lookout, Subject
from dbctl.health.serving.routes import health_routes
from dbctl.health.serving.shared import Shared
from dbctl.health.serving.tokens import checked
from dbctl.settings import load_settings

logger = logging.getLogger("dbctl.health")


def health_router(
    prefix: str = "/api/v1",
    *,
    detail_token: str | None = None,
    deadline: float = 2.0,
    cache: float = 1.0,
    manager: DatabaseSessionManager | None = None,
) -> APIRouter:
    """Return a router with `/health`, `/health/live` and `/health/ready` below `prefix`.

    It looks at the database of `manager`, by default of the one behind `get_db`. What a look finds
    holds for `cache` seconds, and every answer comes within `deadline` seconds. With `detail_token`
    who bears that token gets the whole document. Raises ConfigurationError for a token that could
    be guessed.
    """
    token = None if detail_token is None else checked(detail_token)
    beside = _Beside(manager, patience=deadline)
    lookout = Lookout(beside.prepare, deadline=deadline, tell=logger.warning)
    shared = Shared(lookout.answers, cache=cache)
    return health_routes(shared, prefix, token=token, at_the_end=beside.close)


class _Beside:
    """One connection beside those of an application, to the same database.

    A pool that is used up does not keep it from looking, and a look that is late is cut off
    without an end to anything of the application's.
    """

    def __init__(self, manager: DatabaseSessionManager | None, *, patience: float) -> None:
        self._given = manager
        self._patience = patience
        self._own: DatabaseSessionManager | None = None

    async def prepare(self) -> Subject:
        """Read the settings and the revisions, and make what connects."""
        theirs = self._given or await session_manager()
        request = await asyncio.to_thread(_request)
        self._own = DatabaseSessionManager(
            theirs.dsn,
            label=theirs.label,
            pool_size=1,
            max_overflow=0,
            connect_timeout=self._patience,
            pool_timeout=self._patience,
        )
        return Subject(self._own, request, theirs.pool_status)

    async def close(self) -> None:
        """Close the connection."""
        own, self._own = self._own, None
        if own is not None:
            await own.close()
            own.terminate()


def _request() -> Request:
    return prepare(load_settings(), only=NEEDED)
