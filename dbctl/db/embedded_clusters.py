"""The clusters of every project's embedded server below a state folder, and whose they are.

The name of a cluster's folder has only a hash of its project's path: `project` beside the data has
the path, and was written again when the server was last used.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dbctl.db.pgfiles import is_locked

_PROJECT = "project"
_FOLDER = re.compile(r"pg(\d+)")


@dataclass(frozen=True, slots=True)
class StoredCluster:
    """A cluster in `folder`; `project` is None where a version of dbctl made it that kept no note.

    `is_there` is whether the project's folder exists, None where it is not known;
    `last_used` is None where it is not known.
    """

    folder: Path
    project: Path | None
    is_there: bool | None
    major: int
    is_running: bool
    size_bytes: int
    last_used: datetime | None

    @property
    def data_dir(self) -> Path:
        """The folder with its data."""
        return self.folder / "data"


def note_use(cluster_dir: Path, project: Path) -> None:
    """Note that the cluster of `project` is used now; without a word where that is not possible.

    What uses a server works without the note.
    """
    note = cluster_dir / _PROJECT
    with suppress(OSError):
        try:
            os.utime(note)
        except FileNotFoundError:
            note.write_bytes(os.fsencode(project))


def forget_use(cluster_dir: Path) -> None:
    """Remove the note, with the data that it is about; raises OSError."""
    (cluster_dir / _PROJECT).unlink(missing_ok=True)


def stored_clusters(state_dir: Path) -> list[StoredCluster]:
    """Return the clusters below `state_dir` that have data, the last used one first.

    Raises OSError.
    """
    found = [
        _stored(data_dir.parent, int(major[1]))
        for data_dir in state_dir.glob("*/pg*/data")
        if (major := _FOLDER.fullmatch(data_dir.parent.name)) and data_dir.is_dir()
    ]
    oldest = datetime.min.replace(tzinfo=UTC)
    return sorted(found, key=lambda one: (one.last_used or oldest, str(one.folder)), reverse=True)


def _stored(folder: Path, major: int) -> StoredCluster:
    project: Path | None = None
    with suppress(OSError):
        project = Path(os.fsdecode((folder / _PROJECT).read_bytes()))
    return StoredCluster(
        folder=folder,
        project=project,
        is_there=None if project is None else project.is_dir(),
        major=major,
        is_running=is_locked(folder / "data.lock"),
        size_bytes=size_of(folder),
        last_used=_last_used(folder),
    )


def _last_used(folder: Path) -> datetime | None:
    """Return when the cluster was last used, or at least started."""
    for name in (_PROJECT, "data.start.log"):
        with suppress(OSError):
            return datetime.fromtimestamp((folder / name).stat().st_mtime, UTC)
    return None


def size_of(folder: Path) -> int:
    """Return the bytes that the files below `folder` occupy; 0 when it does not exist."""
    total = 0
    for parent, _, names in folder.walk():
        for name in names:
            with suppress(FileNotFoundError):  # a running server removes files
                total += (parent / name).lstat().st_blocks * 512
    return total
