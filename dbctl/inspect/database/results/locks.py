"""What `inspect locks` finds out."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from dbctl.inspect.database.results.parts import Part
from dbctl.results import Result


class Lock(Part):
    """A lock that a session holds, or waits for where it is not `granted`.

    `target` names what is locked, `kind` is its lock type in pg_locks. `waiting_seconds` is None
    where it is granted. `blocked_by` are pids, 0 for a prepared transaction; that has no `pid` but
    a name of its own, `prepared`, and `remedy` is the SQL that ends it. `transaction_seconds` is
    the age of the transaction that has it.
    """

    kind: str
    target: str
    mode: str
    granted: bool
    pid: int | None
    prepared: str | None
    remedy: str | None
    user: str | None
    application: str | None
    waiting_seconds: float | None
    transaction_seconds: float | None
    blocked_by: tuple[int, ...]
    query: str | None


class LocksResult(Result):
    """The locks in a database at `read_at`: what is waited for first, then the strongest."""

    database: str
    read_at: datetime
    locks: tuple[Lock, ...]

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return one row per lock."""
        return [lock.model_dump(mode="json") for lock in self.locks]

    def columns(self) -> Sequence[str]:
        """Return the header, which a database without a lock has too."""
        return list(Lock.model_fields)
