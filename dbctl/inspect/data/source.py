"""What is read: columns with the SQL that reads each, and the statement that they come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dbctl.db.catalog import Column
from dbctl.inspect.data.results import RowSet


@dataclass(frozen=True, slots=True)
class Field:
    """A column of what is read.

    `name` is unique within its source. `type` is PostgreSQL's name, `leaf` the built-in type below
    domains and the first array, empty for one that is not built in; `precision` and `scale` are a
    numeric's, None without limit. `sql` is the expression that reads it. Of a `masked` one no value
    is read.
    """

    name: str
    type: str
    leaf: str
    is_array: bool
    sql: str
    precision: int | None = None
    scale: int | None = None
    primary_key: bool = False
    masked: bool = False

    @classmethod
    def of(cls, column: Column, *, masked: bool = False) -> Field:
        """Return the field that reads `column` of the relation that is called `catalog.ALIAS`."""
        return cls(
            name=column.name,
            type=column.type,
            leaf=column.leaf,
            is_array=column.is_array,
            sql=column.sql,
            precision=column.precision,
            scale=column.scale,
            primary_key=column.key_position is not None,
            masked=masked,
        )


@dataclass(frozen=True, slots=True)
class Source:
    """A statement without its SELECT list and LIMIT: `tail` begins with FROM.

    `tail` has `$1`, `$2`, … for `parameters`, which are bound.
    """

    fields: tuple[Field, ...]
    tail: str
    parameters: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer[R: RowSet]:
    """A source, and the result that its rows complete.

    `blank` is that result without rows. At most `limit` rows are read, None for all.
    `next_page` makes of the last row, where more follow, what continues after it.
    """

    source: Source
    blank: R
    limit: int | None = None
    next_page: Callable[[Mapping[str, Any]], str | None] = lambda _row: None
