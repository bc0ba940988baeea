"""How the rows of an answer leave: a table on a screen, everything else as it is read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import asyncpg

from dbctl.errors import ExitCode
from dbctl.inspect.connected import read
from dbctl.inspect.data.results import RowSet
from dbctl.inspect.data.source import Answer
from dbctl.inspect.reading import STATEMENT_TIMEOUT, reading
from dbctl.output import Output, chosen_output, emit
from dbctl.settings import Settings

if TYPE_CHECKING:
    from rich.console import RenderableType


def deliver[R: RowSet](
    settings: Settings,
    find: Callable[[asyncpg.Connection[Any]], Awaitable[Answer[R]]],
    view: Callable[[R], RenderableType],
    *,
    statement_timeout: float = STATEMENT_TIMEOUT,
    csv_safe: bool = False,
    encoding: str | None = None,
) -> ExitCode:
    """Print the rows of what `find` finds in the chosen format, and return the exit code.

    `find` runs in the transaction that reads the rows. `view` renders a table. With `csv_safe` no
    text in CSV begins like a formula. `encoding` is of a database that does not know its own.
    """
    if chosen_output.get() is Output.TABLE:
        from dbctl.inspect.data.collecting import collect

        async def collected(connection: asyncpg.Connection[Any]) -> R:
            async with reading(connection, statement_timeout):
                return await collect(connection, await find(connection))

        result = read(settings, collected, statement_timeout=statement_timeout, encoding=encoding)
        return emit(result, view)

    from dbctl.inspect.data.formats.streaming import stream

    return stream(
        settings,
        find,
        statement_timeout=statement_timeout,
        csv_safe=csv_safe,
        encoding=encoding,
    )
