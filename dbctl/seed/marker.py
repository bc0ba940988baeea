"""The mark in a database that says whether seeds may be written there."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Row,
    Select,
    Table,
    bindparam,
    cast,
    delete,
    insert,
    literal_column,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import OID
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl import __version__
from dbctl.db.failures import statement_failed
from dbctl.db.names import quote, typed
from dbctl.db.own_names import MARKER_TABLE
from dbctl.db.own_tables import encodable, execute, make, marker_table
from dbctl.db.queries import query
from dbctl.errors import DbctlError, ErrorCode, OperationFailed, RefusedError

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
        # Whatever its columns are: one that is not dbctl's is a reason to refuse.
        every: Select[Any] = select(literal_column("*")).select_from(table)
        for row in await connection.run_sync(execute, every):
            mark, marked = _parse(table, row)
            if mark.verdict is Verdict.FORBIDDEN:
                return mark
            if _is_of(here, marked):
                found = mark
    return found


def _parse(table: Table, row: Row[Any]) -> tuple[Mark, Identity]:
    try:
        mark = Mark(Verdict(row.verdict), row.role, row.host, row.actor, row.marked_at)
        return mark, Identity(row.database_oid, row.database_name, row.system_identifier)
    except (AttributeError, ValueError) as error:
        raise RefusedError(
            f"the table {quote(str(table.schema))}.{quote(table.name)} holds what is no mark of "
            "dbctl's, and may forbid seeds",
            hint="Drop it where it is somebody else's, and mark the database again.",
            code=ErrorCode.SEED_GUARD,
        ) from error


def _is_of(here: Identity, marked: Identity) -> bool:
    unknown = here.system is None or marked.system is None
    same_system = unknown or here.system == marked.system
    return same_system and (here.oid, here.name) == (marked.oid, marked.name)


async def write(
    connection: AsyncConnection, verdict: Verdict | None, *, schema: str, actor: str | None = None
) -> None:
    """Set the mark of this database, or with None remove it, in the transaction of the caller.

    It is set in `schema`, that of dbctl's own tables. Raises OperationFailed where the role may
    not.
    """
    mark = marker_table(schema)
    try:
        if verdict is not None:
            await connection.run_sync(make, mark)
        for table in await _tables(connection):
            await connection.run_sync(execute, delete(table))
        if verdict is not None:
            here = await identify(connection)
            # The driver takes no number for an oid that it has not seen the type of.
            oid = cast(bindparam("oid", type_=BigInteger), OID)
            await connection.run_sync(
                execute,
                insert(mark).values(database_oid=oid).inline(),
                oid=here.oid,
                verdict=verdict.value,
                database_name=here.name,
                system_identifier=here.system,
                host=socket.gethostname(),
                actor=encodable(actor),
                dbctl=__version__,
            )
    except DBAPIError as error:
        raise _not_written(statement_failed(error), schema) from error


async def _tables(connection: AsyncConnection) -> list[Table]:
    """Return every table of that name: a role with other settings may have made one elsewhere."""
    found = await connection.run_sync(execute, text(query("db", "named_tables")), name=MARKER_TABLE)
    return [marker_table(schema) for schema in found.scalars()]


def _not_written(failure: DbctlError, schema: str) -> DbctlError:
    if isinstance(failure, OperationFailed):
        return OperationFailed(
            f"the mark of this database, in the table {typed(schema)}.{MARKER_TABLE}, cannot be "
            f"written: "
            f"{failure.message}",
            hint="Have the owner of the database set it, or GRANT this role CREATE on the schema.",
            code=failure.code,
        )
    return failure
