"""The routes of health: each answers from the look that all share."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import APIRouter, FastAPI, Header, HTTPException, Response

from dbctl.health.document import MEDIA_TYPE
from dbctl.health.serving.answers import ALIVE, Answer, Answers
from dbctl.health.serving.shared import Shared
from dbctl.health.serving.tokens import is_right

PATHS = ("/health", "/health/live", "/health/ready")
NOT_STORED = {"Cache-Control": "no-store"}

type Endpoint = Callable[..., Awaitable[Response]]
# No `type` statement: FastAPI looks into one only from some version after 0.115 on.
AuthorizationHeader = Annotated[str | None, Header()]


def health_routes(
    shared: Shared[Answers],
    prefix: str,
    *,
    token: str | None,
    at_the_end: Callable[[], Awaitable[None]],
) -> APIRouter:
    """Return a router with PATHS below `prefix`.

    With `token` who bears it is given the whole of `/health`. `at_the_end` is awaited when the
    application ends.
    """

    async def health(authorization: AuthorizationHeader = None) -> Response:
        """Tell whether the database is fit to serve: 200 or, where it is not, 503."""
        whole = may_see_all(authorization, token)
        answers = await shared.ask()
        return _sent(answers.whole if whole else answers.public)

    async def live() -> Response:
        """Tell that this process answers, whatever its database does."""
        return _sent(ALIVE)

    async def ready() -> Response:
        """Tell whether there is a connection and the schema that the code expects."""
        return _sent((await shared.ask()).ready)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await shared.close()
            await at_the_end()

    router = APIRouter(prefix=prefix, lifespan=lifespan, tags=["health"])
    for path, endpoint in zip(PATHS, (health, live, ready), strict=True):
        answer_to(router, path, endpoint)
    return router


def answer_to(router: APIRouter | FastAPI, path: str, endpoint: Endpoint) -> None:
    """Let `endpoint` answer GET and HEAD on `path`."""
    router.add_api_route(path, endpoint, methods=["GET"], response_class=Response)
    router.add_api_route(path, endpoint, methods=["HEAD"], include_in_schema=False)


def may_see_all(authorization: str | None, token: str | None) -> bool:
    """Tell whether the header opens everything; raises HTTPException (401) for a wrong one.

    Without a token there is nothing to open, and the header may be meant for somebody else.
    """
    if token is None or authorization is None:
        return False
    if is_right(authorization, token):
        return True
    raise HTTPException(
        401, "This is not the token.", headers={"WWW-Authenticate": "Bearer", **NOT_STORED}
    )


def _sent(answer: Answer) -> Response:
    return Response(answer.body, answer.status_code, media_type=MEDIA_TYPE, headers=NOT_STORED)
