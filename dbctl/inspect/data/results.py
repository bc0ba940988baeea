"""Rows as every format shows them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from dbctl.results import FallibleResult, Result

_CONFIG = ConfigDict(frozen=True, serialize_by_alias=True)


class Header(BaseModel):
    """A column of the rows.

    `type` is PostgreSQL's name of its type; of a `masked` one no value is shown.
    """

    model_config: ClassVar[ConfigDict] = _CONFIG

    name: str
    type: str
    primary_key: bool = False
    masked: bool = False


class RowSet(FallibleResult):
    """Some rows, and whether there are `more`; a value is what `encodings` makes of its type.

    `count` is how many were read. Where `next` is given, it continues after the last one.
    """

    model_config: ClassVar[ConfigDict] = _CONFIG

    headers: tuple[Header, ...] = Field(serialization_alias="columns")
    rows: tuple[dict[str, Any], ...] = ()
    count: int = 0
    more: bool = False
    next: str | None = None

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return the rows themselves."""
        return self.rows

    def columns(self) -> Sequence[str]:
        """Return the columns' names."""
        return [header.name for header in self.headers]


class RowsResult(RowSet):
    """Some rows of a relation; `order` is what they are sorted by."""

    table: str
    limit: int | None
    offset: int
    order: tuple[str, ...]


class RowResult(Result):
    """The one row with a key."""

    model_config: ClassVar[ConfigDict] = _CONFIG

    table: str
    headers: tuple[Header, ...] = Field(serialization_alias="columns")
    row: dict[str, Any]

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return the row."""
        return [self.row]

    def columns(self) -> Sequence[str]:
        """Return the columns' names."""
        return [header.name for header in self.headers]
