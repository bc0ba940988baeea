"""Rows as every format shows them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from dbctl.inspect.data.verbatim import JsonRow, WithRows
from dbctl.results import FallibleResult, Result, without_none

_CONFIG = ConfigDict(frozen=True, serialize_by_alias=True, defer_build=True)


class Header(BaseModel):
    """A column of the rows.

    `type` is PostgreSQL's name of its type; of a `masked` one no value is shown, for a `reason`.
    """

    model_config: ClassVar[ConfigDict] = _CONFIG

    name: str
    type: str
    primary_key: bool = False
    masked: bool = False
    reason: str | None = None
    _serialize = without_none("reason")


class RowSet(WithRows, FallibleResult):
    """Some rows, and whether there are `more`; a value is what `encodings` makes of its type.

    `count` is how many were read. Where `next` is given, it continues after the last one.
    """

    model_config: ClassVar[ConfigDict] = _CONFIG

    headers: tuple[Header, ...] = Field(serialization_alias="columns")
    rows: tuple[JsonRow, ...] = ()
    count: int = 0
    more: bool = False
    next: str | None = None

    def json_rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows."""
        yield from self.rows

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return the rows themselves."""
        return self.rows

    def columns(self) -> Sequence[str]:
        """Return the columns' names."""
        return [header.name for header in self.headers]


class RowsResult(RowSet):
    """Some rows of a relation; `order` is what they are sorted by.

    They come `after` a place in that order, and after `offset` more. Of a `sample` they are random.
    """

    table: str
    limit: int | None
    offset: int = 0
    after: str | None = None
    order: tuple[str, ...] = ()
    sample: bool = False


class CountResult(Result):
    """How many rows there are, exactly."""

    table: str
    count: int


class Reference(BaseModel):
    """What a foreign key of a row refers to.

    `key` has the values of its `columns`, None where one of them is NULL, masked where one of them
    is. `label` is a name of the row that is `found` there. `note` says why nobody looked. `command`
    shows that row, and `rows` has it where references are followed.
    """

    model_config: ClassVar[ConfigDict] = _CONFIG

    constraint: str
    columns: tuple[str, ...]
    table: str
    referenced_columns: tuple[str, ...]
    key: tuple[str, ...] | None = None
    found: bool = False
    label: str | None = None
    note: str | None = None
    command: str | None = None
    rows: RowsResult | None = None


class Referrer(BaseModel):
    """The rows of another table that refer to a row.

    There are `count` of them, or with `more` at least so many; None where nobody counted, for what
    `note` says. `command` shows them, and `rows` has the first where references are followed.
    """

    model_config: ClassVar[ConfigDict] = _CONFIG

    constraint: str
    table: str
    columns: tuple[str, ...]
    referenced_columns: tuple[str, ...]
    count: int | None = None
    more: bool = False
    note: str | None = None
    command: str | None = None
    rows: RowsResult | None = None


class RowResult(WithRows, Result):
    """The one row with a key, what it refers to and what refers to it."""

    model_config: ClassVar[ConfigDict] = _CONFIG

    table: str
    headers: tuple[Header, ...] = Field(serialization_alias="columns")
    row: JsonRow
    references: tuple[Reference, ...] = ()
    referenced_by: tuple[Referrer, ...] = ()

    def json_rows(self) -> Iterator[dict[str, Any]]:
        """Yield the row, and those at the other ends that were followed."""
        yield self.row
        for found in (*(r.rows for r in self.references), *(r.rows for r in self.referenced_by)):
            if found:
                yield from found.rows

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return the row."""
        return [self.row]

    def columns(self) -> Sequence[str]:
        """Return the columns' names."""
        return [header.name for header in self.headers]
