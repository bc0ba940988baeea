"""What `inspect size` finds out."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from pydantic import Field

from dbctl.inspect.database.results.parts import Part
from dbctl.results import Result


class Share(Part):
    """Something that takes room, in bytes: `heap_bytes`, `index_bytes` and `toast_bytes` add up.

    The heap is the rows themselves with what PostgreSQL keeps beside them (free space and
    visibility maps).
    """

    name: str
    total_bytes: int
    heap_bytes: int
    index_bytes: int
    toast_bytes: int


class TableSize(Share):
    """A table with its partitions, or a materialized view."""

    schema_name: str = Field(serialization_alias="schema")


class IndexSize(Part):
    """An index, with those of the partitions; in bytes."""

    schema_name: str = Field(serialization_alias="schema")
    table: str
    name: str
    bytes: int


class DatabaseSize(Part):
    """A database of the same server; `bytes` is None where this role may not connect to it."""

    name: str
    bytes: int | None


class SizeResult(Result):
    """What takes how much room at `read_at`, the largest first, `limit` of a kind at most.

    `other_bytes` are the system's own tables and what belongs to no table. `locked` names the
    tables that were left out because to ask for their size would wait.
    """

    database: str
    read_at: datetime
    total_bytes: int
    other_bytes: int
    limit: int
    schemas: tuple[Share, ...]
    table_count: int
    tables: tuple[TableSize, ...]
    index_count: int
    indexes: tuple[IndexSize, ...]
    databases: tuple[DatabaseSize, ...]
    locked: tuple[str, ...]

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return one row per table."""
        return [table.model_dump(mode="json") for table in self.tables]

    def columns(self) -> Sequence[str]:
        """Return the header, which an empty database has too."""
        return ["name", "total_bytes", "heap_bytes", "index_bytes", "toast_bytes", "schema"]
