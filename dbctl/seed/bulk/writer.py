"""Write many rows in one transaction: COPY, straight into a table or into a stage."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.db.catalog import Column
from dbctl.db.engine import DatabaseSessionManager
from dbctl.db.failures import connection_loss
from dbctl.db.names import listed
from dbctl.db.queries import query
from dbctl.db.search_path import session_path
from dbctl.db.tables import Table
from dbctl.seed.bulk import encoding
from dbctl.seed.bulk.feed import Batches, Feed
from dbctl.seed.bulk.refusals import refused
from dbctl.seed.bulk.sequences import Resynced, resync
from dbctl.seed.bulk.stage import ROW, Stage, definition, unload
from dbctl.seed.bulk.transaction import transaction
from dbctl.settings import Settings

_NO_TEMPORARY = "GRANT TEMPORARY on the database to this role, or connect as the owner."
_NO_LOCK = (
    "The lock that keeps others out of it takes UPDATE or DELETE on the table beside INSERT: "
    "GRANT it to this role, or connect as the owner."
)
_ELEMENT = "select typelem::int8 from pg_catalog.pg_type where oid = $1::text::pg_catalog.regtype"


@dataclass(frozen=True, slots=True)
class Finished:
    """What was done after the last row: sequences moved on, tables analyzed.

    `notices` says, in a sentence each, what could not be done.
    """

    sequences: tuple[Resynced, ...]
    analyzed: tuple[str, ...]
    notices: tuple[str, ...]


@asynccontextmanager
async def writing(
    manager: DatabaseSessionManager, settings: Settings, *, purpose: str
) -> AsyncIterator[Writer]:
    """Yield what writes rows in one transaction, which is committed if the body ends well.

    Whatever the body raises leaves no row behind. `purpose` is what the server knows the session
    by. Raises RefusedError where rows must not be written, OperationFailed where the server takes
    none, ConnectionFailed where the connection is lost.
    """
    async with transaction(manager, settings, purpose=purpose) as (connection, driver):
        yield Writer(connection, driver)


class Writer:
    """Write rows in a transaction; `connection` runs further SQL in it."""

    def __init__(self, connection: AsyncConnection, driver: asyncpg.Connection[Any]) -> None:
        self.connection = connection
        self._driver = driver
        self._stages = 0

    @staticmethod
    def takes_text(column: Column) -> bool:
        """Tell whether values of `column` are handed over as text, as PostgreSQL writes them."""
        return encoding.takes_text(column)

    async def lock(self, tables: Sequence[Table]) -> None:
        """Keep other writers out of `tables` until the end; raises CopyRefused.

        Two runs ask in the same order, so that one waits for the other.
        """
        for table in sorted(tables, key=lambda table: table.relation.oid):
            lock = f"lock table {table.sql} in share row exclusive mode"
            holders = await self._holders(table, lock)
            if holders is not None:
                pids = f" (pid {listed(holders)})" if holders else ""
                hint = f"Another session{pids} holds a lock on it; end it, or try again later."
                await self._execute(lock, table, hints={"55P03": hint})

    async def _holders(self, table: Table, lock: str) -> list[str] | None:
        """Take the lock if it can be had at once; else return the pids of those that hold it."""
        try:
            await self._driver.execute(
                f"savepoint dbctl_lock; {lock} nowait; release savepoint dbctl_lock"
            )
        except asyncpg.LockNotAvailableError:
            await self._driver.execute(
                "rollback to savepoint dbctl_lock; release savepoint dbctl_lock"
            )
            pids = await self._driver.fetchval(query("seed.bulk", "holders"), table.relation.oid)
            return [str(pid) for pid in pids]
        except asyncpg.PostgresError as error:
            if connection_loss(error):
                raise
            raise refused(error, table, hints={"42501": _NO_LOCK}) from error
        return None

    async def copy(
        self,
        table: Table,
        columns: Sequence[str],
        batches: Batches,
        on_rows: Callable[[int], None],
    ) -> int:
        """Write the records of `batches`, values of `columns`, and return how many were written.

        A trigger may keep some of them out. `on_rows` gets the number of rows sent so far. Raises
        CopyRefused.
        """
        if any(encoding.takes_text(table.column(name)) for name in columns):
            stage = await self.stage(table, columns, batches, on_rows)
            async with session_path(self._driver):  # for triggers
                written = await self._execute(unload(stage, table), table)
            await self._execute(f"drop table {stage.sql}", table)
            return _count(written)
        encoders = await self._encoders(table, columns)
        feed = Feed(table, columns, encoders, batches, on_rows)
        return await self._send(feed, table, table.relation.schema, table.relation.name, columns)

    async def stage(
        self,
        table: Table,
        columns: Sequence[str],
        batches: Batches,
        on_rows: Callable[[int], None],
    ) -> Stage:
        """Write the records, numbered from 0, into a temporary table with columns like `table`'s.

        Only the types are those of the table, without the checks, lengths and precisions of theirs.
        A column that `takes_text` is one of text. Raises CopyRefused.
        """
        self._stages += 1
        stage = Stage(f"dbctl_stage_{self._stages}", tuple(columns))
        await self._execute(definition(stage, table), table, hints={"42501": _NO_TEMPORARY})
        encoders = [*await self._encoders(table, columns), encoding.NUMBER]
        feed = Feed(table, columns, encoders, batches, on_rows, numbered=True)
        await self._send(feed, table, "pg_temp", stage.name, [*columns, ROW])
        return stage

    async def check_deferred(self, table: Table) -> None:
        """Have deferred constraints checked now and for the rest; raises CopyRefused."""
        async with session_path(self._driver):  # for triggers
            await self._execute("set constraints all immediate", table)

    async def finish(self, tables: Sequence[Table]) -> Finished:
        """Have deferred constraints checked, analyze `tables` and move their sequences on.

        To be called last: a sequence stays where it is when the transaction is rolled back. Raises
        CopyRefused.
        """
        sequences: list[Resynced] = []
        analyzed: list[str] = []
        notices: list[str] = []
        for table in tables:
            await self.check_deferred(table)
            async with session_path(self._driver):  # for indexes on expressions
                warnings = await self._analyze(table)
            notices += [f"{table.label}: {warning}" for warning in warnings]
            if not warnings:
                analyzed.append(table.label)
        for table in tables:
            moved, kept = await resync(self._driver, table)
            sequences += moved
            notices += kept
        return Finished(tuple(sequences), tuple(analyzed), tuple(notices))

    async def _analyze(self, table: Table) -> list[str]:
        """Analyze `table` and return what the server warned of: that it may not, for example."""
        warnings: list[str] = []

        def hear(_driver: object, message: asyncpg.PostgresLogMessage) -> None:
            if message.severity_en == "WARNING":
                warnings.append(message.message)

        self._driver.add_log_listener(hear)
        try:
            await self._execute(f"analyze {table.sql}", table)
            await asyncio.sleep(0)  # listeners are called in the next turn of the loop
        finally:
            self._driver.remove_log_listener(hear)
        return warnings

    async def _encoders(self, table: Table, names: Sequence[str]) -> list[encoding.Encoder]:
        encoders = []
        for column in map(table.column, names):
            element = None
            if column.is_array and not encoding.takes_text(column):
                element = await self._driver.fetchval(_ELEMENT, column.base_sql)
            encoders.append(encoding.encoder(column, element))
        return encoders

    async def _execute(
        self, statement: str, table: Table, *, hints: Mapping[str, str] | None = None
    ) -> str:
        try:
            status: str = await self._driver.execute(statement)
        except asyncpg.PostgresError as error:
            if connection_loss(error):
                raise
            raise refused(error, table, hints=hints) from error
        return status

    async def _send(
        self, feed: Feed, table: Table, schema: str, name: str, columns: Sequence[str]
    ) -> int:
        """Run the COPY that `feed` is for, and return how many rows were written."""
        copy = self._driver.copy_to_table(
            name,
            schema_name=schema,
            columns=list(columns),
            source=feed.stream(self._driver),
            format="binary",
        )
        try:
            async with session_path(self._driver):  # for triggers, defaults and checks
                return _count(await _until_lost(self._driver, copy))
        except asyncpg.PostgresError as error:
            if error is feed.fault or connection_loss(error):
                raise
            raise refused(error, table, relation=name) from error


def _count(status: str) -> int:
    """Return the number of rows that the server's word for a command ends with."""
    return int(status.rpartition(" ")[2])


async def _until_lost(driver: asyncpg.Connection[Any], copy: Coroutine[Any, Any, str]) -> str:
    """Run `copy`, which would wait for ever to send more where the connection is lost meanwhile."""
    task = asyncio.ensure_future(copy)

    def give_up(_driver: object) -> None:
        task.cancel()

    driver.add_termination_listener(give_up)
    try:
        await asyncio.wait({task})
        if task.cancelled() or (driver.is_closed() and task.exception() is None):
            raise asyncpg.ConnectionDoesNotExistError("the connection was lost")
        return task.result()
    finally:
        driver.remove_termination_listener(give_up)
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
