"""Serve health over HTTP until a signal ends it."""

import asyncio
import errno
import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import uvicorn
from fastapi import FastAPI, Response

from dbctl.db.engine import DatabaseSessionManager
from dbctl.errors import OperationFailed, UsageError
from dbctl.health.report import Request
from dbctl.health.serving.counters import CountedRequests
from dbctl.health.serving.crowding import Uncrowded
from dbctl.health.serving.lookout import Lookout, Subject
from dbctl.health.serving.metrics import METRICS_TYPE, metrics_text
from dbctl.health.serving.results import Answered, Served
from dbctl.health.serving.routes import (
    NOT_STORED,
    PATHS,
    AuthorizationHeader,
    answer_to,
    health_routes,
    may_see_all,
)
from dbctl.health.serving.shared import Shared
from dbctl.interruption import awaiting, current

PREFIX = "/api/v1"
METRICS = "/metrics"
# Seconds beyond the deadline of a request in which its answer may still be on its way at the end.
_FAREWELL = 2


@dataclass(frozen=True, slots=True)
class Terms:
    """How long, in seconds, a look may take and holds; who bears `token` is told everything."""

    deadline: float
    cache: float
    token: str | None


def listen(host: str, port: int) -> socket.socket:
    """Return a socket bound there; port 0 is any that is free.

    Raises UsageError for a host that is not this machine's, OperationFailed for a port that cannot
    be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError):
        raise UsageError(
            f"the host {host!r} is not known", hint="Give an address, as --host 127.0.0.1."
        ) from None
    try:
        # Where IPv6 is switched off there is not even a socket for it.
        return _listening(socket.socket(family, kind, protocol), address)
    except OSError as error:
        raise _refused(error, host, port) from error


def _listening(listener: socket.socket, address: tuple[Any, ...]) -> socket.socket:
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


def _refused(error: OSError, host: str, port: int) -> OperationFailed | UsageError:
    match error.errno:
        case errno.EADDRINUSE:
            return OperationFailed(
                f"port {port} of {host} is in use by another process",
                hint="End that, choose another with --port, or any free one with --port 0.",
            )
        case errno.EACCES | errno.EPERM:
            return OperationFailed(
                f"this user may not listen on port {port}",
                hint="Choose a port from 1024 on with --port.",
            )
        case errno.EADDRNOTAVAIL:
            return UsageError(
                f"{host} is no address of this machine", hint="Try --host 127.0.0.1 or 0.0.0.0."
            )
        case _:
            return OperationFailed(
                f"cannot listen on port {port} of {host}: {error.strerror}",
                hint="Choose another with --host and --port.",
            )


def is_open(listener: socket.socket) -> bool:
    """Tell whether the socket takes what comes from any network."""
    return ip_address(listener.getsockname()[0]).is_unspecified


def url_of(listener: socket.socket) -> str:
    """Return the URL that leads to the socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def serve_health(
    manager: DatabaseSessionManager,
    request: Request,
    listener: socket.socket,
    terms: Terms,
    *,
    tell: Callable[[str], object],
) -> Served:
    """Answer on `listener` until a signal ends it; what was begun by then is answered.

    `tell` hears of each change of the verdict.
    """
    started = time.monotonic()
    url = url_of(listener)
    subject = Subject(manager, request, manager.pool_status)
    app = _application(subject, terms, tell)
    config = uvicorn.Config(
        app,
        http=Uncrowded,
        backlog=128,  # as many are let in at once: the others wait, and are not lost
        lifespan="on",
        ws="none",
        interface="asgi3",
        log_config=None,
        access_log=_heard(),
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=int(terms.deadline) + _FAREWELL,
    )
    await _until_stopped(_Server(config), listener)
    return Served(
        url=url,
        seconds=round(time.monotonic() - started, 3),
        answers=tuple(
            Answered(path=path, status=status, count=count)
            for (path, status), count in sorted(app.answers.items())
        ),
        stopped_by=current().signal,
    )


def _heard() -> bool:
    """Let uvicorn tell what dbctl tells; return whether that is everything, as with `-v`.

    Else its errors alone: of what clients do wrong it warns, and they could fill the log with that.
    """
    level = logging.getLogger("dbctl").getEffectiveLevel()
    everything = level <= logging.INFO
    logging.getLogger("uvicorn").setLevel(level if everything else logging.ERROR)
    return everything


class _Server(uvicorn.Server):
    """A server that leaves the signals to dbctl."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _until_stopped(server: uvicorn.Server, listener: socket.socket) -> None:
    """Serve until this task is cancelled, and then until what was begun is answered."""
    serving = asyncio.create_task(server.serve([listener]))
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.should_exit = True
        with awaiting("the requests that were begun to be answered"):
            await serving


def _application(subject: Subject, terms: Terms, tell: Callable[[str], object]) -> CountedRequests:
    """Return what answers: the routes of health, and the metrics of all that."""

    async def prepare() -> Subject:
        return subject

    lookout = Lookout(prepare, deadline=terms.deadline, tell=tell)
    shared = Shared(lookout.answers, cache=terms.cache)

    async def metrics(authorization: AuthorizationHeader = None) -> Response:
        """Tell Prometheus what the last look found, and of the requests and the pool."""
        whole = may_see_all(authorization, terms.token)
        seen = (await shared.ask()).seen
        text = metrics_text(seen, counted.answers, subject.pool(), whole=whole)
        return Response(text, media_type=METRICS_TYPE, headers=NOT_STORED)

    async def nothing() -> None:
        """The connections are closed by whoever opened them."""

    # A redirect would tell the address of this machine to who sends no Host header.
    app = FastAPI(title="dbctl health", openapi_url=None, redirect_slashes=False)
    app.include_router(health_routes(shared, PREFIX, token=terms.token, at_the_end=nothing))
    answer_to(app, METRICS, metrics)
    counted = CountedRequests(app, [*(PREFIX + path for path in PATHS), METRICS])
    return counted
