"""What the server operations return."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

from dbctl.results import Result


class Server(Result):
    """The embedded server of a project as it is now.

    `size_bytes` counts its data and logs; `other_clusters` are the data folders that other
    PostgreSQL majors made for this project, kept but not used. `url` is that of the `branch` that
    commands use, and `branch_origin` what chose it.
    """

    state: Literal["running", "stopped", "absent"]
    project: Path
    url: str | None
    branch: str
    branch_origin: str
    database: str
    pid: int | None
    version: str
    binaries: Path
    binaries_source: str
    data_dir: Path
    log_dir: Path
    size_bytes: int
    other_clusters: tuple[Path, ...]


class ServerUrl(Result):
    """The connection string of the running embedded server."""

    url: str


class ServerChange(Result):
    """What became of the embedded server; `changed` is False when there was nothing to do."""

    action: Literal["stopped", "destroyed"]
    changed: bool
    data_dir: Path


class StoredServer(Result):
    """The cluster of one project; `project` is None where it is not known whose it is.

    `project_exists` is whether that folder is there, None where it is not known. `last_used` is
    when a command last used it; of clusters that have no note of that, when it last started.
    `branches` and `snapshots` are those that dbctl last saw there.
    """

    project: Path | None
    project_exists: bool | None
    state: Literal["running", "stopped"]
    major: int
    size_bytes: int
    last_used: datetime | None
    data_dir: Path
    branches: tuple[str, ...] = ()
    snapshots: tuple[str, ...] = ()


class ServerList(Result):
    """The clusters of all projects below a folder."""

    state_dir: Path
    servers: tuple[StoredServer, ...]

    @property
    def size_bytes(self) -> int:
        """The room that they take together."""
        return sum(server.size_bytes for server in self.servers)

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return one row per cluster."""
        return [server.model_dump(mode="json") for server in self.servers]

    def columns(self) -> Sequence[str]:
        """Return the header, which an empty list has too."""
        return list(StoredServer.model_fields)


class Pruned(ServerList):
    """The clusters that were removed with their data."""
