"""Copy, replace and drop databases of an embedded server: its branches and snapshots.

A copy is CREATE DATABASE … TEMPLATE under a name that means "not finished", and gets its own in one
transaction with the comment that says what it is. Who does any of this holds an advisory lock, so
that what bears such a name then was left behind, and is dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg

from dbctl.db import dsn
from dbctl.db.connect import Connector, OwnConnection
from dbctl.db.embedded import EmbeddedServer
from dbctl.db.embedded_branches import DEFAULT, DEFAULT_DATABASE, note_names
from dbctl.db.embedded_databases import (
    DatabaseSession,
    Ending,
    Kind,
    Origin,
    Stored,
    in_use,
    new_origin,
    no_branch,
)
from dbctl.db.failures import DRIVER_ERRORS, statement_failed
from dbctl.db.names import literal, quote
from dbctl.db.queries import positional
from dbctl.errors import RefusedError

MAINTENANCE = "postgres"
_LOCK_KEY = 0x64626374_6C6272  # "dbctlbr"
_UNFINISHED, _REPLACED = _LEFT_BEHIND = ("dbctl_unfinished_copy", "dbctl_replaced")
_CONNECT_SECONDS = 15.0
# Seconds between two requests to sessions to end.
_END_INTERVAL = 0.1
# CREATE DATABASE copies files instead of logging each page from PostgreSQL 15 on only where it is
# told to; for a database of a developer that takes a third of the time.
_HAS_STRATEGIES = 15


class Copies:
    """The databases of a server as one session of it sees them; made by `opened`."""

    def __init__(self, server: EmbeddedServer, connection: OwnConnection) -> None:
        self._server = server
        self._connection = connection

    async def stored(self) -> list[Stored]:
        """Return what dbctl has made, the default database first; note the names."""
        found: list[Stored] = []
        for row in await self._fetch("copied_databases"):
            origin = _origin_of(row)
            if origin is not None and row["database"] not in _LEFT_BEHIND:
                found.append(Stored(row["database"], origin, row["size_bytes"], row["sessions"]))
        found.sort(key=lambda one: one.database != DEFAULT_DATABASE)
        names: dict[str, list[str]] = {kind: [] for kind in Kind}
        for one in found:
            names[one.origin.kind].append(one.origin.name)
        note_names(self._server.cluster_dir, names[Kind.BRANCH], names[Kind.SNAPSHOT])
        return found

    async def find(self, database: str) -> Origin | None:
        """Return what a database is; None where there is none of that name.

        Raises RefusedError where it is not one of dbctl's.
        """
        for row in await self._fetch("copied_databases"):
            if row["database"] == database:
                if (origin := _origin_of(row)) is None:
                    raise RefusedError(
                        f"the server has a database {database} that dbctl did not make",
                        hint="Choose another name, or rename that database.",
                    )
                return origin
        return None

    async def sessions(self, database: str) -> list[DatabaseSession]:
        """Return who is connected to a database."""
        rows = await self._fetch("database_sessions", database=database)
        return [DatabaseSession(**row) for row in rows]

    async def copy(
        self, source: str, target: str, origin: Origin, ending: Ending, *, connects: bool = True
    ) -> None:
        """Make the database `target` from `source`, whole or not at all.

        Sessions of the source are ended as far as `ending` goes. With `connects` off nobody
        can connect to the copy. Raises RefusedError, code `server_in_use`, where sessions are left.
        """
        async with self._copied(source, ending), self._connection.transaction():
            await self._take_properties(source)
            await self._name(_UNFINISHED, target, origin)
            if not connects:
                await self._run(f"alter database {quote(target)} allow_connections false")

    async def replace(self, target: str, source: str, origin: Origin, ending: Ending) -> None:
        """Let `target` be a copy of `source`; what it held is gone, or all of it is kept.

        Owner, privileges and settings stay those of the target. Raises what `copy` raises, about
        the sessions of the target.
        """
        await self._check_sessions(target, ending)

        async def swap() -> None:
            async with self._connection.transaction():
                await self._take_properties(target)
                await self._run(f"alter database {quote(target)} rename to {quote(_REPLACED)}")
                await self._name(_UNFINISHED, target, origin)

        async with self._copied(source, Ending.NONE):
            await self._with_sessions_ended(target, swap, ending)
        await self._drop(_REPLACED)

    async def drop(self, database: str, ending: Ending) -> None:
        """Drop a database. Raises what `copy` raises, about its sessions."""
        await self._check_sessions(database, ending)
        await self._drop(database)

    async def sweep(self) -> None:
        """Drop what a run that was killed has left; only under the lock."""
        for row in await self._fetch("copied_databases"):
            if row["database"] in _LEFT_BEHIND:
                await self._drop(row["database"])

    @asynccontextmanager
    async def _copied(self, source: str, ending: Ending) -> AsyncIterator[None]:
        """Make the unfinished copy, which is dropped unless the body gives it its name."""
        await self._check_sessions(source, ending)
        strategy = ""
        if self._connection.get_server_version().major >= _HAS_STRATEGIES:
            strategy = " strategy file_copy"

        async def create() -> None:
            await self._run(
                f"create database {quote(_UNFINISHED)} template {quote(source)}{strategy}"
            )

        try:
            await self._with_sessions_ended(source, create, ending)
            yield
        except BaseException:
            with suppress(*DRIVER_ERRORS):
                await self._drop(_UNFINISHED)
            raise

    async def _with_sessions_ended(
        self, database: str, work: Callable[[], Coroutine[Any, Any, None]], ending: Ending
    ) -> None:
        """Run `work`, which locks new sessions out and waits for those that are there to end.

        Raises RefusedError, code `server_in_use`, where they do not.
        """
        task = asyncio.create_task(work())
        try:
            if ending is not Ending.NONE:
                async with opened(self._server, alone=False) as side:
                    while not task.done():
                        await side.end_sessions(database, ending)
                        await asyncio.wait({task}, timeout=_END_INTERVAL)
            await task
        except asyncpg.ObjectInUseError as error:
            raise in_use(database, await self.sessions(database)) from error
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})

    async def end_sessions(self, database: str, ending: Ending) -> None:
        """Ask the server to end sessions of a database, as far as `ending` goes."""
        for one in await self.sessions(database):
            if one.may_be_ended(ending):
                await self._run(f"select pg_catalog.pg_terminate_backend({one.pid})")

    async def _check_sessions(self, database: str, ending: Ending) -> None:
        found = await self.sessions(database)
        if kept := [one for one in found if not one.may_be_ended(ending)]:
            raise in_use(database, kept)

    async def _take_properties(self, database: str) -> None:
        for row in await self._fetch("database_properties", database=database, new=_UNFINISHED):
            await self._run(row["statement"])

    async def _name(self, before: str, name: str, origin: Origin) -> None:
        await self._run(f"alter database {quote(before)} rename to {quote(name)}")
        if name != DEFAULT_DATABASE:
            await self._run(f"comment on database {quote(name)} is {literal(origin.comment)}")

    async def _drop(self, database: str) -> None:
        await self._run(f"drop database if exists {quote(database)} with (force)")

    async def _fetch(self, name: str, **parameters: object) -> Sequence[Any]:
        statement, names = positional("db", name)
        async with self._connection.transaction():
            found: Sequence[Any] = await self._connection.fetch(
                statement, *(parameters[name] for name in names)
            )
        return found

    async def _run(self, statement: str) -> None:
        await self._connection.execute(statement)


def _origin_of(row: Mapping[str, Any]) -> Origin | None:
    """Return what the database of a row is; None where it is not one of dbctl's."""
    if row["database"] == DEFAULT_DATABASE:
        return Origin(Kind.BRANCH, DEFAULT, "", "")
    return Origin.of(row["comment"])


@asynccontextmanager
async def opened(
    server: EmbeddedServer,
    *,
    alone: bool = True,
    on_notice: Callable[[str], None] | None = None,
) -> AsyncIterator[Copies]:
    """Yield the databases of a server that runs, with `alone` while nobody else changes them.

    Raises DbctlError for whatever goes wrong with the server.
    """
    target = dsn.parse(server.url_of(MAINTENANCE), source="the embedded server", environ={})
    connector = Connector(target, timeout=_CONNECT_SECONDS, deadline=_CONNECT_SECONDS)
    connection = await connector()
    connection.own = True
    try:
        copies = Copies(server, connection)
        if alone:
            tried = f"select pg_catalog.pg_try_advisory_lock({_LOCK_KEY})"
            if not await connection.fetchval(tried) and on_notice is not None:
                on_notice("waiting for another dbctl, which copies or drops a database")
            await connection.execute(f"select pg_catalog.pg_advisory_lock({_LOCK_KEY})")
            await copies.sweep()
        yield copies
    except DRIVER_ERRORS as error:
        raise statement_failed(error) from error
    finally:
        await connection.close()


async def ensure_branch(
    server: EmbeddedServer,
    name: str,
    database: str,
    on_notice: Callable[[str], None],
    *,
    make: bool,
) -> None:
    """Return once a branch is there; with `make` it is copied from the default one.

    Raises ConfigurationError, code `not_found`, where it is not there and is not to be made, and
    RefusedError, code `server_in_use`, where somebody is connected to the default one.
    """
    async with opened(server, alone=False) as copies:
        if await copies.find(database) is not None:
            return
        if not make:
            raise no_branch(name, [one.origin.name for one in await copies.stored()])
    async with opened(server, on_notice=on_notice) as copies:
        if await copies.find(database) is None:
            on_notice(f"Making the branch {name} of the embedded database from the default one.")
            origin = new_origin(Kind.BRANCH, name, DEFAULT)
            try:
                await copies.copy(DEFAULT_DATABASE, database, origin, Ending.NONE)
            except RefusedError as error:
                raise RefusedError(
                    f"the branch {name} cannot be made: {error.message}",
                    hint=f"Let them end, or run `dbctl server branch {name} --end-sessions`.",
                    code=error.code,
                ) from error
            await copies.stored()
