"""Keep room for who asks, however many connect and say nothing, or only half of it."""

import asyncio
import resource
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

# Connections that are open at once; fewer where the system gives this process few files.
_MOST = 1000
# Seconds in which a request must have come whole, from its connection's or its own beginning.
_PATIENCE = 5.0


class Uncrowded(H11Protocol):
    """A connection that, where there are too many, ends one that awaits no answer.

    Without files the loop could accept nobody, nor could the database be asked, and each try would
    be a traceback in the log. One whose request does not come whole in time is ended as well.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.conn = _Unambiguous(h11.SERVER)
        self._limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, where there is room or room can be made."""
        super().connection_made(transport)
        self._await_request()
        if len(self.connections) <= _room():
            return
        silent = (
            one
            for one in self.connections
            if isinstance(one, Uncrowded) and one is not self and not one.is_asked
        )
        leaving = next(silent, self)
        self.connections.discard(leaving)
        leaving.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Read what there is of a request."""
        self._await_request()
        super().data_received(data)
        self._await_rest()

    def on_response_complete(self) -> None:
        """Read what came of the next request meanwhile."""
        super().on_response_complete()
        self._await_rest()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        super().connection_lost(exc)
        self._await_nothing()

    @property
    def is_asked(self) -> bool:
        """Whether there is a request that is not answered yet."""
        return self.cycle is not None and not self.cycle.response_complete

    def _await_request(self) -> None:
        if self._limit is None:
            self._limit = self.loop.call_later(_PATIENCE, self._end)

    def _await_rest(self) -> None:
        """Wait for the rest of a request that has begun, or for nothing."""
        is_begun = self.conn.their_state is h11.SEND_BODY or (
            self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]
        )
        if is_begun and not self.transport.is_closing():
            self._await_request()
        else:
            self._await_nothing()

    def _await_nothing(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _end(self) -> None:
        self._limit = None
        if self.is_asked:  # its answer comes first
            self._await_request()
        else:
            self.transport.abort()


class _Unambiguous(h11.Connection):
    """What refuses a request of two lengths: a proxy before it may go by the other one."""

    def next_event(self) -> Any:
        event = super().next_event()
        if isinstance(event, h11.Request):
            names = {name for name, _ in event.headers}
            if {b"content-length", b"transfer-encoding"} <= names:
                raise h11.RemoteProtocolError("Content-Length with Transfer-Encoding")
        return event


def _room() -> int:
    """Return how many connections may be open; the other files are for what comes at once."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if files == resource.RLIM_INFINITY else min(_MOST, files // 2)
