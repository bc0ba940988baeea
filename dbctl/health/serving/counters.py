"""Count the requests that are answered, by path and status."""

from collections import Counter
from collections.abc import Collection

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# The path of whatever is not ours: a name of its own for each would let anybody fill the memory.
OTHER = "other"


class CountedRequests:
    """An ASGI application that passes requests on and counts what becomes of them.

    `answers` has the number of answers by path and status; `paths` are those that are named.
    """

    def __init__(self, app: ASGIApp, paths: Collection[str]) -> None:
        self.answers: Counter[tuple[str, int]] = Counter()
        self._app = app
        self._paths = frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request and count it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"] if scope["path"] in self._paths else OTHER

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.answers[path, message["status"]] += 1
            await send(message)

        await self._app(scope, receive, counting)
