"""dbctl's record of what seeding has written, in the transaction that writes it."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl import __version__
from dbctl.db.failures import statement_failed
from dbctl.db.own_tables import SEEDS_TABLE
from dbctl.errors import DbctlError, OperationFailed
from dbctl.seed import own_tables

type Kind = Literal["set", "generate"]

_READ = text("select state::text, sha256 from dbctl_seeds where kind = :kind and name = :name")
_LIST = text("""
    select name, last_run, role, host, actor,
           pg_catalog.jsonb_array_length(state -> 'created')
               + pg_catalog.jsonb_array_length(state -> 'found') as rows
    from dbctl_seeds where kind = 'set'
""")
_WRITE = text("""
    insert into dbctl_seeds (kind, name, state, sha256, host, actor, dbctl)
    values (:kind, :name, cast(:state as jsonb), :sha256, :host, :actor, :dbctl)
    on conflict (kind, name) do update
    set state = excluded.state, sha256 = excluded.sha256, last_run = excluded.last_run,
        role = excluded.role, host = excluded.host, actor = excluded.actor, dbctl = excluded.dbctl
""")


class LastRun(NamedTuple):
    """When a set was last written and by whom; `rows` counts those that it left there."""

    last_run: datetime
    author: str
    rows: int


async def read_state(
    connection: AsyncConnection, kind: Kind, name: str
) -> Mapping[str, Any] | None:
    """Return what the last run of that kind and name left; None where there was none.

    Raises OperationFailed where the role may not read the ledger, or somebody else has written it.
    """
    try:
        if not await own_tables.exists(connection, SEEDS_TABLE):
            return None
        found = await connection.execute(_READ, {"kind": kind, "name": name})
    except DBAPIError as error:
        raise _unusable(statement_failed(error), "read") from error
    row = found.one_or_none()
    if row is None:
        return None
    state: Mapping[str, Any] = json.loads(row.state)
    if _digest(_document(state)) != row.sha256:  # a reset would delete what it says
        raise OperationFailed(
            f"dbctl's record of the {kind} {name}, in the table {SEEDS_TABLE}, is not as dbctl "
            "wrote it",
            hint="Restore it, or delete that row of the table: the rows in the database are then "
            "taken for somebody else's.",
        )
    return state


async def write_state(
    connection: AsyncConnection,
    kind: Kind,
    name: str,
    state: Mapping[str, Any],
    *,
    actor: str | None = None,
) -> None:
    """Keep `state`, of JSON values, in the transaction of the caller, with which it comes or goes.

    The ledger is created where there is none. Raises OperationFailed where the role may not.
    """
    document = _document(state)
    try:
        if not await own_tables.exists(connection, SEEDS_TABLE):
            await own_tables.create(connection, SEEDS_TABLE, "ledger")
        await connection.execute(
            _WRITE,
            {
                "kind": kind,
                "name": name,
                "state": document,
                "sha256": _digest(document),
                "host": socket.gethostname(),
                "actor": None if actor is None else own_tables.encodable(actor),
                "dbctl": __version__,
            },
        )
    except DBAPIError as error:
        raise _unusable(statement_failed(error), "written") from error


async def read_sets(connection: AsyncConnection) -> dict[str, LastRun]:
    """Return the last run of each set; empty where there is no ledger.

    Raises OperationFailed where the role may not read it.
    """
    try:
        if not await own_tables.exists(connection, SEEDS_TABLE):
            return {}
        rows = await connection.execute(_LIST)
    except DBAPIError as error:
        raise _unusable(statement_failed(error), "read") from error
    return {
        row.name: LastRun(row.last_run, row.actor or f"{row.role}@{row.host}", row.rows)
        for row in rows
    }


def _document(state: Mapping[str, Any]) -> str:
    return json.dumps(state, separators=(",", ":"), sort_keys=True)


def _digest(document: str) -> str:
    return hashlib.sha256(document.encode()).hexdigest()


def _unusable(failure: DbctlError, done: str) -> DbctlError:
    """Say what a refusal of the server's is about, and what would help."""
    if isinstance(failure, OperationFailed):
        return OperationFailed(
            f"dbctl's record of seeds, the table {SEEDS_TABLE}, cannot be {done}: "
            f"{failure.message}",
            hint=f"Have its owner GRANT SELECT, INSERT, UPDATE ON {SEEDS_TABLE} to this role, or "
            "CREATE on the schema where it is not there yet.",
            code=failure.code,
        )
    return failure
