"""What is behind a view: the functions that reading it calls, and where its columns come from."""

from __future__ import annotations

from typing import Any

import asyncpg

from dbctl.db.catalog import Relation
from dbctl.db.names import quote
from dbctl.errors import RefusedError
from dbctl.inspect.masking import NOTHING_MASKED, Masks
from dbctl.inspect.query.guard import guard, guard_relation
from dbctl.inspect.query.lineage import masked_columns
from dbctl.inspect.query.preparing import prepare
from dbctl.inspect.query.statement import parse_statement


async def check_harmless(connection: asyncpg.Connection[Any], relation: Relation) -> None:
    """Raise RefusedError where reading the relation would do more than read."""
    if relation.kind != "materialized view":  # whose rows are there
        await guard_relation(connection, relation)


async def masked_origins(
    connection: asyncpg.Connection[Any], relation: Relation, masks: Masks
) -> dict[str, str]:
    """Return the columns of a view that come from a masked one, each with the reason.

    Where a materialized view's origin may not be looked at, any column may.
    """
    if masks == NOTHING_MASKED or relation.kind == "foreign table":
        return {}
    text = f"SELECT * FROM {quote(relation.schema)}.{quote(relation.name)}"  # noqa: S608
    if relation.kind == "materialized view":
        text = await connection.fetchval(
            "SELECT pg_catalog.pg_get_viewdef($1::pg_catalog.oid)", relation.oid
        )
    statement = parse_statement(text)
    prepared = await prepare(connection, statement)
    names = [name for name, _ in prepared.columns]
    try:
        async with connection.transaction():
            inside = await guard(connection, statement.tokens)
            reasons = await masked_columns(connection, prepared, (), inside, masks)
    except (asyncpg.InsufficientPrivilegeError, RefusedError):
        return dict.fromkeys(names, "what it is made of may not be read")
    return {name: reason for name, reason in zip(names, reasons, strict=True) if reason}
