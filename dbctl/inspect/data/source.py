"""What is read: columns with the SQL that reads each, and the statement that they come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dbctl.db.catalog import Column
from dbctl.inspect.data.results import RowSet
from dbctl.inspect.sensitive.keys import KeyRule

# What may have JSON in it: types that are not built in, and rows of any kind.
OPAQUE = frozenset({"", "record"})
_DOCUMENTS = frozenset({"json", "jsonb"}) | OPAQUE


@dataclass(frozen=True, slots=True)
class Field:
    """A column of what is read.

    `name` is unique within its source. `type` is PostgreSQL's name, `leaf` the built-in type below
    domains and the first array, empty for one that is not built in; `precision` and `scale` are a
    numeric's, None without limit. `sql` is the expression that reads it. Of a `masked` one no value
    is read; `reason` says why. With `keys` its values may be JSON, or have it in them, of which
    some keys hide theirs.
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
    reason: str | None = None
    keys: KeyRule | None = None

    @classmethod
    def of(cls, column: Column, *, reason: str | None = None, keys: KeyRule | None = None) -> Field:
        """Return the field that reads `column` of the relation that is called `catalog.ALIAS`.

        With a `reason` to mask it, its values are not read; `keys` are masked inside of them.
        """
        return cls(
            name=column.name,
            type=column.type,
            leaf=column.leaf,
            is_array=column.is_array,
            sql=column.sql,
            precision=column.precision,
            scale=column.scale,
            primary_key=column.key_position is not None,
            masked=reason is not None,
            reason=reason,
            keys=keys if reason is None else None,
        )


def has_keys(leaf: str) -> bool:
    """Return whether values of a type may be JSON or have it in them."""
    return leaf in _DOCUMENTS


@dataclass(frozen=True, slots=True)
class Source:
    """A statement without its SELECT list and LIMIT: `tail` begins with FROM.

    `tail` has `$1`, `$2`, … for `parameters`, which are bound. `position` is the expression of the
    text that says where a row stands, to continue after it; None where none can tell.
    """

    fields: tuple[Field, ...]
    tail: str
    parameters: tuple[Any, ...] = ()
    position: str | None = None

    def statement(self, limit: int | None) -> str:
        """Return the plain SELECT of up to `limit` rows, and of one more that tells of others."""
        selected = ", ".join(field.sql for field in self.fields)
        return f"SELECT {selected} {self.tail}" + ("" if limit is None else f" LIMIT {limit + 1:d}")


@dataclass(frozen=True, slots=True)
class Answer[R: RowSet]:
    """A source, and the result that its rows complete.

    `blank` is that result without rows. At most `limit` rows are read, None for all. Where more
    follow, its `next` is the position of the last one. Where it is `private`, an error may hold the
    value of a masked column.
    """

    source: Source
    blank: R
    limit: int | None = None
    private: bool = False
