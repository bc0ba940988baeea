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
from dbctl.seed.load.faults import FileFault, shown, wrong_width
from dbctl.seed.load.rows import BATCH_BYTES, BATCH_ROWS, ROW_LIMIT, Batch, Broken, Dialect
from dbctl.seed.load.sources import Source

# Rows that are read before their size is looked at.
_SLICE = 32
_LINE_END = re.compile("\r\n|\r|\n")
_DELIMITERS = {",": ",", ";": "';'", "\t": "tab", "|": "'|'"}
# Stands for a quoted field with the text of --null; no UTF-8 has it.
_QUOTED_NULL = "\ud800"


class CsvRows:
    """The header of a CSV file and what reads its rows; `stream` is UTF-8.

    Columns without a name are left out of `header` and of the rows. Raises FileFault for what is no
    CSV, UsageError where a name of the header comes twice, and for a null that no field can be.
    """

    def __init__(self, source: Source, stream: io.BufferedReader, dialect: Dialect) -> None:
        self._source = source
        self._delimiter = dialect.delimiter or source.delimiter
        self._drops_unnamed = dialect.drops_unnamed
        self._null = _null_of(dialect, self._delimiter)
        self._seen = _Seen()
        csv.field_size_limit(ROW_LIMIT)
        lines = _lines(source, io.TextIOWrapper(stream, encoding="utf-8", newline=""), self._seen)
        if self._null and not dialect.force_null:
            lines = _with_quoted_nulls(lines, self._delimiter, self._null, self._seen)
        self._reader = csv.reader(
            lines,
            delimiter=self._delimiter,
            quoting=csv.QUOTE_NOTNULL if self._null is None else csv.QUOTE_MINIMAL,
            strict=True,
        )
        self._row = 0
        self._names = self._read_names()
        self._named = [place for place, name in enumerate(self._names) if name]
        self.header = self._header()

    @property
    def advice(self) -> str | None:
        """What to give where the header looks as if it were written in another way."""
        first = self._seen.first_line
        if first.lstrip()[:1] in {"[", "{"}:
            return "It begins as JSON does: give --from json, or --from ndjson."
        other = max(_DELIMITERS, key=first.count)
        if first.count(other) <= first.count(self._delimiter):
            return None
        shown = _DELIMITERS[other]
        return f"Its first line looks like fields with {shown} between them: --delimiter {shown}"

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
            quoted = 0
            if self._null is not None:
                rows, quoted = self._with_nulls(rows, self._null)
            numbers: Sequence[int] = range(self._row + 1, self._row + 1 + len(rows))
            self._row += len(rows)
            broken: list[Broken] = []
            if len(self._named) < len(self._names):
                rows, numbers, starts, broken = self._without_unnamed(rows, numbers, starts)
            if numbers or broken:
                yield Batch(
                    rows,
                    numbers,
                    starts,
                    broken,
                    may_hold_nul=self._seen.nul,
                    quoted_nulls=quoted,
                )

    def _with_nulls(
        self, rows: list[list[str | None]], null: str
    ) -> tuple[list[list[str | None]], int]:
        """Put None for the text of null; return how many fields have it in quotes, too."""
        rows = [[None if field == null else field for field in row] for row in rows]
        quoted = 0
        if self._seen.quoted_null:
            quoted = sum(row.count(_QUOTED_NULL) for row in rows)
            rows = [[null if field == _QUOTED_NULL else field for field in row] for row in rows]
        return rows, quoted

    def _without_unnamed(
        self,
        rows: list[list[str | None]],
        numbers: Sequence[int],
        starts: Callable[[int], int],
    ) -> tuple[list[list[str | None]], Sequence[int], Callable[[int], int], list[Broken]]:
        """Take the columns without a name out of rows; one that has a value there is broken."""
        sound, kept, broken = [], [], []
        for index, row in enumerate(rows):
            if (reason := self._misfit(row)) is None:
                sound.append([row[place] for place in self._named])
                kept.append(index)
            else:
                broken.append(Broken(numbers[index], starts(index), reason, row))
        return sound, [numbers[index] for index in kept], _picked(starts, kept), broken

    def _misfit(self, row: Sequence[str | None]) -> str | None:
        """Return why a row does not fit a header in which names are empty; None where it does."""
        width = len(self._names)
        if not self._named[-1] < len(row) <= width:
            return wrong_width(len(row), width)
        if self._drops_unnamed:
            return None
        for place, value in enumerate(row):
            if value and not self._names[place]:
                return (
                    f"has {shown(value)} in column {place + 1}, which has no name in the header; "
                    "--map = leaves such columns out"
                )
        return None

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
        advice = self.advice
        return FileFault(
            f"{self._source.label}, row {self._row + len(rows) + 1} "
            f"(line {self._reader.line_num}) is no CSV: {reason}",
            hint="Nothing was loaded. "
            + (
                advice
                or "Quotes within a quoted field are written twice; "
                "--delimiter names another delimiter."
            ),
        )

    def _read_names(self) -> list[str]:
        try:
            fields = next((row for row in self._reader if row), None)
        except csv.Error as error:
            raise self._no_csv(error, ()) from error
        if fields is None:
            raise FileFault(
                f"{self._source.label} is empty",
                hint="A CSV file begins with the names of columns.",
            )
        return [(self._null if field == _QUOTED_NULL else field) or "" for field in fields]

    def _header(self) -> tuple[str, ...]:
        names = [self._names[place] for place in self._named]
        if not names:
            raise UsageError(
                f"{self._source.label}: no column has a name",
                hint="The first line of a CSV file names its columns.",
            )
        if twice := [name for name, times in Counter(names).items() if times > 1]:
            raise UsageError(
                f"{self._source.label} has {listed([shown(name) for name in twice])} more than "
                "once in its header",
                hint="Rename one of the columns, or remove it.",
            )
        return tuple(names)


def _null_of(dialect: Dialect, delimiter: str) -> str | None:
    """Return the text that stands for null; None where only an empty field without quotes does.

    Raises UsageError for a text that no field can be, as COPY does.
    """
    text = dialect.null or ""
    if unfit := [character for character in text if character in f'"\r\n{delimiter}']:
        raise UsageError(
            f"--null {shown(text)} has {shown(unfit[0])} in it, which no field without quotes has",
            hint="Write it without quotes. Fields in quotes are text; --force-null takes them for "
            "null as well.",
        )
    return text if text or dialect.force_null else None


class _Seen:
    """What was seen in the lines of a file; PostgreSQL has no character NUL."""

    nul = False
    quoted_null = False
    first_line = ""


def _with_quoted_nulls(
    lines: Iterator[str], delimiter: str, null: str, seen: _Seen
) -> Iterator[str]:
    """Yield the lines with a stand-in for each field that has the text of null in quotes.

    The reader does not say which fields had quotes. A quote that follows a delimiter, or begins a
    line, and is followed by another character than a quote, begins a field; anything else is no
    CSV, and stays so.
    """
    quoted = f'"{null}"'
    stop = re.escape(delimiter)
    field = re.compile(rf"(^|{stop}){re.escape(quoted)}(?={stop}|[\r\n]|\Z)")
    for line in lines:
        if quoted not in line:
            yield line
        else:
            seen.quoted_null = True
            yield field.sub(rf'\g<1>"{_QUOTED_NULL}"', line)


def _lines(source: Source, stream: io.TextIOWrapper, seen: _Seen) -> Iterator[str]:
    """Yield the lines of a stream, none of them longer than memory should hold."""
    read = stream.readline
    try:
        while line := read(ROW_LIMIT):
            if "\0" in line:
                seen.nul = True
            seen.first_line = seen.first_line or line
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
