"""Open connections to one endpoint: retried while it wakes, and safe behind a pooler."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import asyncpg

from dbctl.db.dsn import Dsn
from dbctl.db.failures import connection_failed, explain_connect
from dbctl.db.retry import attempts

logger = logging.getLogger("dbctl.db")

# PostgreSQL takes any parameter with a prefix at start-up; pgbouncer refuses those it does not
# know with 08P01, and a proxy that drops them is found out when the value is not there.
_MARK = "dbctl.session"
_STATEMENT_CACHE_SIZE = 100


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What is known of a server once a connection stands.

    `version` is the server's own text (`18.6`), `tls` the protocol version between here and the
    next hop, None in plaintext; `pooled` tells whether a transaction pooler may stand between.
    """

    host: str
    database: str
    user: str
    version: str
    tls: str | None
    pooled: bool


class Connector:
    """Open asyncpg connections to `dsn`, the way its endpoint needs.

    `timeout` bounds one attempt and `deadline` all of them, in seconds. `on_wait` is told once
    per cause that another attempt will be made, and why. `server` is set by the first connection.
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
        self._pooled = dsn.pooled
        self._keywords: dict[str, Any] | None = None

    async def __call__(self) -> asyncpg.Connection[Any]:
        """Open a connection.

        Raises ConnectionFailed: at once for what waiting cannot mend (wrong password, unknown
        database, TLS refused), at the deadline for the rest.
        """
        started = time.monotonic()
        causes: dict[str, BaseException] = {}

        def on_failure(error: BaseException) -> None:
            reason = explain_connect(error, self.dsn).reason
            if reason not in causes:
                self.on_wait(
                    f"waiting for {self.dsn.label}: {reason} (up to {self.deadline:.0f} s)"
                )
            causes[reason] = error

        try:
            async with asyncio.timeout(self.deadline):
                async for attempt in attempts(self.deadline, on_failure):
                    with attempt:
                        return await self._open()
            raise AssertionError("the retry loop ends by returning or raising")
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            # At the deadline, what the attempts met says more than that the time is over.
            told = [*causes.values(), error]
            shown = told[-2] if isinstance(error, TimeoutError) and causes else error
            waited = time.monotonic() - started
            raise connection_failed(shown, self.dsn, waited=waited) from error

    async def _open(self) -> asyncpg.Connection[Any]:
        """Make one attempt; the first one also finds out what stands at the other end."""
        connection = await self._login()
        if self.server is None:
            try:
                self.server = await self._identify(connection)
                if self.server.pooled and not self._pooled:
                    self._pooled = True
                    await connection.close(timeout=self.timeout)
                    connection = await self._login()
            except BaseException:
                connection.terminate()
                raise
            logger.info(
                "Database connection established: host=%s database=%s server=%s tls=%s endpoint=%s",
                self.server.host,
                self.server.database,
                self.server.version,
                self.server.tls or "off",
                "pooled" if self.server.pooled else "direct",
            )
        return connection

    async def _login(self) -> asyncpg.Connection[Any]:
        if self._keywords is None:  # certificates are read from files; once is enough
            self._keywords = self.dsn.connect_kwargs()
        keywords = dict(self._keywords)
        if not self._pooled:
            keywords["server_settings"] = keywords.get("server_settings", {}) | {_MARK: "direct"}
        try:
            return await asyncpg.connect(
                **keywords,
                timeout=self.timeout,
                # Statements prepared by name live on a server connection that the next
                # transaction may not get from a pooler; without a cache none are made.
                statement_cache_size=0 if self._pooled else _STATEMENT_CACHE_SIZE,
            )
        except asyncpg.ProtocolViolationError as error:
            if self._pooled or _MARK not in str(error):
                raise
            self._pooled = True
            return await self._login()

    async def _identify(self, connection: asyncpg.Connection[Any]) -> ServerInfo:
        # The unnamed statement: should a pooler have let us in, nothing of ours stays behind it.
        statement = await connection.prepare(
            "select current_database(), current_user, current_setting($1, true),"
            " current_setting('server_version')",
            name="",
        )
        row = await statement.fetchrow(_MARK)
        assert row is not None  # noqa: S101 - a select without FROM has one row
        database, user, mark, version = row
        return ServerInfo(
            host=self.dsn.servers,
            database=database,
            user=user,
            version=version.split()[0],
            tls=_tls_version(connection),
            # Neon's proxy drops the mark on direct endpoints too; its host names tell instead.
            pooled=self._pooled or (mark is None and not self.dsn.is_neon),
        )


def _tls_version(connection: asyncpg.Connection[Any]) -> str | None:
    """Return the TLS version of this side of the connection, None in plaintext.

    The server's pg_stat_ssl describes a pooler's connection, not ours, and asyncpg has no public
    name for the transport.
    """
    tls = connection._transport.get_extra_info("ssl_object")
    return tls.version() if tls is not None else None
