"""The formats that are written as the rows are read: what stands before, for each and after."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Protocol

from dbctl import records
from dbctl.inspect.data import encodings
from dbctl.inspect.data.formats.lines import DELIMITER, QUOTE, lines_of
from dbctl.inspect.data.formats.transport import Encoding, End
from dbctl.inspect.data.results import RowSet
from dbctl.inspect.data.source import Field
from dbctl.results import ErrorBody

_ENDS = frozenset({"rows", "count", "more", "next"})


class Form(Protocol):
    """A format: its `encoding` has the server write lines, and this makes of them what is read."""

    encoding: Encoding

    def head(self) -> bytes:
        """Return what comes before the first row."""

    def rows(self, lines: bytes) -> bytes:
        """Return what some rows become."""

    def tail(self, end: End) -> bytes:
        """Return what comes after the last row."""


class Csv:
    """CSV as COPY writes it, under the names of the columns."""

    def __init__(self, fields: Sequence[Field], *, safe: bool = False) -> None:
        value = partial(encodings.csv_value, safe=safe)
        self.encoding = Encoding(", ".join(map(value, fields)), encodings.csv_line(fields, value))
        names = [field.name for field in fields]
        self._names = [encodings.without_formula(name) for name in names] if safe else names

    def head(self) -> bytes:
        """Return the header."""
        return records.csv_text([], self._names).encode()

    def rows(self, lines: bytes) -> bytes:
        """Return the rows as they are."""
        return lines

    def tail(self, end: End) -> bytes:  # noqa: ARG002
        """Return nothing."""
        return b""


class Ndjson:
    """One object per line."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self.encoding = json_encoding(fields)

    def head(self) -> bytes:
        """Return nothing."""
        return b""

    def rows(self, lines: bytes) -> bytes:
        """Return the rows with their line breaks, which are outside of texts, made blanks."""
        if QUOTE.encode() not in lines:
            return lines
        rows = (row.replace(b"\n", b" ").replace(b"\r", b" ") for row in lines_of(lines))
        return b"".join(row + b"\n" for row in rows)

    def tail(self, end: End) -> bytes:  # noqa: ARG002
        """Return nothing."""
        return b""


class Json:
    """One document: the result without rows, and a line for each of them."""

    def __init__(self, fields: Sequence[Field], blank: RowSet) -> None:
        self.encoding = json_encoding(fields)
        self._about = blank.model_dump(mode="json")
        self._first = True

    def head(self) -> bytes:
        """Return what the result says of the rows."""
        members = (_member(n, value) for n, value in self._about.items() if n not in _ENDS)
        return f'{{\n{"".join(members)}  "rows": ['.encode()

    def rows(self, lines: bytes) -> bytes:
        """Return the rows, each on a line unless json in it has several."""
        if QUOTE.encode() in lines:
            rows = b",\n    ".join(lines_of(lines))
        else:
            rows = lines[:-1].replace(b"\n", b",\n    ")
        before = b"\n    " if self._first else b",\n    "
        self._first = False
        return before + rows

    def tail(self, end: End) -> bytes:
        """Return how it ended."""
        return self._end(count=end.count, more=end.more, next=end.next)

    def failure(self, error: ErrorBody) -> str:
        """Return what makes a document of one that broke off after a row."""
        return self._end(error=error.model_dump(mode="json")).decode()

    def _end(self, **members: object) -> bytes:
        texts = (
            f"  {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}"
            for name, value in members.items()
        )
        bracket = "]" if self._first else "\n  ]"
        return (bracket + ",\n" + ",\n".join(texts) + "\n}\n").encode()


def _member(name: str, value: object) -> str:
    """Return a member of an object with a line for each element of a list."""
    if isinstance(value, list) and value:
        elements = ",\n    ".join(json.dumps(element, ensure_ascii=False) for element in value)
        return f"  {json.dumps(name)}: [\n    {elements}\n  ],\n"
    return f"  {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)},\n"


def json_encoding(fields: Sequence[Field], *, flat: bool = False) -> Encoding:
    """Return the encoding of a row as a JSON object; with `flat`, json is text in it."""
    return Encoding(
        columns=encodings.json_rows(fields, flat=flat),
        line=encodings.json_row(fields, flat=flat),
        closing=") o",
        quote=QUOTE,
        delimiter=DELIMITER,
    )
