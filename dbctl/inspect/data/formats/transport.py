"""Rows as lines of text that the server writes: by COPY where it can run, else with a cursor.

Nothing is decoded on the way, and no more is in memory than a few rows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import asyncpg

from dbctl.db.decoding import lossless
from dbctl.inspect.data.discreet import discreet
from dbctl.inspect.data.results import RowSet
from dbctl.inspect.data.row_text import restored
from dbctl.inspect.data.source import Answer, Source
from dbctl.inspect.reading import STATEMENT_TIMEOUT, unbounded

# Bytes that a cursor fetches at once, and the rows that it begins with.
_BATCH = 1 << 18
_FIRST = 50
_MOST = 5000
# The server's word where it ends a statement itself.
_TOO_LONG = "canceling statement due to statement timeout"

type Take = Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Encoding:
    """How rows become lines.

    `columns` is what COPY is given, up to the FROM of a source, and `closing` what follows its
    end; `line` is the same row as one expression. Where `quote` is given, `line` has no quotes, and
    a row with a line break in it stands between two of them.
    """

    columns: str
    line: str
    closing: str = ""
    quote: str | None = None
    delimiter: str | None = None


@dataclass(frozen=True, slots=True)
class End:
    """How many rows there were, whether `more` follow, and what continues `next`."""

    count: int
    more: bool = False
    next: str | None = None


async def transport(
    connection: asyncpg.Connection[Any],
    answer: Answer[RowSet],
    encoding: Encoding,
    take: Take,
    *,
    statement_timeout: float = STATEMENT_TIMEOUT,
) -> End:
    """Have `take` the rows of `answer`, some whole lines at a time, and return how it ended.

    The server may take `statement_timeout` seconds for the next of them, however many there are and
    however long `take` takes; 0 is no limit. Raises what the driver and `take` raise; the statement
    is cancelled then.
    """
    # COPY takes no parameters, and does not tell where a row ends that is not to be shown.
    with discreet(answer.private):
        if answer.source.parameters or answer.limit is not None:
            with lossless(connection):
                end = await _fetched(connection, answer.source, answer.limit, encoding, take)
            return replace(end, next=restored(connection, end.next))
        return await _copied(connection, answer.source, encoding, take, statement_timeout)


async def _copied(
    connection: asyncpg.Connection[Any],
    source: Source,
    encoding: Encoding,
    take: Take,
    statement_timeout: float,
) -> End:
    query = f"SELECT {encoding.columns} {source.tail}{encoding.closing}"
    # The driver runs COPY by the protocol in which a text may be several statements; by the other,
    # in which it prepares, it may not.
    await connection.prepare(f"COPY ({query}) TO STDOUT", name="")
    # The server's clock would count all rows, and the pauses of who takes them.
    await unbounded(connection)
    sink = _Sink(connection, take, statement_timeout)
    sink.wait()
    try:
        status = await connection.copy_from_query(
            query, output=sink, format="csv", quote=encoding.quote, delimiter=encoding.delimiter
        )
    except asyncpg.QueryCanceledError:
        if sink.failure is None:
            raise
    except asyncio.CancelledError:
        # The driver has nobody wait for the rows that still arrive, and fails on them.
        connection._transport.pause_reading()
        await sink.cancel()
        connection.terminate()
        raise
    finally:
        sink.rest()
    if sink.failure is not None:
        await sink.cancelled
        raise sink.failure
    return End(int(status.split()[-1]))


class _Sink:
    """What COPY writes to: it has `take` the rows, and drops them once that has failed.

    It fails as well where the server sends nothing for `patience` seconds that it has to `wait`; 0
    is no limit. `failure` is what was raised then, and `cancelled` is done when the server knows.
    """

    def __init__(self, connection: asyncpg.Connection[Any], take: Take, patience: float) -> None:
        self.failure: BaseException | None = None
        self.cancelled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._connection = connection
        self._take = take
        self._patience = patience
        self._timer: asyncio.TimerHandle | None = None

    async def __call__(self, lines: bytes) -> None:
        if self.failure is not None:
            return
        self.rest()
        try:
            await self._take(lines)
        except BaseException as error:
            self._fail(error)
        else:
            self.wait()

    def wait(self) -> None:
        """Begin to wait for the server."""
        if self._patience:
            loop = asyncio.get_running_loop()
            error = asyncpg.QueryCanceledError(_TOO_LONG)
            self._timer = loop.call_later(self._patience, self._fail, error)

    def rest(self) -> None:
        """Wait for the server no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _fail(self, error: BaseException) -> None:
        """End the COPY; the error is raised when it is over.

        Raised at once it would have the driver cancel, too, and wait for ever for the end of a COPY
        that came to it together with the last lines.
        """
        self.failure = error
        self.cancel()

    def cancel(self) -> asyncio.Future[None]:
        """Have the server cancel the COPY, and return what is done when it knows."""
        self._connection._cancel_current_command(self.cancelled)
        return self.cancelled


async def _fetched(
    connection: asyncpg.Connection[Any],
    source: Source,
    limit: int | None,
    encoding: Encoding,
    take: Take,
) -> End:
    # One row more tells whether more follow.
    bound = "" if limit is None else f" LIMIT {limit + 1:d}"
    position = "NULL" if limit is None else source.position or "NULL"
    statement = f"SELECT {encoding.line}, {position} {source.tail}{bound}"
    cursor = await connection.cursor(statement, *source.parameters)
    count, last, size = 0, None, _FIRST
    while records := await cursor.fetch(size):
        wanted = records if limit is None else records[: limit - count]
        if wanted:
            count, last = count + len(wanted), wanted[-1][1]
            text = _joined([record[0] for record in wanted], encoding.quote)
            data = text.encode(errors="surrogateescape")  # as `lossless` has it
            await take(data)
            size = max(1, min(_MOST, size * _BATCH // len(data)))
        if len(wanted) < len(records):
            return End(count, more=True, next=last)
    return End(count)


def _joined(rows: list[str], quote: str | None) -> str:
    lines = "\n".join(rows) + "\n"
    if quote is None or (lines.count("\n") == len(rows) and "\r" not in lines):
        return lines
    return "".join(f"{quote}{row}{quote}\n" for row in rows)
