"""A TCP proxy before a server that breaks in the ways networks and servers break."""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import TracebackType
from typing import Self

from dbctl.db import dsn
from dbctl.db.dsn import Address, Dsn, SslMode

_LOCALHOST = "127.0.0.1"
_PATIENCE = 30.0  # seconds after which a test that waits for the proxy fails
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
# Messages of the protocol: the server is ready for the first statement, the client takes its leave.
_READY = b"Z\x00\x00\x00\x05"
_TERMINATE = b"X\x00\x00\x00\x04"


class Mode(StrEnum):
    """What the proxy does with a connection."""

    FORWARD = "forward"
    HANG = "hang"  # accept, read on nothing, answer nothing
    TRICKLE = "trickle"  # answer a byte at a time
    CLOSE = "close"  # end it as a server does that shuts down
    RESET = "reset"  # end it as a server does that crashes: TCP RST
    REFUSE = "refuse"  # do not even listen


class Moment(StrEnum):
    """When a fault begins on a connection whose client has sent what triggers it."""

    SENT = "sent"  # at once
    DONE = "done"  # when the server answers, whose answer is lost
    ANSWERED = "answered"  # when the answer has reached the client


@dataclass(frozen=True)
class Nth:
    """The `number`th time that a client sends something, whoever it is."""

    number: int


# When a fault begins: at once, when the client has sent this text (which still reaches the
# server), or the nth time, or when the server has sent this many bytes on a connection (the rest is
# held back).
type Trigger = bytes | Nth | int | None


@dataclass(eq=False)
class _Link:
    """One client's connection; `faulty` from when the trigger of the mode was met."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    faulty: bool = False
    triggered: bool = False  # the fault begins with the server's next answer
    sent: bytes = b""
    received: int = 0
    ready: bool = False
    answered: bool = False
    round_trips: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    ended: bool = False

    def end(self, *, reset: bool) -> None:
        if self.ended:
            return
        self.ended = True
        self.changed.set()
        if reset:
            connection = self.client.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self.client.transport.abort()
        else:
            self.client.close()
        self.server.transport.abort()


class FaultProxy:
    """Forward TCP connections to the server of `upstream` until told otherwise.

    It runs in a thread of its own, so that tests of either kind can use it, and `behave` changes
    what it does to the connections there are and to those to come. Every request reaches the server
    `delay` seconds late, as if it were far away.
    """

    def __init__(self, upstream: Dsn, *, pace: float = 0.05, delay: float = 0.0) -> None:
        self._upstream = upstream.addresses[0]
        self._pace = pace
        self._delay = delay
        self._every_link: list[_Link] = []
        self._mode = Mode.FORWARD
        self._after: Trigger = None
        self._moment = Moment.SENT
        self._every = False
        self._links: set[_Link] = set()
        self._accepted = self._requested = 0
        self._faults = 0
        self._news = threading.Condition()
        self._server: asyncio.Server | None = None
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(_PATIENCE), "the proxy did not start"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_PATIENCE)

    def url_of(self, url: str) -> str:
        """Return the URL that reaches the database of `url` through this proxy."""
        address = Address(_LOCALHOST, self.port)
        target = dsn.parse(url, environ={})
        return replace(target, addresses=(address,), sslmode=SslMode.DISABLE).url()

    def behave(
        self,
        mode: Mode,
        *,
        after: Trigger = None,
        moment: Moment = Moment.SENT,
        every: bool = False,
    ) -> None:
        """Do this from now on, on every connection, or once `after` is met on one.

        A connection that hung goes on where it was when the mode is FORWARD again. With `after`, a
        connection that is ended is the only one: the next is forwarded, unless `every` one is to
        end.
        """
        behaving = self._behave(mode, after, moment, every=every)
        asyncio.run_coroutine_threadsafe(behaving, self._loop).result(_PATIENCE)

    @property
    def accepted(self) -> int:
        """The number of connections since the start."""
        with self._news:
            return self._accepted

    @property
    def round_trips(self) -> list[int]:
        """The requests that the client sent on each connection, once it was logged in.

        What it sends without having heard of the server since is one request.
        """
        with self._news:
            return [link.round_trips for link in self._every_link if link.ready]

    @property
    def faults(self) -> int:
        """How often the trigger of a mode was met since the start."""
        with self._news:
            return self._faults

    def wait_for_connection(self, number: int = 1) -> None:
        """Return when that many connections were accepted since the start."""
        self._wait_until(lambda: self._accepted >= number, f"no connection number {number}")

    def wait_for_fault(self, number: int = 1) -> None:
        """Return when the trigger of a mode was met that many times since the start."""
        self._wait_until(lambda: self._faults >= number, f"no fault number {number}")

    def _wait_until(self, condition: Callable[[], bool], complaint: str) -> None:
        with self._news:
            assert self._news.wait_for(condition, _PATIENCE), f"{complaint} in {_PATIENCE:.0f} s"

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        await self._listen()
        self._started.set()
        await self._stop.wait()
        self._end_all(reset=True)
        await self._deafen()

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, _LOCALHOST, self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _deafen(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _behave(self, mode: Mode, after: Trigger, moment: Moment, *, every: bool) -> None:
        self._every = every
        self._mode, self._after, self._moment, self._requested = mode, after, moment, 0
        for link in self._links:
            link.faulty, link.triggered = after is None, False
            link.sent, link.received = b"", 0
            link.changed.set()
            link.changed = asyncio.Event()
        if mode is Mode.REFUSE:
            await self._deafen()
        else:
            await self._listen()
        if after is None and mode in (Mode.REFUSE, Mode.CLOSE, Mode.RESET):
            self._end_all(reset=mode is not Mode.CLOSE)

    def _end_all(self, *, reset: bool) -> None:
        for link in self._links:
            link.end(reset=reset)

    async def _accept(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        server_reader, server = await self._connect()
        link = _Link(client, server, faulty=self._after is None)
        self._links.add(link)
        self._every_link.append(link)
        self._tell(accepted=1)
        pumps = [
            asyncio.create_task(self._requests(link, reader)),
            asyncio.create_task(self._answers(link, server_reader)),
        ]
        try:
            if link.faulty and self._mode in (Mode.CLOSE, Mode.RESET):
                link.end(reset=self._mode is Mode.RESET)
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._links.discard(link)
            link.end(reset=False)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = self._upstream.host, self._upstream.port
        if self._upstream.is_unix:
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, port)

    async def _requests(self, link: _Link, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(65536):
            await self._obey(link)
            if link.answered and data != _TERMINATE:
                link.round_trips += 1
                link.answered = False
            await asyncio.sleep(self._delay)
            link.sent += data
            self._requested += 1
            is_met = self._is_met(link)
            link.triggered |= is_met and self._moment is not Moment.SENT
            link.server.write(data)
            await link.server.drain()
            if is_met and self._moment is Moment.SENT:
                self._trip(link)

    async def _answers(self, link: _Link, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(65536):
            if link.triggered and self._moment is Moment.DONE:
                self._trip(link)
            while data:
                await self._obey(link)
                part = self._part_of(link, data)
                link.client.write(part)
                await link.client.drain()
                data = data[len(part) :]
                if link.triggered and not data:
                    self._trip(link)
                link.received += len(part)
                link.ready = link.ready or _READY in part
                link.answered = link.ready
                if isinstance(self._after, int) and link.received >= self._after:
                    self._trip(link)
                if link.faulty and self._mode is Mode.TRICKLE:
                    await asyncio.sleep(self._pace)
        await self._obey(link)  # that the server has hung up is an answer as well

    def _is_met(self, link: _Link) -> bool:
        match self._after:
            case bytes() as text:
                return text in link.sent
            case Nth(number):
                return self._requested == number
        return False

    def _part_of(self, link: _Link, data: bytes) -> bytes:
        """Return what of the server's answer may pass now."""
        if link.faulty:
            return data[:1] if self._mode is Mode.TRICKLE else data
        if isinstance(self._after, int):
            return data[: max(self._after - link.received, 1)]
        return data

    async def _obey(self, link: _Link) -> None:
        """Return when data may pass; raise ConnectionError where it never will."""
        while link.faulty and not link.ended and self._mode is Mode.HANG:
            await link.changed.wait()
        if link.ended:
            raise ConnectionError(self._mode)

    def _trip(self, link: _Link) -> None:
        if not link.faulty:
            link.faulty = True
            self._tell(faults=1)
            if self._mode in (Mode.CLOSE, Mode.RESET, Mode.REFUSE):
                link.end(reset=self._mode is not Mode.CLOSE)
                if self._mode is not Mode.REFUSE and not self._every:
                    self._mode, self._after = Mode.FORWARD, None

    def _tell(self, *, accepted: int = 0, faults: int = 0) -> None:
        with self._news:
            self._accepted += accepted
            self._faults += faults
            self._news.notify_all()
