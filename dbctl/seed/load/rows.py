"""What the readers of every format have in common: batches of rows, and how files are written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

# A batch ends with whichever of them is reached first. Nothing is sent while it is made: what the
# kernel holds for the server lasts for some 700 rows.
BATCH_ROWS = 500
BATCH_BYTES = 512 << 10
# A row that is longer than that is taken for a mistake, such as a quote that is never closed.
ROW_LIMIT = 64 << 20


@dataclass(frozen=True, slots=True)
class Broken:
    """A row that cannot be parsed; `text` is how it stands in the file, or its fields."""

    row: int
    line: int | None
    reason: str
    text: object


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows as they stand in a file: lists of fields in the order of the header, or objects.

    `numbers` are their places in the file, from 1, and `line` tells on which line the row at an
    index of `rows` begins. `may_hold_nul` is whether a text may hold the character NUL,
    `quoted_nulls` how many fields have the text that stands for null in quotes.
    """

    rows: Sequence[Any]
    numbers: Sequence[int]
    line: Callable[[int], int | None]
    broken: Sequence[Broken] = ()
    may_hold_nul: bool = False
    quoted_nulls: int = 0


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the files of a run are written, where that is not to be seen in them.

    `null` is the text that stands for null in CSV where it has no quotes, an empty one without it;
    `force_null` takes it for null in quotes as well. `drops_unnamed` leaves out the columns that
    have no name, whatever is in them. `key` is the path of the array in a JSON object, its parts
    joined by dots. `exact` asks for numbers with every digit.
    """

    delimiter: str | None = None
    null: str | None = None
    force_null: bool = False
    drops_unnamed: bool = False
    key: str | None = None
    exact: bool = False
