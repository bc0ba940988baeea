"""What is wrong with a row or with a whole file, told with its place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dbctl.errors import OperationFailed

_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one row; `row` and `line` count from 1, `value` is shortened.

    `column` is the file's name for it where the table has none.
    """

    file: str
    row: int
    reason: str
    line: int | None = None
    column: str | None = None
    value: str | None = None

    @property
    def place(self) -> str:
        """Where it is, for people."""
        line = f" (line {self.line})" if self.line is not None else ""
        column = f", column {self.column}" if self.column is not None else ""
        return f"{self.file}, row {self.row}{line}{column}"

    @property
    def sentence(self) -> str:
        """The whole of it on one line."""
        value = f"{self.value} " if self.value is not None else ""
        return f"{self.place}: {value}{self.reason}"


class FileFault(OperationFailed):
    """A file cannot be read to its end, so that nothing of it was loaded."""


class Faults:
    """Collect faults: all are counted, the first few kept.

    `are_all` tells whether the files were searched for them to their end.
    """

    KEPT = 20

    def __init__(self) -> None:
        self.count = 0
        self.rows = 0
        self.are_all = True
        self.first: list[Fault] = []

    def add(self, found: Iterable[Fault]) -> None:
        """Take in the faults of one row."""
        self.rows += 1
        for fault in found:
            self.count += 1
            if len(self.first) < self.KEPT:
                self.first.append(fault)


def shown(value: object) -> str:
    """Return a value of a file as it is shown to people, shortened."""
    from dbctl.seed.load.exact import dumps

    try:
        text = dumps(value)
    except RecursionError:
        return "…"
    except TypeError:  # what a model's own check found in a value that was read already
        text = dumps(f"\\x{value.hex()}" if isinstance(value, bytes) else str(value))
    # What JSON may have as `\ud800` is no character, which could be written anywhere.
    text = text.encode(errors="backslashreplace").decode()
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def wrong_width(fields: int, columns: int) -> str:
    """Say that a row of CSV has another number of fields than its header."""
    count = f"{fields} field" if fields == 1 else f"{fields} fields"
    return f"the row has {count}, and the header {columns}"
