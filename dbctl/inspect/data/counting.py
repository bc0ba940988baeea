"""The operation behind `inspect rows --count`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg

from dbctl.inspect.data.cost import Guard
from dbctl.inspect.data.results import CountResult
from dbctl.inspect.data.selection import Parameters, select
from dbctl.inspect.masking import NOTHING_MASKED
from dbctl.inspect.reading import STATEMENT_TIMEOUT, reading


async def count_rows(
    connection: asyncpg.Connection[Any],
    name: str,
    *,
    where: Sequence[str] = (),
    guard: Guard = Guard(),  # noqa: B008 - frozen
    statement_timeout: float = STATEMENT_TIMEOUT,
) -> CountResult:
    """Count the rows of the relation that `name` means, or those that `where` leaves, exactly.

    Raises what `rows.find_rows` raises.
    """
    async with reading(connection, statement_timeout):
        selection = await select(connection, name, where=where, masks=NOTHING_MASKED)
        parameters = Parameters()
        statement = f"SELECT pg_catalog.count(*) {selection.source(parameters)}"
        await guard.check(connection, statement, parameters.values, has_limit=False)
        count = await connection.fetchval(statement, *parameters.values)
    return CountResult(table=selection.relation.label, count=count)
