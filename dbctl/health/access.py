"""Where the schema stands, and the GRANTs that help where this role may not see it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

import asyncpg

from dbctl.db.catalog import fetch
from dbctl.errors import ConnectionFailed, OperationFailed

if TYPE_CHECKING:
    from dbctl.health.check import Context
    from dbctl.health.reader import LookReader
    from dbctl.migrate.results import MigrationStatus


async def read_state(reader: LookReader, context: Context) -> MigrationStatus:
    """Compare the database with the revisions of the checkout.

    Raises OperationFailed where this role may not see the version: it looks like none where the
    schema is out of reach.
    """
    from dbctl.migrate.results import State
    from dbctl.migrate.run.learn import learn
    from dbctl.migrate.run.proof import can_take_on
    from dbctl.migrate.status import read_status

    can_take = partial(can_take_on, reader)
    try:
        await learn(context.loaded.revisions, context.manager, can_take=can_take)
    except ConnectionFailed as error:  # env.py's own, not the one that is checked
        raise OperationFailed(error.message, hint=error.hint) from error
    store = context.loaded.revisions.store
    try:
        found = await read_status(reader, context.loaded.revisions, context.manager.label)
    except asyncpg.InsufficientPrivilegeError:
        await _refuse_hidden(reader, store.version_name)
        raise
    if found.state in (State.UNMANAGED, State.EMPTY):
        await _refuse_hidden(reader, store.version_name)
    return found


async def _refuse_hidden(reader: LookReader, version_table: str) -> None:
    for table, grants in (await missing_grants(reader, [version_table])).items():
        raise OperationFailed(f"permission denied for {table}", hint=grants)


async def missing_grants(reader: LookReader, tables: Iterable[str]) -> dict[str, str]:
    """Return those of `tables` that this role may not read, quoted, each with the GRANTs it lacks.

    A name without a schema is looked for on the search path.
    """
    missing: dict[str, str] = {}
    for row in await fetch(reader, "health", "table_access", names="\n".join(tables)):
        grants = []
        if not row["reachable"]:
            grants.append(f"GRANT USAGE ON SCHEMA {row['schema']} TO {row['role']};")
        if not row["permitted"]:
            grants.append(f"GRANT SELECT ON {row['table']} TO {row['role']};")
        if grants:
            missing[row["table"]] = " ".join(grants)
    return missing
