"""dbctl's record of what seeding has written, in the transaction that writes it."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, RowMapping, Text, bindparam, cast, func, select
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl import __version__
from dbctl.db.failures import statement_failed
from dbctl.db.names import quote, typed
from dbctl.db.own_names import SEEDS_TABLE
from dbctl.db.own_tables import encodable, equal, execute, find, make, seeds_table
from dbctl.errors import DbctlError, OperationFailed

type Kind = Literal["set", "generate"]


class LastRun(NamedTuple):
    """When a set was last written and by whom; `rows` counts those that it left there."""

    last_run: datetime
    author: str
    rows: int


async def read_state(
    connection: AsyncConnection, kind: Kind, name: str, *, schema: str
) -> Mapping[str, Any] | None:
    """Return what the last run of that kind and name left; None where there was none.

    `schema` is that of dbctl's own tables. Raises OperationFailed where the role may not read the
    ledger, or somebody else has written it.
    """
    try:
        row = await connection.run_sync(_last_of, kind, name, schema)
    except DBAPIError as error:
        raise _unusable(statement_failed(error), "read", schema) from error
    if row is None:
        return None
    state: Mapping[str, Any] = json.loads(row["state"])
    if _digest(_document(state)) != row["sha256"]:  # a reset would delete what it says
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
    schema: str,
    actor: str | None = None,
) -> None:
    """Keep `state`, of JSON values, in the transaction of the caller, with which it comes or goes.

    The ledger is created in `schema` where there is none. Raises OperationFailed where the role may
    not.
    """
    document = _document(state)
    row = {
        "kind": kind,
        "name": name,
        "document": document,
        "sha256": _digest(document),
        "host": socket.gethostname(),
        "actor": encodable(actor),
        "dbctl": __version__,
    }
    try:
        await connection.run_sync(_write, schema, row)
    except DBAPIError as error:
        raise _unusable(statement_failed(error), "written", schema) from error


async def read_sets(connection: AsyncConnection, *, schema: str) -> dict[str, LastRun]:
    """Return the last run of each set; empty where there is no ledger.

    Raises OperationFailed where the role may not read it.
    """
    try:
        return await connection.run_sync(_last_runs, schema)
    except DBAPIError as error:
        raise _unusable(statement_failed(error), "read", schema) from error


def _last_of(connection: Connection, kind: Kind, name: str, schema: str) -> RowMapping | None:
    """Return the newest row, of those that an earlier version may have left elsewhere as well."""
    rows: list[RowMapping] = []
    for found in find(connection, seeds_table(schema)):
        seeds = seeds_table(found.schema)
        rows += execute(
            connection,
            select(
                cast(seeds.c.state, Text).label("state"), seeds.c.sha256, seeds.c.last_run
            ).where(equal(seeds.c.kind, kind), equal(seeds.c.name, name)),
        ).mappings()
    return max(rows, key=lambda row: row["last_run"], default=None)


def _last_runs(connection: Connection, schema: str) -> dict[str, LastRun]:
    runs: dict[str, LastRun] = {}
    for found in find(connection, seeds_table(schema)):
        seeds = seeds_table(found.schema)
        count, part = func.pg_catalog.jsonb_array_length, func.pg_catalog.jsonb_extract_path
        rows = execute(
            connection,
            select(
                seeds.c.name,
                seeds.c.last_run,
                seeds.c.role,
                seeds.c.host,
                seeds.c.actor,
                (count(part(seeds.c.state, "created")) + count(part(seeds.c.state, "found"))).label(
                    "rows"
                ),
            ).where(equal(seeds.c.kind, "set")),
        )
        for row in rows:
            run = LastRun(row.last_run, row.actor or f"{row.role}@{row.host}", row.rows)
            if row.name not in runs or runs[row.name].last_run < run.last_run:
                runs[row.name] = run
    return runs


def _write(connection: Connection, schema: str, row: Mapping[str, Any]) -> None:
    seeds = seeds_table(schema)
    make(connection, seeds)
    # As text: a serializer of the engine's would write another document.
    written = insert(seeds).values(state=cast(bindparam("document", type_=Text), JSONB))
    replaced = ("state", "sha256", "last_run", "role", "host", "actor", "dbctl")
    upsert = written.on_conflict_do_update(
        index_elements=[seeds.c.kind, seeds.c.name],
        set_={name: written.excluded[name] for name in replaced},
    )
    execute(connection, upsert.inline(), **row)


def _document(state: Mapping[str, Any]) -> str:
    return json.dumps(state, separators=(",", ":"), sort_keys=True)


def _digest(document: str) -> str:
    return hashlib.sha256(document.encode()).hexdigest()


def _unusable(failure: DbctlError, done: str, schema: str) -> DbctlError:
    """Describe what a refusal of the server's is about, and what would help."""
    if isinstance(failure, OperationFailed):
        return OperationFailed(
            f"dbctl's record of seeds, the table {typed(schema)}.{SEEDS_TABLE}, cannot be {done}: "
            f"{failure.message}",
            hint=f"Have its owner GRANT SELECT, INSERT, UPDATE ON {quote(schema)}."
            f"{quote(SEEDS_TABLE)} to this role, and USAGE on the schema.",
            code=failure.code,
        )
    return failure
