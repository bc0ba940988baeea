"""Rows of a CSV file with a header."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import accumulate, islice

from dbctl.db.names import listed
from dbctl.errors import UsageError
from dbctl.seed.load.faults import FileFault, shown
from dbctl.seed.load.rows import BATCH_BYTES, BATCH_ROWS, ROW_LIMIT, Batch, Dialect
from dbctl.seed.load.sources import Source

# Rows that are read before their size is looked at.
_SLICE = 32
_LINE_END = re.compile("\r\n|\r|\n")


class CsvRows:
    """The header of a CSV file and what reads its rows; `stream` is UTF-8.

    Raises FileFault for what is no CSV, and where a name of the header is empty or comes twice.
    """

    def __init__(self, source: Source, stream: io.BufferedReader, dialect: Dialect) -> None:
        self._source = source
        self._null = dialect.null
        self._nul = _Nul()
        csv.field_size_limit(ROW_LIMIT)
        self._reader = csv.reader(
            _lines(source, io.TextIOWrapper(stream, encoding="utf-8", newline=""), self._nul),
            delimiter=dialect.delimiter or source.delimiter,
            quoting=csv.QUOTE_NOTNULL if dialect.null is None else csv.QUOTE_MINIMAL,
            strict=True,
        )
        self._row = 0
        self.header = self._header()

    def batches(self) -> Iterator[Batch]:
        """Yield the rows; blank lines are none."""
        while True:
            line = self._reader.line_num + 1
            rows = self._some()
            if not rows:
                return
            starts = _starts(rows, line)
            if [] in rows:
                kept = [index for index, row in enumerate(rows) if row]
                rows = [rows[index] for index in kept]
                starts = _picked(starts, kept)
            if self._null is not None:
                null = self._null
                rows = [[None if field == null else field for field in row] for row in rows]
            numbers = range(self._row + 1, self._row + 1 + len(rows))
            self._row += len(rows)
            if rows:
                yield Batch(rows, numbers, starts, may_hold_nul=self._nul.seen)

    def _some(self) -> list[list[str | None]]:
        rows: list[list[str | None]] = []
        begin = self._source.position
        try:
            while len(rows) < BATCH_ROWS and self._source.position - begin < BATCH_BYTES:
                before = len(rows)
                rows += islice(self._reader, _SLICE)  # type: ignore[arg-type]
                if len(rows) == before:
                    break
        except csv.Error as error:
            raise self._no_csv(error, rows) from error
        return rows

    def _no_csv(self, error: csv.Error, rows: Sequence[object]) -> FileFault:
        reason = str(error)
        if "field limit" in reason:
            reason = f"a field is longer than {ROW_LIMIT >> 20} MiB; a quote may not be closed"
        elif "unexpected end of data" in reason:
            reason = "it ends within a quoted field"
        return FileFault(
            f"{self._source.label}, row {self._row + len(rows) + 1} "
            f"(line {self._reader.line_num}) is no CSV: {reason}",
            hint="Nothing was loaded. Quotes within a quoted field are written twice; "
            "--delimiter names another delimiter.",
        )

    def _header(self) -> tuple[str, ...]:
        try:
            fields = next((row for row in self._reader if row), None)
        except csv.Error as error:
            raise self._no_csv(error, ()) from error
        if fields is None:
            raise FileFault(
                f"{self._source.label} is empty",
                hint="A CSV file begins with the names of columns.",
            )
        names = [field or "" for field in fields]
        if "" in names:
            raise UsageError(
                f"{self._source.label}: the name of column {names.index('') + 1} is empty",
                hint="The first line of a CSV file names every column.",
            )
        if twice := [name for name, times in Counter(names).items() if times > 1]:
            raise UsageError(
                f"{self._source.label} has {listed([shown(name) for name in twice])} more than "
                "once in its header",
                hint="Rename one of the columns, or remove it.",
            )
        return tuple(names)


class _Nul:
    """Remember whether the character NUL was seen, which PostgreSQL has not."""

    seen = False


def _lines(source: Source, stream: io.TextIOWrapper, nul: _Nul) -> Iterator[str]:
    """Yield the lines of a stream, none of them longer than memory should hold."""
    read = stream.readline
    try:
        while line := read(ROW_LIMIT):
            if "\0" in line:
                nul.seen = True
            yield line
            if len(line) == ROW_LIMIT:
                raise FileFault(
                    f"{source.label} has a line of more than {ROW_LIMIT >> 20} MiB",
                    hint="Nothing was loaded. Is it text, and is it CSV?",
                )
    finally:
        with suppress(ValueError):  # where that is closed already
            stream.detach()  # it would close what it reads from


def _starts(rows: Sequence[Sequence[str | None]], first: int) -> Callable[[int], int]:
    """Return what tells the line on which a row begins, counted when it is asked for."""
    starts: list[int] = []

    def start(index: int) -> int:
        if not starts:
            spans = (
                1 + sum(len(_LINE_END.findall(field)) for field in row if field) for row in rows
            )
            starts.extend(accumulate(spans, initial=first))
        return starts[index]

    return start


def _picked(starts: Callable[[int], int], kept: Sequence[int]) -> Callable[[int], int]:
    return lambda index: starts(kept[index])
