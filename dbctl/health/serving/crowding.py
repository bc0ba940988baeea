"""Keep room for who asks, however many connect and say nothing."""

import asyncio
import resource

from uvicorn.protocols.http.h11_impl import H11Protocol

# Connections that are open at once; fewer where the system gives this process few files.
_MOST = 1000


class Uncrowded(H11Protocol):
    """A connection that, where there are too many, ends one that awaits no answer.

    Without files the loop could accept nobody, nor could the database be asked, and each try would
    be a traceback in the log.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, where there is room or room can be made."""
        super().connection_made(transport)
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

    @property
    def is_asked(self) -> bool:
        """Whether there is a request that is not answered yet."""
        return self.cycle is not None and not self.cycle.response_complete


def _room() -> int:
    """Return how many connections may be open; the other files are for what comes at once."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if files == resource.RLIM_INFINITY else min(_MOST, files // 2)
