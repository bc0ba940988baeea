"""What `dbctl seed generate` returns."""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from dbctl.results import Result


class ColumnPlan(Result):
    """How a column is made; `by` is dbctl or server."""

    name: str
    type: str
    by: str
    rule: str


class CheckPlan(Result):
    """How a constraint is satisfied: by the rules, by evaluation here, or tried on the server."""

    name: str
    kind: str
    expression: str
    how: str


class GeneratedTable(BaseModel):
    """A table, in the place in which it is filled; `start` is the number of its first row.

    `seconds` is None where nothing was written.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, defer_build=True)

    table: str
    rows: int
    start: int
    seconds: float | None
    columns: tuple[ColumnPlan, ...]
    checks: tuple[CheckPlan, ...]
    notes: tuple[str, ...]


class Generated(Result):
    """The tables that were filled, or would be with `plan`; parents first."""

    database: str
    seed: str
    locale: str
    now: str
    plan: bool
    tables: tuple[GeneratedTable, ...]
    notices: tuple[str, ...] = ()

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return the tables; with `plan` their columns."""
        if not self.plan:
            return [
                table.model_dump(mode="json", include={"table", "rows", "start", "seconds"})
                for table in self.tables
            ]
        return [
            {"table": table.table, "rows": table.rows, **column.model_dump(mode="json")}
            for table in self.tables
            for column in table.columns
        ]
