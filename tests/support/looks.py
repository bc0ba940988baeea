"""The operations of `dbctl inspect` that find rows, run to their end as `deliver` runs them."""

from __future__ import annotations

from typing import Any

import asyncpg

from dbctl.inspect.data.collecting import collect
from dbctl.inspect.data.cost import Guard
from dbctl.inspect.data.results import RowsResult
from dbctl.inspect.data.rows import find_rows
from dbctl.inspect.masking import NOTHING_MASKED, Masks
from dbctl.inspect.query.operation import find_query
from dbctl.inspect.query.results import QueryResult
from dbctl.inspect.reading import STATEMENT_TIMEOUT, reading


async def list_rows(
    connection: asyncpg.Connection[Any],
    name: str,
    *,
    statement_timeout: float = STATEMENT_TIMEOUT,
    **options: Any,
) -> RowsResult:
    """Read the rows that `find_rows` finds."""
    given: dict[str, Any] = {"masks": Masks(), "guard": Guard()} | options
    async with reading(connection, statement_timeout):
        return await collect(connection, await find_rows(connection, name, **given))


async def run_query(
    connection: asyncpg.Connection[Any],
    text: str,
    *,
    statement_timeout: float = STATEMENT_TIMEOUT,
    **options: Any,
) -> QueryResult:
    """Read the rows that `find_query` finds."""
    given: dict[str, Any] = {"masks": NOTHING_MASKED} | options
    async with reading(connection, statement_timeout):
        return await collect(connection, await find_query(connection, text, **given))
