"""The version table of a project and its rows of the ledger: read, made and written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Executable,
    Insert,
    Select,
    String,
    Table,
    and_,
    false,
    func,
    insert,
    literal,
    literal_column,
    select,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl import __version__
from dbctl.db import own_tables
from dbctl.db.failures import DRIVER_ERRORS, statement_failed
from dbctl.db.names import quote, typed
from dbctl.db.own_names import LEDGER_TABLE, OWN_SCHEMA, OWN_TABLES, VERSION_TABLE
from dbctl.db.own_tables import Found, encodable, equal
from dbctl.db.qualified import qualified
from dbctl.db.queries import inlined
from dbctl.db.round_trip import Reader, reader_on
from dbctl.errors import DbctlError, OperationFailed
from dbctl.migrate.ledger_results import Log, LogEntry
from dbctl.migrate.store.entries import Entry, Recorded

if TYPE_CHECKING:
    from dbctl.db.engine import DatabaseSessionManager
    from dbctl.migrate.scripts import Checkout

_RECORDED = ("revision", "direction", "sha256", "started_at", "role", "host", "actor")
_LOGGED = tuple(name for name in LogEntry.model_fields if name != "message")


@dataclass(frozen=True, kw_only=True)
class VersionStore:
    """Own what a database records of a project's migrations.

    That is Alembic's version table `version_table`, in `version_schema` or where the search_path
    finds it (None), and the rows that belong to it in the ledger of `schema`, dbctl's own. Every
    name is an identifier as the catalogue has it. Reads run on dbctl's own `AsyncConnection`,
    writes on a synchronous `Connection` of any driver.
    """

    version_table: str = VERSION_TABLE
    version_schema: str | None = None
    schema: str = OWN_SCHEMA

    @property
    def version_name(self) -> str:
        """The name of the version table, unquoted, with its schema where that is fixed."""
        schema = "" if self.version_schema is None else f"{self.version_schema}."
        return f"{schema}{self.version_table}"

    async def read_version(
        self, connection: AsyncConnection | Reader
    ) -> tuple[tuple[str, ...], bool]:
        """Return the revisions that the database records, and whether it has tables beside.

        The version table and dbctl's own are not among those.
        """
        reader = await reader_on(connection)
        (state,) = await reader.rows(
            inlined(
                "migrate",
                "version_state",
                version_table=self.version_table,
                version_schema=self.version_schema,
                own_tables=",".join(sorted(OWN_TABLES)),
            )
        )
        if state["version_schema"] is None:
            return (), state["populated"]
        table = f"{quote(state['version_schema'])}.{quote(self.version_table)}"
        rows = await reader.rows(f"select version_num from {table}")  # noqa: S608 - quoted
        return tuple(sorted(row["version_num"] for row in rows)), state["populated"]

    async def current_version(self, manager: DatabaseSessionManager) -> tuple[str, ...]:
        """Return the version as a fresh connection sees it, which has taken no part in any work."""
        async with manager.connect() as connection:
            version, _ = await self.read_version(connection)
        return version

    async def read_applied(self, connection: AsyncConnection | Reader) -> dict[str, Recorded]:
        """Return the newest row of each revision that the ledger has as applied, the oldest first.

        Empty where there is no ledger.
        """
        return await self._read_applied(await reader_on(connection))

    async def read_fingerprints(
        self, connection: AsyncConnection | Reader
    ) -> dict[str, str | None]:
        """Return the fingerprint of each revision that the ledger has as applied.

        That is None where the file was accepted as gone. Empty where there is no ledger, and where
        the role may not read it: a monitor that sees the version of the schema need not see who
        made it.
        """
        applied = await self._read_applied(await reader_on(connection), only_readable=True)
        return {revision: row.sha256 for revision, row in applied.items()}

    async def read_log(
        self,
        connection: AsyncConnection | Reader,
        checkout: Checkout,
        database: str,
        *,
        limit: int | None = None,
    ) -> Log:
        """Return the newest `limit` rows, or all, each with what the checkout says of its revision.

        Empty where there is no ledger.
        """
        total, rows = await self._read_log(await reader_on(connection), limit)
        messages = {script.revision: script.doc for script in checkout.scripts.walk_revisions()}
        return Log(
            database=database,
            total=total,
            entries=tuple(
                LogEntry.model_validate({**row, "message": messages.get(row["revision"]) or ""})
                for row in rows
            ),
        )

    async def preamble(self, connection: AsyncConnection) -> str:
        """Return the SQL with which `ensure` would make the ledger; empty where that does nothing.

        Leaves the connection in no transaction.
        """
        sql = await connection.run_sync(own_tables.preamble, self._ledger)
        await connection.rollback()
        return sql

    def ensure(self, connection: Connection) -> None:
        """Create the ledger and its schema, or bring an earlier version's there, and commit.

        `connection`, which must be in no transaction, is left in none. Where all is in place,
        nothing is locked and the role needs no privilege to create. Raises OperationFailed, with
        the GRANT that helps, where this role may not make it or not write to it.
        """
        own_tables.ensure(connection, self._ledger)

    def make(self, connection: Connection) -> None:
        """Do what `ensure` does in the transaction of the caller, with which it comes or goes."""
        own_tables.make(connection, self._ledger)

    def record(self, connection: Connection, *entries: Entry, returning: str | None = None) -> Any:
        """Write `entries` in the transaction of the caller, with which they come or go.

        Returns the value of the SQL expression `returning`, which names no column, after the last
        of them. Raises OperationFailed where the server refuses them, ConnectionFailed where it is
        lost.
        """
        rows = [
            {
                "revision": entry.revision,
                "direction": entry.direction,
                "sha256": entry.sha256,
                "started_at": entry.started_at,
                "seconds": entry.seconds,
                "attempts": entry.attempts,
                "host": entry.host,
                # What a command line holds need not be Unicode, and must not stop a migration.
                "actor": encodable(entry.actor),
                "dbctl": __version__,
            }
            for entry in entries
        ]
        value = None
        statement: Executable = self._insert
        if returning is not None:  # of no column, which would need the privilege to read it
            statement = self._insert.returning(literal_column(returning))
        try:
            for row in rows:
                done = connection.execute(statement, row, execution_options=own_tables.OPTIONS)
                value = done.scalar_one() if returning is not None else None
        except DBAPIError as error:
            raise self._not_written(own_tables.failure(error)) from error
        except DRIVER_ERRORS as error:  # a lost connection, as the driver itself puts it
            raise self._not_written(statement_failed(error)) from error
        return value

    @cached_property
    def _ledger(self) -> Table:
        return own_tables.ledger_table(self.schema)

    @cached_property
    def _insert(self) -> Insert:
        # Inline: RETURNING would need the privilege to read.
        return (
            insert(self._ledger)
            .values(version_schema=self._schema_sought, version_table=self.version_table)
            .inline()
        )

    @property
    def _schema_sought(self) -> ColumnElement[str]:
        """The schema of the version table, or where it will be, as an expression of SQL."""
        return _schema_of(self.version_table, self.version_schema)

    async def _read_applied(
        self, reader: Reader, *, only_readable: bool = False
    ) -> dict[str, Recorded]:
        newest: dict[str, Recorded] = {}
        for found in await own_tables.read(reader, self._ledger):
            if only_readable and not found.readable:
                continue
            for row in await reader.rows(own_tables.inline(self._newest(found))):
                started_at = datetime.fromisoformat(row["started_at"])
                newest.pop(row["revision"], None)
                newest[row["revision"]] = Recorded(**{**row, "started_at": started_at})
        return {row.revision: row for row in newest.values() if row.direction != "down"}

    async def _read_log(
        self, reader: Reader, limit: int | None
    ) -> tuple[int, list[Mapping[str, Any]]]:
        total = 0
        rows: list[Mapping[str, Any]] = []
        # What an earlier version wrote after the move is the newest.
        for found in reversed(await own_tables.read(reader, self._ledger)):
            ledger = own_tables.ledger_table(found.schema)
            entries = (
                select(*(ledger.c[name] for name in _LOGGED))
                .add_columns(func.pg_catalog.count(literal_column("*")).over().label("total"))
                .where(self._belongs(found))
                .order_by(ledger.c.id.desc())
                .limit(limit)
            )
            of_it = await reader.rows(own_tables.inline(entries))
            total += of_it[0]["total"] if of_it else 0
            rows += of_it
        return total, rows[:limit]

    def _newest(self, found: Found) -> Select[Any]:
        """Select the newest row of each revision, in the order in which they were written."""
        ledger = own_tables.ledger_table(found.schema)
        newest = (
            select(func.pg_catalog.max(ledger.c.id))
            .where(self._belongs(found))
            .group_by(ledger.c.revision)
        )
        return (
            select(*(ledger.c[name] for name in _RECORDED))
            .where(ledger.c.id.in_(newest))
            .order_by(ledger.c.id)
        )

    def _belongs(self, found: Found) -> ColumnElement[bool]:
        """Return the condition that a row of `found` is of this version table.

        Earlier versions of dbctl knew the usual one only, and kept the ledger beside it.
        """
        if not found.is_old:
            ledger = own_tables.ledger_table(found.schema)
            return and_(
                equal(ledger.c.version_schema, self._schema_sought),
                equal(ledger.c.version_table, self.version_table),
            )
        if self.version_table != VERSION_TABLE:
            return false()
        if found.in_place:
            return equal(self._schema_sought, _schema_of(VERSION_TABLE, None))
        return equal(self._schema_sought, literal(found.schema, String))

    def _not_written(self, failure: DbctlError) -> DbctlError:
        """Describe what a refusal of the server's is about, and what would help."""
        if isinstance(failure, OperationFailed):
            name = f"{quote(self.schema)}.{quote(LEDGER_TABLE)}"
            return OperationFailed(
                f"dbctl's ledger, the table {typed(self.schema)}.{LEDGER_TABLE}, cannot be "
                f"written: {failure.message}",
                hint=f"Have its owner GRANT SELECT, INSERT ON {name} to this role, and USAGE on "
                "the schema.",
                code=failure.code,
            )
        return failure


def _schema_of(version_table: str, version_schema: str | None) -> ColumnElement[str]:
    if version_schema is not None:
        return literal(version_schema, String)
    sql = qualified(inlined("migrate", "version_schema", version_table=version_table))
    return literal_column(f"({sql})", String)
