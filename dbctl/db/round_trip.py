"""Read what several statements return in one round trip.

The driver takes two for each: one to prepare it, one to execute it. COPY by the simple protocol
takes one for all, leaves no prepared statement behind a pooler, and returns bytes, which need not
be UTF-8.
"""

from __future__ import annotations

import codecs
import json
import logging
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import asyncpg

logger = logging.getLogger("dbctl.db")

type Rows = list[Mapping[str, Any]]

# https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format": the signature, the flags
# and the length of an extension of the header; then each row as the number of its fields.
_HEADER = struct.Struct("!11sii")
_FIELDS = struct.Struct("!h")
_LENGTH = struct.Struct("!i")
_NULL = -1
_ESCAPED = "dbctl.json"
# No column has this name: a column would come before the row.
_ROW = "dbctl_row"


@runtime_checkable
class Reader(Protocol):
    """Whatever returns the rows of a statement, in its own time."""

    async def rows(self, sql: str) -> Rows:
        """Return the rows of one statement without parameters."""


async def read_together(
    connection: asyncpg.Connection[Any], statements: Sequence[str]
) -> list[Rows]:
    """Return the rows of each of `statements`, in one round trip and as of one moment.

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
    await connection.copy_from_query(f"select {columns}", output=keep, format="binary")
    return [[] if field is None else _decoded(field) for field in _fields(read)]


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
