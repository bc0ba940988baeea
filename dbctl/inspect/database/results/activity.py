"""What `inspect activity` finds out."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from dbctl.inspect.database.results.parts import Part
from dbctl.results import Result


class Backend(Part):
    """A process of the server; who keeps it waiting stands before it, one `depth` less.

    The seconds are those of its transaction, its present state and its wait for a lock, None where
    there is none. `blocked_by` are pids, 0 for a prepared transaction. `hidden` means that this
    role may not see what it does. `query` is the statement that runs, or was the last.
    """

    pid: int
    depth: int
    blocked_by: tuple[int, ...]
    kind: str
    user: str | None
    database: str | None
    application: str | None
    client: str | None
    state: str | None
    transaction_seconds: float | None
    state_seconds: float | None
    waiting_seconds: float | None
    wait_event_type: str | None
    wait_event: str | None
    query: str | None
    hidden: bool


class ActivityResult(Result):
    """Who does what on a server at `read_at`; with `every`, nobody is left out.

    `idle` counts the idle sessions that are left out, `hidden` all whose doings this role may not
    see; `grant` is the SQL that would show them, None where there is none.
    """

    database: str
    read_at: datetime
    every: bool
    idle: int
    hidden: int
    grant: str | None
    backends: tuple[Backend, ...]

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return one row per process."""
        return [backend.model_dump(mode="json") for backend in self.backends]

    def columns(self) -> Sequence[str]:
        """Return the header, which a server at rest has too."""
        return list(Backend.model_fields)
