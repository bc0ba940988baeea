"""The rows in lines of JSON or CSV that the server wrote."""

from __future__ import annotations

import re
from collections.abc import Iterator

# COPY writes a row of JSON as it is but for a line break in it: JSON holds neither of these.
QUOTE, DELIMITER = "\x01", "\x02"
# A cell of a row of CSV, with its quotes.
CELL = re.compile(rb'("[^"]*+(?:""[^"]*+)*+"|[^,"]*+)(?:,|\Z)')
_ROW = re.compile(rb"\x01([^\x01]*)\x01\n|([^\n]*)\n")


def lines_of(lines: bytes) -> Iterator[bytes]:
    """Yield the JSON of each row, which has several lines where json in it has."""
    return (match[1] or match[2] for match in _ROW.finditer(lines))


def csv_rows(lines: bytes) -> list[bytes]:
    """Return the rows of some lines of CSV."""
    if b'"' not in lines:
        return lines.split(b"\n")[:-1]
    rows, begun = [], b""
    for line in lines.splitlines(keepends=True):
        begun += line
        if begun.count(b'"') % 2 == 0:
            rows.append(begun.removesuffix(b"\n"))
            begun = b""
    return rows
