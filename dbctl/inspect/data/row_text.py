"""The text of rows whose encoding the database does not know, as in SQL_ASCII, made UTF-8."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

import asyncpg

from dbctl.db.decoding import ESCAPE, python_codec, read_rows_as, row_codec
from dbctl.db.names import typed
from dbctl.errors import ErrorCode, OperationFailed, UsageError
from dbctl.inspect.data.formats.lines import CELL
from dbctl.inspect.data.source import Field

_LONGEST = 60
_IN_JSON = "dbctl_json_escape"


def _json_escape(error: UnicodeError) -> tuple[str, int]:
    """Write the bytes that cannot be decoded as `\\\\xNN`, which JSON reads as `\\xNN`."""
    assert isinstance(error, UnicodeDecodeError)  # noqa: S101 - only used to decode
    found = error.object[error.start : error.end]
    return "".join(f"\\\\x{byte:02x}" for byte in found), error.end


codecs.register_error(_IN_JSON, _json_escape)


def choose_encoding(connection: asyncpg.Connection[Any], name: str) -> None:
    """Have rows read in the encoding `name`, or with escapes where it is ESCAPE.

    Raises UsageError for an unknown one, and where the database knows its encoding itself.
    """
    try:
        codec = ESCAPE if name.lower() == ESCAPE else python_codec(name)
    except LookupError:
        raise UsageError(
            f"--encoding: {name!r} is not an encoding that text in SQL_ASCII can be read in",
            hint="Write one of PostgreSQL's or Python's, such as LATIN1, WIN1252 or EUC_JP, or "
            f"{ESCAPE}.",
        ) from None
    if row_codec(connection) is None:
        encoding = connection.get_settings().server_encoding
        raise UsageError(
            f"--encoding is for a database in SQL_ASCII, and this one is in {encoding}",
            hint="Leave it out: the server converts the text itself.",
        )
    read_rows_as(connection, codec)


class RowText:
    """Make the text of rows UTF-8, in the order in which they come.

    They are lines of JSON, or with `is_csv` of CSV, in which arrays are JSON with `json_arrays`.
    """

    def __init__(
        self,
        codec: str,
        fields: Sequence[Field],
        *,
        is_csv: bool = False,
        json_arrays: bool = False,
    ) -> None:
        self._codec = codec
        self._fields = fields
        self._is_csv = is_csv
        self._json_arrays = json_arrays
        self._count = 0

    @classmethod
    def of(
        cls,
        connection: asyncpg.Connection[Any],
        fields: Sequence[Field],
        *,
        is_csv: bool = False,
        json_arrays: bool = False,
    ) -> RowText | None:
        """Return what reads the rows of this connection; None where the server converts them."""
        codec = row_codec(connection)
        if codec is None:
            return None
        return cls(codec, fields, is_csv=is_csv, json_arrays=json_arrays)

    def text(self, rows: Sequence[bytes]) -> list[str]:
        """Return the text of some rows.

        Raises OperationFailed, which names the row and the column, where it is in another encoding.
        """
        texts = []
        for row in rows:
            self._count += 1
            try:
                texts.append(self.decoded(row))
            except UnicodeDecodeError as error:
                raise self._undecodable(row) from error
        return texts

    def lines(self, lines: bytes, rows: Sequence[bytes]) -> bytes:
        """Return `lines` in UTF-8, which are these `rows`. Raises as `text`."""
        try:
            if self._codec == ESCAPE and self._json_arrays:
                text = "".join(f"{self._with_json(row)}\n" for row in rows)
            else:
                text = self.decoded(lines)
        except UnicodeDecodeError:
            self.text(rows)
            raise
        self._count += len(rows)
        return text.encode()

    def decoded(self, data: bytes) -> str:
        """Return the text of a row. Raises UnicodeDecodeError."""
        if self._codec == ESCAPE:
            return data.decode(errors="backslashreplace" if self._is_csv else _IN_JSON)
        return data.decode(self._codec)

    def _with_json(self, row: bytes) -> str:
        """Return a row of CSV with escapes as CSV, or as JSON, has them."""
        cells = CELL.findall(row)[: len(self._fields)]
        return ",".join(
            cell.decode(errors=_IN_JSON if field.is_array else "backslashreplace")
            for cell, field in zip(cells, self._fields, strict=True)
        )

    def _undecodable(self, row: bytes) -> OperationFailed:
        column, value = next(self._values(row), ("", row))
        shown = value.decode(errors="backslashreplace")
        if len(shown) > _LONGEST:
            shown = f"{shown[:_LONGEST]}…"
        name = "UTF-8" if self._codec == "utf8" else self._codec
        return OperationFailed(
            f"row {self._count}, column {typed(column)}: the text {shown} is not {name}, "
            "and the database, in SQL_ASCII, does not know what it is",
            hint=f"Name its encoding, such as --encoding LATIN1; --encoding {ESCAPE} shows "
            "such bytes as \\xNN.",
            code=ErrorCode.QUERY_FAILED,
        )

    def _values(self, row: bytes) -> Iterator[tuple[str, bytes]]:
        """Yield the columns whose text the codec cannot read."""
        text = row.decode(errors="surrogateescape")
        names = [field.name for field in self._fields]
        read = next(csv.reader(io.StringIO(text)), []) if self._is_csv else json.loads(text)
        cells = read.values() if isinstance(read, dict) else read
        for name, cell in zip(names, cells, strict=True):
            written = cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False)
            value = written.encode(errors="surrogateescape")
            try:
                value.decode(self._codec)
            except UnicodeDecodeError:
                yield name, value


def restored(connection: asyncpg.Connection[Any], text: str | None) -> str | None:
    """Return a text that was read by `lossless` as other text is read, with escapes."""
    codec = row_codec(connection)
    if codec is None or text is None:
        return text
    data = text.encode(errors="surrogateescape")
    return data.decode("utf8" if codec == ESCAPE else codec, "backslashreplace")
