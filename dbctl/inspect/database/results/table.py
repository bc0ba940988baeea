"""What `inspect table` finds out."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import ClassVar

from pydantic import ConfigDict, Field

from dbctl.inspect.database.results.parts import Part
from dbctl.results import Result


class TableColumn(Part):
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


class TableIndex(Part):
    """An index; `valid` is false for what a failed CREATE INDEX CONCURRENTLY left behind.

    `scans` counts its uses since the statistics were reset, `last_scan` is None where it is not
    known: never, or before PostgreSQL 16. `constraint` names what it enforces.
    """

    name: str
    definition: str
    primary_key: bool
    unique: bool
    valid: bool
    constraint: str | None
    bytes: int | None
    scans: int
    last_scan: datetime | None
    comment: str | None


class TableConstraint(Part):
    """A constraint that is no foreign key; not `valid` while NOT VALID."""

    name: str
    kind: str
    definition: str
    valid: bool


class ForeignKey(Part):
    """A foreign key, from `table` to `references`."""

    name: str
    table: str
    columns: tuple[str, ...]
    references: str
    referenced_columns: tuple[str, ...]
    on_update: str
    on_delete: str
    valid: bool


class Trigger(Part):
    """A trigger that somebody made; `enabled` as in pg_trigger: origin, always, replica, no."""

    name: str
    definition: str
    function: str
    enabled: str


class Policy(Part):
    """A row-level security policy; `roles` is empty for everybody."""

    name: str
    command: str
    permissive: bool
    roles: tuple[str, ...]
    using: str | None
    check: str | None


class Partition(Part):
    """A partition or a child table; `bounds` is None for a child that only inherits."""

    name: str
    bounds: str | None
    estimated_rows: int | None
    total_bytes: int | None


class TableResult(Result):
    """One relation in full, as it was at `read_at`; sizes in bytes.

    `partition_key` is that of a partitioned table, `bounds` are those of a partition in the first
    of its `parents`. `row_security` is on, forced (for the owner too) or None. `options` are the
    storage parameters. `view_definition` is the query of a view.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, serialize_by_alias=True)

    schema_name: str = Field(serialization_alias="schema")
    name: str
    kind: str
    read_at: datetime
    comment: str | None
    persistence: str
    estimated_rows: int | None
    dead_rows: int | None
    total_bytes: int | None
    table_bytes: int | None
    index_bytes: int | None
    toast_bytes: int | None
    last_vacuum: datetime | None
    last_autovacuum: datetime | None
    last_analyze: datetime | None
    last_autoanalyze: datetime | None
    options: tuple[str, ...]
    partition_key: str | None
    bounds: str | None
    parents: tuple[str, ...]
    row_security: str | None
    view_definition: str | None
    table_columns: tuple[TableColumn, ...] = Field(serialization_alias="columns")
    indexes: tuple[TableIndex, ...]
    constraints: tuple[TableConstraint, ...]
    foreign_keys: tuple[ForeignKey, ...]
    referenced_by: tuple[ForeignKey, ...]
    triggers: tuple[Trigger, ...]
    policies: tuple[Policy, ...]
    children: tuple[Partition, ...]

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return one row per column."""
        return [column.model_dump(mode="json") for column in self.table_columns]

    def columns(self) -> Sequence[str]:
        """Return the header, which a table without columns has too."""
        return list(TableColumn.model_fields)


class DdlResult(Result):
    """The SQL that makes a relation anew, and those in `also`; a newline at its end."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, serialize_by_alias=True)

    schema_name: str = Field(serialization_alias="schema")
    name: str
    kind: str
    also: tuple[str, ...] = ()
    ddl: str
