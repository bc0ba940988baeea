"""What happens while revisions run, as it happens."""

from dataclasses import dataclass

from dbctl.migrate.results import Blocker, LockHolder, Revision


@dataclass(frozen=True, slots=True)
class LockAwaited:
    """Another run holds the deployer lock; `left` is how many seconds it is waited for."""

    holder: LockHolder | None
    left: float


@dataclass(frozen=True, slots=True)
class Started:
    """A revision is about to run: the `index`th of `total`, for the `attempt`th time."""

    index: int
    total: int
    revision: Revision
    attempt: int


@dataclass(frozen=True, slots=True)
class Finished:
    """A revision was committed after `seconds`; what follows it may still fail."""

    index: int
    total: int
    revision: Revision
    seconds: float
    attempts: int


@dataclass(frozen=True, slots=True)
class Blocked:
    """Other sessions keep a revision from the lock it needs."""

    revision: str
    blockers: tuple[Blocker, ...]


@dataclass(frozen=True, slots=True)
class Building:
    """The server builds an index: `done` of `total` of the `unit` of this phase."""

    revision: str
    index: str
    phase: str
    done: int
    total: int
    unit: str


@dataclass(frozen=True, slots=True)
class Retrying:
    """A revision did not get its lock in time and was rolled back; `pause` is in seconds."""

    revision: str
    attempt: int
    pause: float


@dataclass(frozen=True, slots=True)
class InvalidIndexes:
    """Indexes that no query uses: what an interrupted build left behind."""

    names: tuple[str, ...]
    dropped: bool


@dataclass(frozen=True, slots=True)
class FilesChanged:
    """The files of applied revisions are not those that were applied; the run goes on."""

    revisions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unversioned:
    """The database has tables and no version; every revision is run, as by plain Alembic."""


@dataclass(frozen=True, slots=True)
class ConnectionLost:
    """The connection was lost, and yet everything was committed; `said` is the server's reason."""

    database: str
    said: str | None


type Event = (
    LockAwaited
    | Started
    | Finished
    | Blocked
    | Building
    | Retrying
    | InvalidIndexes
    | FilesChanged
    | Unversioned
    | ConnectionLost
)
