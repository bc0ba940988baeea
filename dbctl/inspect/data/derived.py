"""Where the columns of a view, and those that are generated, come from."""

from __future__ import annotations

from typing import Any

import asyncpg

from dbctl.db.catalog import Relation
from dbctl.db.names import quote
from dbctl.inspect.masking import NOTHING_MASKED, Masks
from dbctl.inspect.query.guard import guard
from dbctl.inspect.query.lineage import Traced, trace
from dbctl.inspect.query.preparing import prepare
from dbctl.inspect.query.statement import parse_statement
from dbctl.inspect.sensitive.keys import key_rule


async def masked_origins(
    connection: asyncpg.Connection[Any], relation: Relation, masks: Masks
) -> tuple[dict[str, str], Traced]:
    """Return the columns of a view or table that come from a masked one, each with the reason.

    With them, what is masked of the others.
    """
    if masks == NOTHING_MASKED or relation.kind == "foreign table":
        return {}, Traced([], key_rule(masks, ("",)))
    statement = parse_statement(f"TABLE {quote(relation.schema)}.{quote(relation.name)}")
    inside = await guard(connection, statement.tokens)
    prepared = await prepare(connection, statement)
    traced = await trace(connection, prepared, (), inside, masks)
    pairs = zip(prepared.columns, traced.reasons, strict=True)
    return {name: reason for (name, _), reason in pairs if reason}, traced
