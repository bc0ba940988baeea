"""What the operations on branches and snapshots of the embedded server return."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

from dbctl.results import Result


class ServerBranch(Result):
    """A branch: a database of the embedded server.

    `made_from` and `made_at` are None for the default one. `sessions` counts who is connected.
    """

    name: str
    database: str
    in_use: bool
    made_from: str | None
    made_at: datetime | None
    size_bytes: int
    sessions: int


class BranchList(Result):
    """The branches of a project's embedded server; `in_use` is the one that commands use.

    It need not be among them: one for a branch of git is made at its first use. `origin` is what
    chose it.
    """

    project: Path
    in_use: str
    origin: str
    branches: tuple[ServerBranch, ...]

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return one row per branch."""
        return [branch.model_dump(mode="json") for branch in self.branches]

    def columns(self) -> Sequence[str]:
        """Return the header, which an empty list has too."""
        return list(ServerBranch.model_fields)


class BranchChange(Result):
    """What was done to a branch; `in_use` is the one that commands use from now on."""

    action: Literal["created", "switched", "dropped"]
    branch: str
    database: str
    made_from: str | None = None
    in_use: str


class Snapshot(Result):
    """A snapshot: the state of the branch `branch` at `taken_at`, kept as a database."""

    name: str
    database: str
    branch: str
    taken_at: datetime
    size_bytes: int


class SnapshotList(Result):
    """The snapshots of a project's embedded server, the newest first."""

    project: Path
    snapshots: tuple[Snapshot, ...]

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return one row per snapshot."""
        return [snapshot.model_dump(mode="json") for snapshot in self.snapshots]

    def columns(self) -> Sequence[str]:
        """Return the header, which an empty list has too."""
        return list(Snapshot.model_fields)


class SnapshotTaken(Snapshot):
    """The snapshot that was taken."""


class SnapshotRestored(Result):
    """The snapshot that a branch was set back to."""

    snapshot: str
    taken_at: datetime
    taken_of: str
    branch: str
    database: str


class SnapshotsForgotten(SnapshotList):
    """The snapshots that were dropped."""
