"""The mark in a database that says whether seeds may be written there."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl import __version__
from dbctl.db.failures import statement_failed
from dbctl.db.names import quote
from dbctl.db.own_tables import MARKER_TABLE
from dbctl.db.queries import query
from dbctl.errors import DbctlError, ErrorCode, OperationFailed, RefusedError
from dbctl.seed import own_tables

_SYSTEM = text("select system_identifier from pg_catalog.pg_control_system()")


class Verdict(StrEnum):
    """What a mark says."""

    ALLOWED = "allowed"
    FORBIDDEN = "forbidden"


@dataclass(frozen=True, slots=True)
class Identity:
    """Which database this is; `system` names its cluster, None where the role may not know."""

    oid: int
    name: str
    system: int | None


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark that holds for this database, with who set it and when."""

    verdict: Verdict
    role: str
    host: str
    actor: str | None
    marked_at: datetime

    @property
    def author(self) -> str:
        """Who set it, for people."""
        return self.actor or f"{self.role}@{self.host}"


async def identify(connection: AsyncConnection) -> Identity:
    """Return which database the connection leads to."""
    row = (await connection.execute(text(query("seed", "identity")))).one()
    system = await connection.scalar(_SYSTEM) if row.in_full else None
    return Identity(row.oid, row.name, system)


async def read(connection: AsyncConnection) -> Mark | None:
    """Return the mark of this database, in the transaction of the caller; None where it has none.

    A copy of a forbidden database is forbidden, too; a copy of an allowed one is not allowed.
    Raises DBAPIError where the role may not read it, RefusedError where it is none of dbctl's.
    """
    tables = await _tables(connection)
    if not tables:
        return None
    here = await identify(connection)
    found = None
    for table in tables:
        for row in await connection.execute(text(f"select * from {table}")):  # noqa: S608 - quoted
            mark, marked = _parse(table, row)
            if mark.verdict is Verdict.FORBIDDEN:
                return mark
            if _is_of(here, marked):
                found = mark
    return found


def _parse(table: str, row: Row[Any]) -> tuple[Mark, Identity]:
    try:
        mark = Mark(Verdict(row.verdict), row.role, row.host, row.actor, row.marked_at)
        return mark, Identity(row.database_oid, row.database_name, row.system_identifier)
    except (AttributeError, ValueError) as error:
        raise RefusedError(
            f"the table {table} holds what is no mark of dbctl's, and may forbid seeds",
            hint="Drop it where it is somebody else's, and mark the database again.",
            code=ErrorCode.SEED_GUARD,
        ) from error


def _is_of(here: Identity, marked: Identity) -> bool:
    unknown = here.system is None or marked.system is None
    same_system = unknown or here.system == marked.system
    return same_system and (here.oid, here.name) == (marked.oid, marked.name)


async def write(connection: AsyncConnection, verdict: Verdict | None, actor: str | None) -> None:
    """Set the mark of this database, or with None remove it, in the transaction of the caller.

    Raises OperationFailed where the role may not.
    """
    try:
        tables = await _tables(connection)
        for table in tables:
            await connection.execute(text(f"delete from {table}"))  # noqa: S608 - quoted
        if verdict is not None:
            table = tables[0] if tables else await _create(connection)
            here = await identify(connection)
            await connection.execute(
                text(
                    f"insert into {table} (verdict, database_oid, database_name,"  # noqa: S608
                    " system_identifier, host, actor, dbctl)"
                    " values (:verdict, cast(:oid as bigint)::oid, :name,"
                    " cast(:system as bigint), :host, :actor, :dbctl)"
                ),
                {
                    "verdict": verdict,
                    "oid": here.oid,
                    "name": here.name,
                    "system": here.system,
                    "host": socket.gethostname(),
                    "actor": None if actor is None else own_tables.encodable(actor),
                    "dbctl": __version__,
                },
            )
    except DBAPIError as error:
        raise _not_written(statement_failed(error)) from error


async def _create(connection: AsyncConnection) -> str:
    table = await own_tables.create(connection, MARKER_TABLE, "marker")
    # Whoever may write rows there has to be able to see that it is forbidden.
    await connection.exec_driver_sql(f"grant select on {table} to public")
    return table


async def _tables(connection: AsyncConnection) -> list[str]:
    schemas = await connection.scalars(text(query("seed", "marker_tables")))
    return [f"{quote(schema)}.{quote(MARKER_TABLE)}" for schema in schemas]


def _not_written(failure: DbctlError) -> DbctlError:
    if isinstance(failure, OperationFailed):
        return OperationFailed(
            f"the mark of this database, in the table {MARKER_TABLE}, cannot be written: "
            f"{failure.message}",
            hint="Have the owner of the database set it, or GRANT this role CREATE on the schema.",
            code=failure.code,
        )
    return failure
