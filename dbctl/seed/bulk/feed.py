"""What COPY is fed with: batches of records made into one stream of bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from types import AsyncGeneratorType
from typing import Any

import asyncpg

from dbctl.db.failures import first_line
from dbctl.db.tables import Table
from dbctl.seed.bulk import encoding
from dbctl.seed.bulk.refusals import CopyRefused, not_encodable

type Record = Sequence[object]
type Batches = AsyncIterable[Sequence[Record]]

# Rows encoded at once: few enough that the server does not run dry meanwhile.
_CHUNK = 500


class Feed:
    """The bytes of one COPY into `table`, made from `batches` of values of `columns`.

    With `numbered` each record gets its number, from 0, as a last value. `rows` counts what was
    sent; `fault` is what went wrong on this side.
    """

    def __init__(
        self,
        table: Table,
        columns: Sequence[str],
        encoders: Sequence[encoding.Encoder],
        batches: Batches,
        on_rows: Callable[[int], None],
        *,
        numbered: bool = False,
    ) -> None:
        self.rows = 0
        self.fault: BaseException | None = None
        self._table = table
        self._columns = columns
        self._encoders = encoders
        self._batches = batches
        self._on_rows = on_rows
        self._numbered = numbered

    async def stream(self, driver: asyncpg.Connection[Any]) -> AsyncIterator[bytes]:
        """Yield the stream for `driver`, which runs the COPY.

        After each piece the event loop has a turn, in which data is sent and signals are heard. It
        ends early where the server has answered before the end, which it does to refuse.
        """
        try:
            yield encoding.HEADER
            async for piece in self._pieces():
                yield piece
                await asyncio.sleep(0)
                if await _is_answered(driver):
                    return
            yield encoding.TRAILER
        except GeneratorExit:
            raise
        except BaseException as error:
            # Where the COPY is over, the driver would ask to cancel it and wait for that for ever.
            if await _is_answered(driver):
                return
            self.fault = error
            raise

    async def _pieces(self) -> AsyncIterator[bytes]:
        batches = self._batches
        if isinstance(batches, AsyncGeneratorType):
            async with aclosing(batches):
                async for piece in self._encoded(batches):
                    yield piece
        else:
            async for piece in self._encoded(batches):
                yield piece

    async def _encoded(self, batches: Batches) -> AsyncIterator[bytes]:
        async for batch in batches:
            for at in range(0, len(batch), _CHUNK):
                records = batch[at : at + _CHUNK]
                yield self._encode(records)
                self.rows += len(records)
                self._on_rows(self.rows)

    def _encode(self, records: Sequence[Record]) -> bytes:
        if self._numbered:
            records = [(*record, number) for number, record in enumerate(records, self.rows)]
        try:
            return encoding.rows(self._encoders, records)
        except encoding.UNENCODABLE as error:
            raise self._explain(records) from error

    def _explain(self, records: Sequence[Record]) -> CopyRefused:
        """Find the value that cannot be encoded."""
        for row, record in enumerate(records, self.rows):
            for name, encode, value in zip(self._columns, self._encoders, record, strict=False):
                try:
                    encode([value])
                except encoding.UNENCODABLE as error:
                    return not_encodable(self._table, row, name, value, first_line(error))
        return not_encodable(self._table, self.rows, None, None, "its values are too many or few")


async def _is_answered(driver: asyncpg.Connection[Any]) -> bool:
    """Tell whether the server has ended the COPY: while it runs, nothing else can be sent."""
    if driver.is_closed():
        return True
    try:
        await driver.execute("select")
    except asyncpg.InterfaceError:
        return False
    except asyncpg.PostgresError:  # that the transaction has failed
        return True
    return True
