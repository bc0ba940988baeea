"""What the inspect commands find out, as every format shows it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from dbctl.results import Result


class _Part(BaseModel):
    """A part of a result."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, serialize_by_alias=True)


class TableSummary(_Part):
    """One relation; sizes in bytes, with indexes and TOAST, None where there are none to tell.

    `estimated_rows` is the planner's estimate, None where nothing was analysed yet.
    """

    # BaseModel has a `schema` of its own.
    schema_name: str = Field(serialization_alias="schema")
    name: str
    kind: str
    estimated_rows: int | None
    total_bytes: int | None
    comment: str | None


class TablesResult(Result):
    """The relations of a database, by schema and name."""

    database: str
    tables: tuple[TableSummary, ...]

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return one row per relation."""
        return [table.model_dump(mode="json") for table in self.tables]

    def columns(self) -> Sequence[str]:
        """Return the header, which an empty database has too."""
        return ["schema", "name", "kind", "estimated_rows", "total_bytes", "comment"]


class TableColumn(_Part):
    """A column of a relation.

    `type` is PostgreSQL's name, `key` the place in the primary key from 1, `default` an SQL
    expression; `generated` tells that this expression is computed and how it is kept.
    """

    name: str
    type: str
    nullable: bool
    key: int | None
    default: str | None
    identity: str | None
    generated: str | None
    comment: str | None


class TableIndex(_Part):
    """An index; `valid` is false for what a failed CREATE INDEX CONCURRENTLY left behind."""

    name: str
    definition: str
    primary_key: bool
    unique: bool
    valid: bool
    bytes: int


class TableConstraint(_Part):
    """A constraint that is no foreign key; not `valid` while NOT VALID."""

    name: str
    kind: str
    definition: str
    valid: bool


class ForeignKey(_Part):
    """A foreign key, from `table` to `references`."""

    name: str
    table: str
    columns: tuple[str, ...]
    references: str
    referenced_columns: tuple[str, ...]
    on_update: str
    on_delete: str
    valid: bool


class TableResult(Result):
    """One relation in full."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, serialize_by_alias=True)

    schema_name: str = Field(serialization_alias="schema")
    name: str
    kind: str
    comment: str | None
    estimated_rows: int | None
    total_bytes: int | None
    table_bytes: int | None
    index_bytes: int | None
    table_columns: tuple[TableColumn, ...] = Field(serialization_alias="columns")
    indexes: tuple[TableIndex, ...]
    constraints: tuple[TableConstraint, ...]
    foreign_keys: tuple[ForeignKey, ...]
    referenced_by: tuple[ForeignKey, ...]

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return one row per column."""
        return [column.model_dump(mode="json") for column in self.table_columns]

    def columns(self) -> Sequence[str]:
        """Return the header, which a table without columns has too."""
        return list(TableColumn.model_fields)


class Pool(_Part):
    """The connection pool of this process; counts of connections, `recycle` in seconds."""

    size: int
    max_overflow: int
    checked_in: int
    checked_out: int
    overflow: int
    recycle: int


class Server(_Part):
    """The server at the other end; `tls` is None in plaintext, `pooled` means behind a pooler."""

    host: str
    database: str
    user: str
    version: str
    tls: str | None
    pooled: bool


class Connections(_Part):
    """The clients of the whole server; `reserved` of the `maximum` are not for everybody."""

    used: int
    maximum: int
    reserved: int


class PoolResult(Result):
    """The pool of this process, and the server that it leads to."""

    pool: Pool
    server: Server
    connections: Connections

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return one flat row: `pool_size`, `server_host`, `connections_used`, …"""
        parts = self.model_dump(mode="json")
        return [{f"{part}_{name}": parts[part][name] for part in parts for name in parts[part]}]
