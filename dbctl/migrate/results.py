"""What the migrate operations return."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field, computed_field

from dbctl.errors import ExitCode
from dbctl.results import FallibleResult, Result

type Direction = Literal["up", "down"]


class State(StrEnum):
    """How the schema of a database stands to the revisions of the checkout."""

    CURRENT = "current"
    PENDING = "pending"
    EMPTY = "empty"
    UNMANAGED = "unmanaged"
    AHEAD = "ahead"
    STALE = "stale"
    MULTIPLE_HEADS = "multiple_heads"
    TAMPERED = "tampered"
    DRIFTED = "drifted"
    NO_REVISIONS = "no_revisions"

    @property
    def sentence(self) -> str:
        """What is said of a database in this state, after its name."""
        return _SENTENCES[self]

    @property
    def remedy(self) -> str:
        """What to do about it; empty where there is nothing to do."""
        return _REMEDIES.get(self, "")


_SENTENCES = {
    State.CURRENT: "is at the head",
    State.PENDING: "is behind",
    State.EMPTY: "is empty",
    State.UNMANAGED: "has tables but no version",
    State.AHEAD: "is at a revision that this checkout does not have",
    State.STALE: "records a revision beside one that comes after it",
    State.MULTIPLE_HEADS: "cannot be compared: the revisions have several heads",
    State.TAMPERED: "is at the head, but files of applied revisions were changed",
    State.DRIFTED: "is at the head, but differs from the models",
    State.NO_REVISIONS: "cannot be compared: no revisions were found",
}
_REMEDIES = {
    State.PENDING: "dbctl migrate up",
    State.EMPTY: "dbctl migrate up",
    State.UNMANAGED: "dbctl migrate stamp REV, where REV is the revision its tables are at",
    State.AHEAD: "check out the code that was deployed there",
    State.STALE: "dbctl migrate stamp REV, where REV is the later one",
    State.MULTIPLE_HEADS: "alembic merge heads",
    State.TAMPERED: "dbctl migrate verify",
    State.DRIFTED: "dbctl migrate check",
    State.NO_REVISIONS: "dbctl migrate new MESSAGE for the first one; where there should be some, "
    "check script_location and version_locations in Alembic's configuration",
}


class Revision(Result):
    """One revision of the checkout; `down_revisions` are those it comes directly after."""

    revision: str
    message: str
    down_revisions: tuple[str, ...]


class MigrationStatus(Result):
    """Where a database is, where the checkout is, and the revisions between them in order.

    `stale` are the rows of the version table that it should not have: revisions that another one of
    them comes after, and what it has twice; `correction` is what removes them. `tampered` are the
    applied revisions whose file is another one now, `differences` those from the models where they
    were asked for, `searched` the folders that revisions were looked for in.
    """

    state: State
    database: str
    current: tuple[str, ...]
    heads: tuple[str, ...]
    pending: tuple[Revision, ...]
    stale: tuple[str, ...] = ()
    correction: str | None = Field(default=None, exclude=True)
    tampered: tuple[str, ...] = ()
    differences: tuple["Difference", ...] = ()
    scripts: str
    searched: tuple[str, ...] = ()

    databases: tuple["MigrationStatus", ...] = ()

    @computed_field  # type: ignore[prop-decorator]
    @property
    def hint(self) -> str | None:
        """What to do about the state."""
        return self.correction or self.state.remedy or None

    @property
    def is_at_head(self) -> bool:
        """Tell whether the database has every revision of the checkout, and no other."""
        return self.state in {State.CURRENT, State.TAMPERED, State.DRIFTED}

    @property
    def exit_code(self) -> ExitCode:
        """Zero only where the database is at the head."""
        return ExitCode.OK if self.state is State.CURRENT else ExitCode.FINDING


class LockHolder(Result):
    """Who holds the deployer lock; what the role may not see is None."""

    pid: int
    application: str
    role: str | None
    since: datetime | None
    seconds: float | None

    @property
    def sentence(self) -> str:
        """Who it is, for people."""
        who = f"pid {self.pid}"
        if self.application:
            who += f", {self.application}"
        if self.since is not None and self.seconds is not None:
            who += f", since {self.since.astimezone():%H:%M:%S} ({self.seconds:.0f} s ago)"
        return who


class Blocker(Result):
    """A session that kept a revision from a lock; `seconds` is the age of its transaction.

    `query` is what it runs or ran last, without literals; `pid` is 0 for a prepared transaction.
    """

    pid: int
    application: str
    role: str | None
    state: str | None
    seconds: float | None
    query: str

    @property
    def sentence(self) -> str:
        """Who it is and what it does, for people."""
        if self.pid == 0:
            return "a prepared transaction"
        age = f" for {self.seconds:.0f} s" if self.seconds is not None else ""
        doing = f", {self.state}{age}" if self.state else ""
        shown = f": {self.query}" if self.query else ""
        return f"pid {self.pid} ({self.application or self.role or 'unnamed'}{doing}){shown}"


class Applied(Result):
    """A revision that was run, and the seconds that its last attempt took, COMMIT included.

    `waited` are the seconds that went by before that, over the attempts that got no lock.
    """

    revision: str
    message: str
    seconds: float
    attempts: int = 1
    waited: float = 0.0
    blockers: tuple[Blocker, ...] = ()


class Migrated(FallibleResult):
    """What a run of `up` or `down` did; `applied` holds what was committed, in order.

    `after` is the version that was read back, None where the database could not be asked.
    `unfinished` is the revision that did not come to its end. `invalid_indexes` are those in the
    database that no query uses. `lock_waited` is in seconds. `atomic` is False where env.py's
    connection commits each statement by itself. `databases` has a result for each where env.py
    configures several; the fields beside it are then those of all.
    """

    direction: Direction
    database: str
    before: tuple[str, ...]
    after: tuple[str, ...] | None
    applied: tuple[Applied, ...]
    unfinished: Applied | None = None
    lock_waited: float = 0.0
    invalid_indexes: tuple[str, ...] = ()
    atomic: bool = True
    databases: tuple["Migrated", ...] = ()

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return one row per revision."""
        return [step.model_dump(mode="json") for step in self.applied]

    def columns(self) -> Sequence[str]:
        """Name the columns, which a run without a revision has as well."""
        return list(Applied.model_fields)


class HistoryEntry(Revision):
    """A revision of the checkout and whether the database has it."""

    applied: bool
    is_head: bool
    is_current: bool
    path: str


class History(Result):
    """Every revision of the checkout, the newest first; `searched` are the folders looked in."""

    database: str
    current: tuple[str, ...]
    revisions: tuple[HistoryEntry, ...]
    searched: tuple[str, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        """One where not one revision was found."""
        return ExitCode.OK if self.revisions else ExitCode.FINDING

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return one row per revision."""
        return [entry.model_dump(mode="json") for entry in self.revisions]


class Stamped(Result):
    """The version that was recorded without running anything."""

    database: str
    before: tuple[str, ...]
    after: tuple[str, ...]


class Difference(Result):
    """One way in which the models and the database are not alike.

    `kind` names the operation that would bring the database to the models, as Alembic does where it
    has one: `add_index`; else in its manner, as `modify_index`; `not_compared` where none is known.
    """

    kind: str
    table: str
    name: str
    detail: str


class Drift(Result):
    """Every difference between the models and the database."""

    database: str
    models: str
    differences: tuple[Difference, ...]

    @property
    def exit_code(self) -> ExitCode:
        """Zero only where there is no difference."""
        return ExitCode.FINDING if self.differences else ExitCode.OK

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return one row per difference."""
        return [difference.model_dump() for difference in self.differences]

    def columns(self) -> Sequence[str]:
        """Name the columns, which a clean database has as well."""
        return list(Difference.model_fields)


class NewRevision(Result):
    """The file that was made for a new revision."""

    revision: str
    message: str
    down_revisions: tuple[str, ...]
    path: str
