"""dbctl's own record of who applied which file: kept in the revision's transaction, and read."""

from __future__ import annotations

import functools
import hashlib
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement
from sqlalchemy import Connection, TextClause, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl import __version__
from dbctl.db.failures import DRIVER_ERRORS, statement_failed
from dbctl.db.own_tables import LEDGER_TABLE
from dbctl.db.queries import query
from dbctl.errors import DbctlError, OperationFailed
from dbctl.migrate.ledger_results import Log, LogEntry
from dbctl.migrate.scripts import Checkout
from dbctl.migrate.session import adapted

_EXISTS = text("select to_regclass('dbctl_ledger') is not null")
_READABLE = text("select has_table_privilege(to_regclass('dbctl_ledger'), 'select')")
_INSERT = (
    "insert into dbctl_ledger"
    " (revision, direction, sha256, started_at, seconds, attempts, host, actor, dbctl)"
    " values ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
)
_LOG = text("select *, count(*) over () as total from dbctl_ledger order by id desc limit :limit")

type LedgerDirection = Literal["up", "down", "stamp", "repair"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One row to be written; the server adds the role, and `record` the version of dbctl.

    `sha256` is None where the file is gone; `seconds` is the duration without COMMIT, and `actor`
    who ran it in that person's own words.
    """

    revision: str
    direction: LedgerDirection
    sha256: str | None
    started_at: datetime
    seconds: float = 0.0
    attempts: int = 1
    host: str = field(default_factory=socket.gethostname)
    actor: str | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """The newest row of a revision: from which file it was applied, when and by whom."""

    revision: str
    direction: LedgerDirection
    sha256: str | None
    started_at: datetime
    role: str
    host: str
    actor: str | None


async def ensure(connection: AsyncConnection) -> None:
    """Create the ledger where there is none, in the schema of Alembic's own table.

    Commits, and leaves the connection in no transaction. Where it is there already, nothing is
    locked and the server says nothing; the role then needs no privilege to create.
    """
    if not await _holds(connection, _EXISTS):
        try:
            # Two roles may each have a schema of their own before the one that both migrate.
            await connection.execute(text(query("migrate", "ledger_schema")))
            await connection.exec_driver_sql(query("migrate", "ledger"))
            await connection.commit()
        except DBAPIError as error:
            await connection.rollback()
            # IF NOT EXISTS does not wait for another session: the later one gets a unique violation
            # from a catalogue of the server's.
            if not await _holds(connection, _EXISTS):
                raise _not_written(statement_failed(error)) from error
    await connection.rollback()


async def preamble(connection: AsyncConnection) -> str:
    """Return the SQL with which `ensure` would create the ledger; empty where it is there."""
    there = await _holds(connection, _EXISTS)
    await connection.rollback()
    if there:
        return ""
    schema, table = (query("migrate", name).strip() for name in ("ledger_schema", "ledger"))
    return f"BEGIN;\n\n{schema};\n\n{table};\n\nCOMMIT"


class Recorder:
    """Write entries in the transactions of one connection, hundreds of them at little cost.

    Its statement is prepared once, where no pooler gives each transaction another session: the
    driver's own cache is emptied by every DDL.
    """

    def __init__(self, *, pooled: bool) -> None:
        self._pooled = pooled
        self._statement: PreparedStatement[Any] | None = None

    def record(self, connection: Connection, *entries: Entry) -> None:
        """Write `entries` in the transaction of the caller, with whom they come or go.

        Raises OperationFailed where the server refuses them, ConnectionFailed where it is lost.
        """
        driver = adapted(connection)
        try:
            for entry in entries:
                driver.run_async(functools.partial(self._write, entry))
        except DRIVER_ERRORS as error:
            raise _not_written(statement_failed(error)) from error

    async def _write(self, entry: Entry, driver: asyncpg.Connection[Any]) -> None:
        row = (
            entry.revision,
            entry.direction,
            entry.sha256,
            entry.started_at,
            entry.seconds,
            entry.attempts,
            entry.host,
            # What a command line holds need not be Unicode, and must not stop a migration.
            _encodable(entry.actor),
            __version__,
        )
        if self._pooled:
            await driver.execute(_INSERT, *row)
            return
        if self._statement is None:
            self._statement = await driver.prepare(_INSERT)
        await self._statement.fetch(*row)


def _not_written(failure: DbctlError) -> DbctlError:
    """Say what a refusal of the server's is about, and what would help."""
    if isinstance(failure, OperationFailed):
        return OperationFailed(
            f"dbctl's ledger, the table {LEDGER_TABLE}, cannot be written: {failure.message}",
            hint=f"Have its owner GRANT SELECT, INSERT ON {LEDGER_TABLE} to this role, or CREATE "
            "on the schema where it is not there yet.",
            code=failure.code,
        )
    return failure


def record(connection: Connection, *entries: Entry) -> None:
    """Write a few `entries` in the transaction of the caller."""
    Recorder(pooled=True).record(connection, *entries)


def fingerprint(path: Path) -> str:
    """Return the SHA-256 of the file's bytes in hexadecimal, as `sha256sum` prints it."""
    return _digest(path.read_bytes())


def is_same(path: Path, sha256: str) -> bool:
    """Tell whether the file is the one of that fingerprint, whatever its line ends are.

    Git may check it out with others on another system, and Python reads all of them alike.
    """
    data = path.read_bytes()
    unix = data.replace(b"\r\n", b"\n")
    return sha256 in map(_digest, (data, unix, unix.replace(b"\n", b"\r\n")))


async def read_applied(connection: AsyncConnection) -> dict[str, Recorded]:
    """Return the newest row of each revision that the ledger has as applied, the oldest first.

    Empty where there is no ledger. Leaves the connection in no transaction.
    """
    return await _read_applied(connection, _EXISTS)


async def read_fingerprints(connection: AsyncConnection) -> dict[str, str | None]:
    """Return the fingerprint of each revision that the ledger has as applied.

    That is None where the file was accepted as gone. Empty where there is no ledger, and where the
    role may not read it: a monitor that sees the version of the schema need not see who made it.
    Leaves the connection in no transaction.
    """
    applied = await _read_applied(connection, _READABLE)
    return {revision: row.sha256 for revision, row in applied.items()}


async def _read_applied(connection: AsyncConnection, condition: TextClause) -> dict[str, Recorded]:
    rows: list[Recorded] = []
    if await _holds(connection, condition):
        found = await connection.execute(text(query("migrate", "ledger_newest")))
        rows = [Recorded(**row) for row in found.mappings()]
    await connection.rollback()
    return {row.revision: row for row in rows if row.direction != "down"}


async def read_log(
    connection: AsyncConnection, checkout: Checkout, database: str, *, limit: int | None = None
) -> Log:
    """Return the newest `limit` rows, or all, each with what the checkout says its revision does.

    Empty where there is no ledger. Leaves the connection in no transaction.
    """
    rows: list[dict[str, Any]] = []
    if await _holds(connection, _EXISTS):
        found = await connection.execute(_LOG, {"limit": limit})
        rows = [dict(row) for row in found.mappings()]
    await connection.rollback()
    messages = _messages(checkout)
    return Log(
        database=database,
        total=rows[0]["total"] if rows else 0,
        entries=tuple(
            LogEntry.model_validate(row | {"message": messages.get(row["revision"], "")})
            for row in rows
        ),
    )


def _messages(checkout: Checkout) -> Mapping[str, str]:
    return {script.revision: script.doc or "" for script in checkout.scripts.walk_revisions()}


async def _holds(connection: AsyncConnection, condition: TextClause) -> bool:
    return bool(await connection.scalar(condition))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _encodable(text: str | None) -> str | None:
    return None if text is None else text.encode("utf-8", "backslashreplace").decode()
