"""The files of one run: what each begins with, and then its rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from dbctl.seed.load.reading import opened
from dbctl.seed.load.rows import Batch, Dialect
from dbctl.seed.load.sources import Source


class File:
    """One file, whose head is read before its rows.

    `header` has the fields of a CSV file in their order, and is None for JSON; `fields` has those
    of the first rows in either case. `advice` says what to give where the head looks as if it were
    written in another way. Raises UsageError and FileFault.
    """

    def __init__(self, source: Source, dialect: Dialect, table: str) -> None:
        self.source = source
        self.label = source.label
        self.header: tuple[str, ...] | None = None
        self.fields: tuple[str, ...] = ()
        self.advice: str | None = None
        self._dialect = dialect
        self._table = table
        self._begun: tuple[Batch | None, Iterator[Batch]] | None = None
        self._look()

    def read(self) -> Iterator[Batch]:
        """Yield its rows from the first one on."""
        if self._begun is not None:
            first, rest = self._begun
            self._begun = None
            if first is not None:
                yield first
            yield from rest
        else:
            yield from self._batches()

    def _look(self) -> None:
        """Read the head, and keep what has been read of a file that cannot be read again."""
        batches = self._batches()
        first = next(batches, None)
        if self.header is None:
            rows = first.rows if first is not None else ()
            objects = (row for row in rows if isinstance(row, dict))
            self.fields = tuple(dict.fromkeys(field for row in objects for field in row))
        else:
            self.fields = self.header
        if self.source.is_repeatable:
            with closing(batches):  # type: ignore[type-var]
                return
        self._begun = (first, batches)

    def _batches(self) -> Iterator[Batch]:
        with opened(self.source, self._dialect, self._table) as found:
            self.header = found.header
            self.advice = found.advice
            yield from found.batches
