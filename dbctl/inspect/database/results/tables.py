"""What `inspect tables` finds out."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from pydantic import Field

from dbctl.inspect.database.results.parts import Part
from dbctl.results import Result


class TableSummary(Part):
    """One relation; a partitioned table is the sum of its partitions.

    Sizes are in bytes, None where there are none or the relation is locked: `total_bytes` is
    `table_bytes` with TOAST (`toast_bytes` of it) and `index_bytes`. `estimated_rows` is the
    planner's estimate, None where nothing was analysed yet; `exact_rows` is what was counted, None
    where it was not, and `not_counted` says why. `dead_rows` waits for a vacuum. The times are the
    latest ones, of any partition. `parent` is the partitioned table of a partition, `level` its
    depth below the topmost one.
    """

    # BaseModel has a `schema` of its own.
    schema_name: str = Field(serialization_alias="schema")
    name: str
    kind: str
    parent: str | None = None
    level: int = 0
    estimated_rows: int | None
    exact_rows: int | None = None
    not_counted: str | None = None
    dead_rows: int | None = None
    total_bytes: int | None
    table_bytes: int | None = None
    index_bytes: int | None = None
    toast_bytes: int | None = None
    last_vacuum: datetime | None = None
    last_autovacuum: datetime | None = None
    last_analyze: datetime | None = None
    last_autoanalyze: datetime | None = None
    comment: str | None

    @property
    def rows(self) -> int | None:
        """The number of rows that is known best."""
        return self.estimated_rows if self.exact_rows is None else self.exact_rows


class TablesResult(Result):
    """The relations of a database as they were at `read_at`; `exact` where rows were counted."""

    database: str
    read_at: datetime
    exact: bool = False
    tables: tuple[TableSummary, ...]

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return one row per relation."""
        return [table.model_dump(mode="json") for table in self.tables]

    def columns(self) -> Sequence[str]:
        """Return the header, which an empty database has too."""
        return ["schema", *(name for name in TableSummary.model_fields if name != "schema_name")]
