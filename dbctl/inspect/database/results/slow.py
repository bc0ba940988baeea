"""What `inspect slow` finds out."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from dbctl.inspect.database.results.parts import Part
from dbctl.results import Result


class Statement(Part):
    """A kind of statement as pg_stat_statements sums it up, its constants replaced by `$1`.

    The times are in milliseconds: `total_ms` over all `calls`, `io_ms` of it for reading and
    writing blocks, 0 while track_io_timing is off. `share` is the part of the time of all
    statements, `hit_ratio` that of the blocks that were found in memory, both from 0 to 1; None
    where nothing was read. `query` is None where this role may not see it.
    """

    query_id: str
    user: str | None
    calls: int
    rows: int
    total_ms: float
    mean_ms: float
    max_ms: float
    stddev_ms: float
    io_ms: float
    share: float
    hit_ratio: float | None
    blocks_read: int
    temp_blocks: int
    query: str | None


class SlowResult(Result):
    """The statements of a database that take the most, as summed up from `since` to `read_at`.

    `statement_count` of them are known and took `total_ms` together, beside `own_count` queries of
    dbctl's own; `since` is None where that is not known. `io_timing` is whether the server
    measures it. `grant` is the SQL that would show the queries that are hidden from this role, None
    where none is.
    """

    database: str
    read_at: datetime
    since: datetime | None
    sort: str
    io_timing: bool
    statement_count: int
    total_ms: float
    own_count: int = 0
    grant: str | None
    statements: tuple[Statement, ...]

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return one row per statement."""
        return [statement.model_dump(mode="json") for statement in self.statements]

    def columns(self) -> Sequence[str]:
        """Return the header, which a server at rest has too."""
        return list(Statement.model_fields)
