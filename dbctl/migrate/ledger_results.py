"""What the operations on the ledger return."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Literal

from dbctl.results import FallibleResult, Result


class FileState(StrEnum):
    """How the file of an applied revision stands to the one that was recorded."""

    OK = "ok"
    CHANGED = "changed"
    GONE = "gone"
    UNRECORDED = "unrecorded"


class LogEntry(Result):
    """One thing that was done to a revision, by whom, from where and how long it took.

    `message` is what the checkout says of the revision, empty where it does not have it; `seconds`
    is without COMMIT. `role` is the one that logged in at the server, `actor` the name that was
    given with `--as`, `dbctl` the version that did it.
    """

    revision: str
    message: str
    direction: Literal["up", "down", "stamp", "repair"]
    started_at: datetime
    seconds: float
    attempts: int
    role: str
    host: str
    actor: str | None
    dbctl: str
    sha256: str | None


class Log(Result):
    """The newest entries of the ledger, the newest first, and how many there are in `total`."""

    database: str
    total: int
    entries: tuple[LogEntry, ...]

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return one row per entry."""
        return [entry.model_dump(mode="json") for entry in self.entries]

    def columns(self) -> Sequence[str]:
        """Name the columns, which an empty ledger has as well."""
        return list(LogEntry.model_fields)


class FileFinding(Result):
    """A revision, the state of its file, and the SHA-256 that was `recorded` and is `present`."""

    revision: str
    message: str
    state: FileState
    path: str | None
    recorded: str | None
    present: str | None


class VerifiedFile(FileFinding):
    """The same, and the entry of the ledger that says so: all None where there is none."""

    recorded_at: datetime | None
    role: str | None
    host: str | None
    actor: str | None


class Verification(FallibleResult):
    """Every applied revision, in order; `error` says which are not as they were applied."""

    database: str
    revisions: tuple[VerifiedFile, ...]

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return one row per revision."""
        return [revision.model_dump(mode="json") for revision in self.revisions]

    def columns(self) -> Sequence[str]:
        """Name the columns, which an empty database has as well."""
        return list(VerifiedFile.model_fields)


class Repaired(Result):
    """The files that were accepted as they are `present`; gone where that is None."""

    database: str
    accepted: tuple[FileFinding, ...]

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return one row per revision."""
        return [finding.model_dump(mode="json") for finding in self.accepted]

    def columns(self) -> Sequence[str]:
        """Name the columns, which are there with nothing to accept as well."""
        return list(FileFinding.model_fields)
