"""What running and listing seed sets returns."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from dbctl.results import Result


class RowState(StrEnum):
    """What a run did with a row, or would do.

    A reset has kept what is under the primary key of a row of the set, but has another natural key:
    it was changed since, or is somebody else's.
    """

    DELETED = "deleted"
    KEPT = "kept"
    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


class _Part(BaseModel):
    """A part of a result."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, defer_build=True)


class Change(_Part):
    """A column that an update changes, its values as PostgreSQL writes them, None for null.

    They are cut after a thousand characters.
    """

    column: str
    old: str | None
    new: str | None


class SetRow(_Part):
    """One row of a set: by what it is known again, and what people call it."""

    table: str
    key: str
    label: str
    state: RowState
    changes: tuple[Change, ...] = ()


class Affected(_Part):
    """Rows of others that a reset takes along; `action` is what the foreign key says.

    `action` is in SQL's words: CASCADE, SET NULL or SET DEFAULT.
    """

    table: str
    action: str
    rows: int


class SetResult(Result):
    """What a run of a seed set wrote; with `plan`, what it would write.

    The rows are in the order of the set, after those that a reset deleted or kept. `notices` says
    in a sentence each what could not be done beside them.
    """

    set_name: str = Field(serialization_alias="set")
    database: str
    plan: bool
    deleted: int
    kept: int
    created: int
    updated: int
    unchanged: int
    affected: tuple[Affected, ...]
    rows: tuple[SetRow, ...]
    notices: tuple[str, ...]

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, defer_build=True, serialize_by_alias=True
    )

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return the rows."""
        return [row.model_dump(mode="json") for row in self.rows]

    def columns(self) -> Sequence[str]:
        """Return the header, which an empty set has too."""
        return list(SetRow.model_fields)


class SetInfo(_Part):
    """A set of the project; `fault` tells why it could not be run.

    `last_run` and `rows`, as many as it left there, are None where it was not run here, and where
    no database could be asked.
    """

    name: str
    source: str
    description: str
    fault: str | None
    last_run: datetime | None
    last_run_by: str | None
    rows: int | None


class SetList(Result):
    """The seed sets of a project, by name; `database` is None where none could be asked."""

    database: str | None
    sets: tuple[SetInfo, ...]

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return one row per set."""
        return [one.model_dump(mode="json") for one in self.sets]

    def columns(self) -> Sequence[str]:
        """Return the header, which a project without a set has too."""
        return list(SetInfo.model_fields)
