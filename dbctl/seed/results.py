"""What seeding returns."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from dbctl.results import Result


class RowState(StrEnum):
    """Whether a run wrote a row or found it."""

    CREATED = "created"
    ALREADY_THERE = "already there"


class SeededRow(Result):
    """One row of a seed set as it stands in the database after the run."""

    table: str
    id: UUID
    title: str
    state: RowState
    status: str | None = None
    priority: str | None = None
    due_at: datetime | None = None
    tags: tuple[str, ...] = ()


class Seeded(Result):
    """Every row of a seed set, each written now or found there."""

    seed_set: str
    database: str
    rows: tuple[SeededRow, ...]

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return the rows."""
        return [row.model_dump(mode="json") for row in self.rows]
