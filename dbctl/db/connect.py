"""Open connections to one endpoint: retried while it wakes, and safe behind a pooler."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakSet

import asyncpg

from dbctl.db.decoding import LoginLoop
from dbctl.db.dsn import Dsn
from dbctl.db.failures import (
    CONNECT_ERRORS,
    NO_ANSWER,
    NO_ANSWER_YET,
    Cause,
    connection_failed,
    explain_connect,
)
from dbctl.db.lookup import known_places
from dbctl.db.qualified import qualified
from dbctl.db.retry import attempts
from dbctl.db.round_trip import read_together
from dbctl.db.search_path import SearchPath

logger = logging.getLogger("dbctl.db")

# PostgreSQL takes any parameter with a prefix at start-up; pgbouncer refuses those it does not
# know with 08P01, and a proxy that drops them is found out when the value is not there.
_MARK = "dbctl.session"
_WHO = f"""
select pg_catalog.current_database() as database, current_user as role,
    pg_catalog.current_setting('{_MARK}', true) as mark,
    pg_catalog.current_setting('server_version') as version,
    pg_catalog.current_schema() as schema,
    pg_catalog.current_setting('search_path') as path,
    pg_catalog.current_setting('transaction_isolation') as isolation
"""
_STATEMENT_CACHE_SIZE = 100
# Seconds to wait for the server to take its leave: it is told already, so nothing is lost.
CLOSE_TIMEOUT = 0.3
# Seconds without an answer after which it is told that there is none yet.
_SILENCE = 1.0
# In seconds: a peer that is gone is found out after 60 s of idling, or of data it does not confirm.
_KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
_USER_TIMEOUT = 60


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What is known of a server once a connection stands.

    `version` is the server's own text (`18.6`), `tls` the protocol version between here and the
    next hop, None in plaintext; `pooled` tells whether a transaction pooler may stand between.
    `schema` is where a table without a schema would be made, None for nowhere, `isolation` the
    level of a transaction for which none is asked.
    """

    host: str
    database: str
    user: str
    version: str
    tls: str | None
    pooled: bool
    schema: str | None
    isolation: str


class OwnConnection(asyncpg.Connection):  # type: ignore[misc]
    """A connection whose transactions run under an empty search_path while it is dbctl's `own`.

    `path` is the one that its session has otherwise. What asyncpg itself asks of the catalogue is
    qualified on any path.
    """

    own = False
    path = SearchPath()

    def __init__(self, protocol: Any, transport: Any, loop: LoginLoop, *args: Any) -> None:
        super().__init__(protocol, transport, loop.loop, *args)
        self._intro_query: str = qualified(self._intro_query)

    @property
    def path_emptied(self) -> str:
        """The statements with which a transaction of dbctl's own begins; none where it is not."""
        if not self.own:
            return ""
        # Servers report the path of the session from PostgreSQL 18 on.
        setting = getattr(self.get_settings(), "search_path", None)
        path = self.path if setting is None else replace(self.path, setting=setting)
        return path.emptied

    async def execute(
        self,
        query: str,
        *args: Any,
        timeout: float | None = None,  # noqa: ASYNC109 - the driver's
    ) -> str:
        """Run a statement; with a BEGIN goes what empties the path, in the same round trip."""
        if not args and query[:5].lower() == "begin":
            query = f"{query};{self.path_emptied}"
        return str(await super().execute(query, *args, timeout=timeout))

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - the driver's
        """Close it, and cut it off where the server does not take its leave in time."""
        with suppress(TimeoutError):
            await super().close(timeout=timeout or CLOSE_TIMEOUT)


@contextmanager
def as_own(connection: asyncpg.Connection[Any]) -> Iterator[None]:
    """Let a transaction that is begun in the body be one of dbctl's own."""
    if not isinstance(connection, OwnConnection):
        yield
        return
    before, connection.own = connection.own, True
    try:
        yield
    finally:
        connection.own = before


class Connector:
    """Open asyncpg connections to `dsn`, the way its endpoint needs.

    `timeout` bounds one attempt and `deadline` all of them, in seconds. `on_wait` is told that
    it is still waiting, and for what: once per cause until a connection stands. `server` is set by
    the first connection.
    """

    def __init__(
        self,
        dsn: Dsn,
        *,
        timeout: float,
        deadline: float,
        on_wait: Callable[[str], None] | None = None,
    ) -> None:
        self.dsn = dsn
        self.timeout = timeout
        self.deadline = deadline
        self.on_wait = on_wait or logger.warning
        self.server: ServerInfo | None = None
        self._path = SearchPath()
        self._pooled = dsn.pooled
        self._keywords: dict[str, Any] | None = None
        self._opened: WeakSet[asyncpg.Connection[Any]] = WeakSet()
        self._told: set[str] = set()
        self._pending = 0
        self._trouble: Cause | None = None

    @property
    def trouble(self) -> Cause | None:
        """Why a connection that is being opened has not come about yet; None where nothing is."""
        return self._trouble if self._pending else None

    async def __call__(self) -> OwnConnection:
        """Open a connection.

        Raises ConnectionFailed: at once for what waiting cannot mend (wrong password, unknown
        database, TLS refused), at the deadline for the rest.
        """
        started = time.monotonic()
        causes: dict[str, BaseException] = {}

        def on_failure(error: BaseException) -> None:
            cause = explain_connect(error, self.dsn)
            self._tell(cause)
            causes[cause.reason] = error

        self._pending += 1
        try:
            async with asyncio.timeout(self.deadline):
                async for attempt in attempts(self.deadline, on_failure):
                    with attempt:
                        connection = await self._attempt()
                        self._told.clear()
                        self._trouble = None
                        return connection
            raise AssertionError("the retry loop ends by returning or raising")
        except CONNECT_ERRORS as error:
            # At the deadline, what the attempts met says more than that the time is over.
            cut_short = isinstance(error, TimeoutError) and causes
            shown = list(causes.values())[-1] if cut_short else error
            waited = time.monotonic() - started
            raise connection_failed(shown, self.dsn, waited=waited) from shown
        finally:
            self._pending -= 1

    def terminate(self) -> None:
        """Cut off every connection, whatever the server does; what waits for it fails at once."""
        for connection in list(self._opened):
            connection.terminate()

    def _tell(self, cause: Cause) -> None:
        """Tell why it is waiting, unless that is known."""
        self._trouble = cause
        # After "no answer yet" the end of that attempt is no news.
        topic = NO_ANSWER.reason if cause is NO_ANSWER_YET else cause.reason
        if topic not in self._told:
            self._told.add(topic)
            self.on_wait(
                f"waiting for {self.dsn.label}: {cause.reason} (up to {self.deadline:.3g} s)"
            )

    async def _attempt(self) -> OwnConnection:
        """Make one attempt, and tell when the server is silent meanwhile."""
        silence = asyncio.get_running_loop().call_later(_SILENCE, self._tell, NO_ANSWER_YET)
        try:
            return await self._open()
        finally:
            silence.cancel()

    async def _open(self) -> OwnConnection:
        """Open a connection; the first one also finds out what stands at the other end.

        Several first ones may run at once: each goes by what the quickest of them found.
        """
        connection, pooled = await self._login()
        try:
            if self.server is None:
                server = await self._identify(connection, pooled=pooled)
                if self.server is None:
                    self._remember(server)
            if self._pooled and not pooled:
                await connection.close(timeout=self.timeout)
                connection, _ = await self._login()
            connection.path = self._path
        except BaseException:
            connection.terminate()
            raise
        return connection

    def _remember(self, server: ServerInfo) -> None:
        self.server = server
        self._pooled = self._pooled or server.pooled
        logger.info(
            "Database connection established: host=%s database=%s server=%s tls=%s endpoint=%s",
            server.host,
            server.database,
            server.version,
            server.tls or "off",
            "pooled" if server.pooled else "direct",
        )

    async def _login(self) -> tuple[OwnConnection, bool]:
        """Open a connection, and tell whether it is fit for a pooler."""
        if self._keywords is None:  # certificates are read from files; once is enough
            self._keywords = self.dsn.connect_kwargs()
        keywords = dict(self._keywords)
        places = list(zip(keywords["host"], keywords["port"], strict=True))
        # Half of the time: a name server is to fail within it, and other hosts are to get a turn.
        known = await known_places(places, min(self.timeout, self.deadline) / 2)
        keywords["host"], keywords["port"] = map(list, zip(*known, strict=True))
        pooled = self._pooled
        if not pooled:
            keywords["server_settings"] = keywords.get("server_settings", {}) | {_MARK: "direct"}
        try:
            connection = await asyncpg.connect(
                **keywords,
                connection_class=OwnConnection,
                loop=LoginLoop(asyncio.get_running_loop()),
                timeout=self.timeout,
                # Statements prepared by name live on a server connection that the next
                # transaction may not get from a pooler; without a cache none are made.
                statement_cache_size=0 if pooled else _STATEMENT_CACHE_SIZE,
            )
        except asyncpg.ProtocolViolationError as error:
            if pooled or _MARK not in str(error):
                raise
            self._pooled = True
            return await self._login()
        self._opened.add(connection)
        _keep_alive(connection)
        return connection, pooled

    async def _identify(self, connection: asyncpg.Connection[Any], *, pooled: bool) -> ServerInfo:
        ((found,),) = await read_together(connection, [_WHO])
        self._path = SearchPath(found["path"], found["role"])
        return ServerInfo(
            host=self.dsn.servers,
            database=found["database"],
            user=found["role"],
            version=found["version"].split()[0],
            tls=_tls_version(connection),
            # Neon's proxy drops the mark on direct endpoints too; its host names tell instead.
            pooled=pooled or (found["mark"] is None and not self.dsn.is_neon),
            schema=found["schema"],
            isolation=found["isolation"].upper(),
        )


def _keep_alive(connection: asyncpg.Connection[Any]) -> None:
    """Have the kernel find out, where it can, that the peer of an open connection is gone."""
    endpoint = connection._transport.get_extra_info("socket")
    if endpoint.family not in (socket.AF_INET, socket.AF_INET6):
        return
    endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (_KEEPALIVE | {"TCP_USER_TIMEOUT": _USER_TIMEOUT * 1000}).items():
        if option := getattr(socket, name, None):  # each platform has its own set
            endpoint.setsockopt(socket.IPPROTO_TCP, option, value)


def _tls_version(connection: asyncpg.Connection[Any]) -> str | None:
    """Return the TLS version of this side of the connection, None in plaintext.

    The server's pg_stat_ssl describes a pooler's connection, not ours, and asyncpg has no public
    name for the transport.
    """
    tls = connection._transport.get_extra_info("ssl_object")
    return tls.version() if tls is not None else None
