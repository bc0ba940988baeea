"""Read what several statements return, or several coroutines ask for, in one round trip.

The driver takes two for each: one to prepare it, one to execute it. COPY by the simple protocol
takes one for all, with the settings of its transaction, leaves no prepared statement behind a
pooler, and returns bytes, which need not be UTF-8. The driver's own `copy_from_query` sends no
settings; what it calls is private, and was checked on asyncpg 0.30 and 0.32.
"""

from __future__ import annotations

import asyncio
import codecs
import json
import logging
import struct
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import asyncpg

from dbctl.db.failures import statement_failed
from dbctl.db.queries import MARK
from dbctl.errors import ConnectionFailed

if TYPE_CHECKING:  # what reads with the driver alone starts in half the time
    from sqlalchemy.ext.asyncio import AsyncConnection

logger = logging.getLogger("dbctl.db")

type Rows = list[Mapping[str, Any]]

# https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format": the signature, the flags
# and the length of an extension of the header; then each row as the number of its fields.
_HEADER = struct.Struct("!11sii")
_FIELDS = struct.Struct("!h")
_LENGTH = struct.Struct("!i")
_NULL = -1
_ESCAPED = "dbctl.json"
# Before a COPY in the same message, and so in the same transaction, which ends with it. To compile
# the plan of many small queries would take longer than all of them.
_SETTINGS = "set transaction read only; set local jit = off; "
_TIMEOUT = "set local statement_timeout = {milliseconds}; "
# No column has this name: a column would come before the row.
_ROW = "dbctl_row"


@runtime_checkable
class Reader(Protocol):
    """Whatever returns the rows of a statement, in its own time."""

    async def rows(self, sql: str) -> Rows:
        """Return the rows of one statement without parameters."""


async def read_together(
    connection: asyncpg.Connection[Any], statements: Sequence[str], seconds: float | None = None
) -> list[Rows]:
    """Return the rows of each of `statements`, in one round trip and as of one moment.

    That is a read-only transaction of its own, which the server ends after `seconds`, or part of
    the one that the connection is in.
    Each must be one SELECT without a parameter, and text of dbctl's own: stacked ones would run.
    The values are those that JSON has, a time is its ISO 8601 text; a byte that is not UTF-8 is
    written as `\\xe4`. Raises what the driver raises where any of them fails.
    """
    columns = ", ".join(
        f"(select pg_catalog.json_agg({_ROW}) from (\n{sql}\n) {_ROW})"  # noqa: S608 - our own
        for sql in statements
    )
    read = bytearray()

    async def keep(data: bytes) -> None:
        read.extend(data)

    for sql in statements:
        logger.info("%s", sql)
    settings = _settings(connection, seconds)
    copy = f"{settings}copy {MARK} (select {columns}) to stdout (format binary)"
    await connection._copy_out(copy, keep, None)
    return [[] if field is None else _decoded(field) for field in _fields(read)]


def _settings(connection: asyncpg.Connection[Any], seconds: float | None) -> str:
    if connection.is_in_transaction():
        return ""
    settings = _SETTINGS + getattr(connection, "path_emptied", "")
    if seconds is None:
        return settings
    # Zero would mean no limit.
    return settings + _TIMEOUT.format(milliseconds=max(round(seconds * 1000), 1))


async def reader_on(connection: AsyncConnection | Reader) -> Reader:
    """Return what reads on a connection of the engine's, past SQLAlchemy."""
    if isinstance(connection, Reader):
        return connection
    driver = (await connection.get_raw_connection()).driver_connection
    assert isinstance(driver, asyncpg.Connection)  # noqa: S101 - the engine has no other
    return BatchReader(driver)


class BatchReader:
    """Send what coroutines ask for at the same time in one statement.

    Where that fails, each is sent alone, so that what cannot be read fails for who has asked for it
    and for nobody else. What is asked for twice at a time is read once. For a connection that is in
    no transaction, and that nothing else is sent on meanwhile. `lost` is what ended it.
    """

    def __init__(self, connection: asyncpg.Connection[Any]) -> None:
        self._connection = connection
        self._wanted: dict[str, asyncio.Future[Any]] = {}
        self._sending: asyncio.Task[None] | None = None
        self.lost: Exception | None = None

    async def rows(self, sql: str) -> Rows:
        """Return the rows of one statement; raises what the driver raises for it."""
        rows: Rows = await self._answer(sql)
        return rows

    async def finished(self) -> None:
        """Return once nothing is sent any more."""
        if self._sending is not None:
            await asyncio.wait({self._sending})

    async def _answer(self, sql: str) -> Any:
        """Return what `_send` makes of the answer to one statement."""
        answer = self._wanted.get(sql)
        if answer is None:
            answer = self._wanted[sql] = asyncio.get_running_loop().create_future()
            # Whoever has asked may be cancelled meanwhile, and then nobody looks at it.
            answer.add_done_callback(lambda done: done.cancelled() or done.exception())
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_all())
        return await asyncio.shield(answer)  # others may wait for it too

    async def _send_all(self) -> None:
        try:
            while self._wanted:
                await self._all_asked()
                await self._send_wanted()
        except Exception as error:  # the connection is lost, and so is what is not yet sent
            self._fail(self._wanted, error)

    async def _send_wanted(self) -> None:
        wanted, self._wanted = self._wanted, {}
        try:
            await self._send(wanted)
        except Exception as error:
            self.lost = error
            self._fail(wanted, error)
            raise

    @staticmethod
    def _fail(wanted: Mapping[str, asyncio.Future[Any]], error: Exception) -> None:
        for answer in wanted.values():
            if not answer.done():
                answer.set_exception(error)

    async def _all_asked(self) -> None:
        """Return once every coroutine that can go on has asked for what it wants."""
        known = 0
        while len(self._wanted) > known:
            known = len(self._wanted)
            await asyncio.sleep(0)

    async def _send(self, wanted: Mapping[str, asyncio.Future[Any]]) -> None:
        """Read what is wanted; raises what the driver raises where the connection is lost."""
        try:
            found = await self._read(list(wanted))
        except Exception as error:
            if isinstance(statement_failed(error), ConnectionFailed):
                raise
            if len(wanted) == 1 or self._connection.is_in_transaction():
                self._fail(wanted, error)
                return
            for sql, answer in wanted.items():
                await self._send({sql: answer})
        else:
            for answer, rows in zip(wanted.values(), found, strict=True):
                answer.set_result(rows)

    async def _read(self, statements: Sequence[str]) -> list[Rows]:
        return await read_together(self._connection, statements)


def _decoded(field: bytes) -> Rows:
    rows: Rows = json.loads(field.decode("utf-8", _ESCAPED))
    return rows


def _fields(data: bytes | bytearray) -> list[bytes | None]:
    """Return the fields of the first row that COPY has written in its binary format."""
    _, _, extension = _HEADER.unpack_from(data)
    at = _HEADER.size + extension
    (count,) = _FIELDS.unpack_from(data, at)
    at += _FIELDS.size
    fields: list[bytes | None] = []
    for _ in range(count):
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        fields.append(None if length == _NULL else bytes(data[at : at + length]))
        at += max(length, 0)
    return fields


def _escape(error: UnicodeError) -> tuple[str, int]:
    """Write bytes that are not UTF-8 as the text of an escape, within a string of JSON."""
    assert isinstance(error, UnicodeDecodeError)  # noqa: S101 - registered for decoding alone
    wrong = error.object[error.start : error.end]
    return "".join(f"\\\\x{byte:02x}" for byte in wrong), error.end


codecs.register_error(_ESCAPED, _escape)
