"""What the server operations return."""

from pathlib import Path
from typing import Literal

from dbctl.results import Result


class Server(Result):
    """The embedded server of a project as it is now.

    `size_bytes` counts its data and logs; `other_clusters` are the data folders that other
    PostgreSQL majors made for this project, kept but not used.
    """

    state: Literal["running", "stopped", "absent"]
    project: Path
    url: str | None
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
