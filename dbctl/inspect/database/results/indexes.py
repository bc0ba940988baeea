"""What `inspect indexes` finds out."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum

from pydantic import Field

from dbctl.inspect.database.results.parts import Part
from dbctl.results import Result


class Fault(StrEnum):
    """What can be wrong with an index, or with the lack of one."""

    UNUSED = "unused"
    DUPLICATE = "duplicate"
    INVALID = "invalid"
    MISSING = "missing"


class Finding(Part):
    """Something to look at: `table` and `index` as SQL names, `index` None where one is missing.

    `detail` says why in a clause, `remedy` is the SQL that mends it; `bytes` is what it would free,
    or the size of the table that lacks an index.
    """

    fault: Fault
    table: str
    index: str | None
    detail: str
    remedy: str
    bytes: int | None


class Index(Part):
    """An index; that of a partitioned table stands for those of its partitions.

    `keys` are its columns and expressions as SQL, `included` what it carries beside them. `bytes`
    is None where the index is locked. `scans` counts its uses since the statistics began,
    `last_scan` is None where that is not known: never, or before PostgreSQL 16.
    """

    schema_name: str = Field(serialization_alias="schema")
    table: str
    name: str
    method: str
    keys: tuple[str, ...]
    included: tuple[str, ...]
    predicate: str | None
    unique: bool
    constraint: str | None
    valid: bool
    bytes: int | None
    scans: int
    last_scan: datetime | None
    faults: tuple[Fault, ...]


class IndexesResult(Result):
    """The indexes of a database, and what is wrong with them, as it was at `read_at`.

    Scans count since `counted_since` at least; `counted_long` tells whether that is long enough to
    call an index unused. On a `standby` only its own scans
    count. `only` are the faults that were asked for; none means all indexes.
    """

    database: str
    read_at: datetime
    standby: bool
    counted_since: datetime
    counted_long: bool
    only: tuple[Fault, ...]
    indexes: tuple[Index, ...]
    findings: tuple[Finding, ...]

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return one row per index."""
        return [index.model_dump(mode="json") for index in self.indexes] + [
            dict.fromkeys(self.columns())
            | {"table": finding.table, "faults": [finding.fault], "bytes": finding.bytes}
            for finding in self.findings
            if finding.index is None
        ]

    def columns(self) -> Sequence[str]:
        """Return the header, which a database without an index has too."""
        return ["schema", *(name for name in Index.model_fields if name != "schema_name")]
