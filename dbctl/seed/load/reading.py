"""Open a file for its rows, whatever it is written in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from dbctl.seed.load.forms import Form
from dbctl.seed.load.rows import Batch, Dialect
from dbctl.seed.load.sources import Source


@dataclass(frozen=True, slots=True)
class Opened:
    """A file to be read; `header` has the fields of a CSV file in their order.

    `advice` says what to give where its head looks as if it were written in another way.
    """

    header: tuple[str, ...] | None
    batches: Iterator[Batch]
    advice: str | None = None


@contextmanager
def opened(source: Source, dialect: Dialect, table: str) -> Iterator[Opened]:
    """Yield the rows of a file from its first one on.

    `table` is the name under which an application's file may have them. Raises UsageError where
    the file is not there or does not say which rows are meant, FileFault where it is damaged.
    """
    match source.form:
        case Form.CSV:
            from dbctl.seed.load.csv_rows import CsvRows

            with source.open() as stream:
                found = CsvRows(source, stream, dialect)
                yield Opened(found.header, found.batches(), found.advice)
        case Form.NDJSON:
            from dbctl.seed.load import json_lines

            with source.open() as stream:
                yield Opened(None, json_lines.batches(source, stream, dialect))
        case Form.JSON:
            from dbctl.seed.load import json_array

            path = json_array.find_rows(source, dialect, table)
            with source.open() as stream:
                yield Opened(None, json_array.batches(source, stream, path))
