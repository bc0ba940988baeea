"""The formats for people that are written as the rows are read: a block per row, or Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TextIO

from dbctl import records
from dbctl.inspect.data import encodings
from dbctl.inspect.data.formats.forms import json_encoding
from dbctl.inspect.data.formats.lines import lines_of
from dbctl.inspect.data.formats.transport import End
from dbctl.inspect.data.source import Field
from dbctl.inspect.data.verbatim import decoded
from dbctl.inspect.data.views import plain
from dbctl.rendering import styled


class Markdown:
    """A table of GitHub's Markdown."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self.encoding = json_encoding(fields, flat=True)
        self._fields = fields

    def head(self) -> bytes:
        """Return the header, which a table without columns cannot have."""
        if not self._fields:
            return b""
        return records.markdown_head([field.name for field in self._fields]).encode()

    def rows(self, lines: bytes) -> bytes:
        """Return a line per row."""
        if not self._fields:
            return b""
        rows = _texts(lines, self._fields)
        return "".join(
            records.markdown_row("NULL" if text is None else text for text in row) for row in rows
        ).encode(errors="backslashreplace")  # half a surrogate pair in the json of an array

    def tail(self, end: End) -> bytes:  # noqa: ARG002
        """Return nothing."""
        return b""


class Vertical:
    """A block per row, in the colours of `stream`."""

    def __init__(self, fields: Sequence[Field], stream: TextIO) -> None:
        self.encoding = json_encoding(fields, flat=True)
        self._fields = fields
        self._labels = records.labels(field.name for field in fields)
        self._stream = stream
        self._count = 0

    def head(self) -> bytes:
        """Return nothing."""
        return b""

    def rows(self, lines: bytes) -> bytes:
        """Return the blocks."""
        parts = []
        for row in _texts(lines, self._fields):
            self._count += 1
            parts += records.block(self._count, self._labels, row)
        return styled(parts, self._stream).encode()

    def tail(self, end: End) -> bytes:
        """Tell where there was no row."""
        return b"" if end.count else b"no rows\n"


def _texts(lines: bytes, fields: Sequence[Field]) -> Iterator[list[str | None]]:
    """Yield the values of rows as they are told apart in a table; NULL is None."""
    for line in lines_of(lines):
        row = decoded(line)
        yield [_text(row[field.name], field) for field in fields]


def _text(value: Any, field: Field) -> str | None:
    if isinstance(value, str) and encodings.is_flat(field):
        return value
    return None if value is None else plain(value)
