"""The PostgreSQL that dbctl runs itself when no DATABASE_URL is set: one per project.

It is started at the first need and left running. Below the state folder each project has
`<name>-<hash of its path>/pg<major>/` with

    start.lock        held while someone initialises, starts, stops or destroys
    data/             the cluster; data.tmp-* and data.gone-* are leftovers, swept at a start
    data.lock         held by the server's processes for as long as one lives
    data.start.log    what the last start printed; log/ has the rest
    project           the project's path; written when the server was last used
"""

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from dbctl.db.embedded_branches import DEFAULT_DATABASE, forget_names
from dbctl.db.embedded_clusters import forget_use, note_use, size_of
from dbctl.db.pgbinaries import Binaries, find_binaries, runnable_by, system_binaries
from dbctl.db.pgcluster import PORT, SUPERUSER, Cluster
from dbctl.db.pgfailures import embedded_failure, os_errors_explained
from dbctl.db.pgfiles import (
    is_private,
    locked,
    make_folders,
    make_service_folder,
    make_socket_folder,
)
from dbctl.db.pgprocess import service_account

STATE_DIR_VARIABLE = "DBCTL_STATE_DIR"
ROOT_STATE_DIR = Path("/var/lib/dbctl")  # root's home is closed to the user that runs the server
LOCK_TIMEOUT = 60.0

# A developer's machine runs one server per project. Users may change these: ALTER SYSTEM.
DEFAULTS: Mapping[str, str] = {
    "shared_buffers": "64MB",
    "max_connections": "100",
    "max_wal_size": "512MB",
    "log_checkpoints": "off",
}

type Notice = Callable[[str], None]


class ServerState(StrEnum):
    """Whether a project's server accepts connections, has only its data there, or nothing."""

    RUNNING = "running"
    STOPPED = "stopped"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """What there is of a project's embedded server.

    `size_bytes` is the room that data and logs take; `other_clusters` are the data folders of
    this project made by other PostgreSQL majors, which are kept but not used.
    """

    state: ServerState
    project: Path
    url: str | None
    pid: int | None
    version: str
    bindir: Path
    source: str
    data_dir: Path
    log_dir: Path
    size_bytes: int
    other_clusters: tuple[Path, ...]


class EmbeddedServer:
    """The embedded server of the project in a folder; nothing happens at construction.

    `pg_bindir` is DB_PG_BINDIR; `state_dir` is where clusters live (default: DBCTL_STATE_DIR, for
    root /var/lib/dbctl, else the user's state folder), a relative one below the project;
    `cluster_dir` names a cluster that is there in place of the project's own. Every
    method raises ConfigurationError when there are no binaries and ConnectionFailed (both with an
    EMBEDDED_* code) for the rest.
    """

    def __init__(
        self,
        project: Path,
        *,
        pg_bindir: Path | None = None,
        state_dir: Path | None = None,
        cluster_dir: Path | None = None,
    ) -> None:
        self.project = project.resolve()
        self._cluster_dir = cluster_dir
        self._pg_bindir = pg_bindir
        self._state_dir = state_dir

    @cached_property
    def binaries(self) -> Binaries:
        """Find the PostgreSQL that this server runs."""
        return find_binaries(self._pg_bindir)

    @cached_property
    def cluster_dir(self) -> Path:
        """Return the folder with this project's cluster of this PostgreSQL major."""
        if self._cluster_dir is not None:
            return self._cluster_dir
        return self.clusters_dir / f"pg{self.binaries.major}"

    @property
    def clusters_dir(self) -> Path:
        """Return the folder with this project's clusters, one for each PostgreSQL major."""
        slug = re.sub(r"[^a-z0-9]+", "-", self.project.name.lower())[:40].strip("-") or "project"
        return self.state_dir / f"{slug}-{_digest(self.project)}"

    @cached_property
    def cluster(self) -> Cluster:
        """Return the cluster with its folders and settings."""
        data_dir = self.cluster_dir / "data"
        return Cluster(
            data_dir=data_dir,
            socket_dir=Path(f"/tmp/dbctl-{os.geteuid()}") / _digest(self.cluster_dir),  # noqa: S108 - short and the same in every session; verified before use
            binaries=self.binaries,
            settings={
                "cluster_name": self.cluster_dir.parent.name,  # ps shows whose server it is
                "logging_collector": "on",
                "log_directory": str(self.log_dir),
                "log_filename": "postgresql-%a.log",  # a week of logs, each day over the old one
                "log_rotation_age": "1d",
                "log_rotation_size": "0",
                "log_truncate_on_rotation": "on",
            },
            account=service_account(data_dir),
        )

    @property
    def log_dir(self) -> Path:
        """Return the folder that the server logs to."""
        return self.cluster_dir / "log"

    @property
    def url(self) -> str:
        """Return the connection URL of the default database, whether or not the server runs."""
        return self.url_of(DEFAULT_DATABASE)

    def url_of(self, database: str) -> str:
        """Return the connection URL of a database whose name needs no escape."""
        host = quote(str(self.cluster.socket_dir), safe="/")
        # Without its port the URL would change its meaning with the caller's PGPORT.
        return f"postgresql://{SUPERUSER}@/{database}?host={host}&port={PORT}"

    def ensure_running(self, on_notice: Notice | None = None) -> str:
        """Attach to the server, or create and start it first; return its URL.

        `on_notice` hears, in a sentence each, of steps that take a moment or deserve a thought.
        """
        with os_errors_explained(self.cluster_dir):
            if not self._is_ready():
                self._bring_up(on_notice or (lambda _: None))
        note_use(self.cluster_dir, self.project)
        return self.url

    def status(self) -> ServerStatus:
        """Describe the server without changing anything."""
        with os_errors_explained(self.cluster_dir):
            running = self._is_ready()
            data_dir = self.cluster.data_dir
            stopped = ServerState.STOPPED if data_dir.exists() else ServerState.ABSENT
            return ServerStatus(
                state=ServerState.RUNNING if running else stopped,
                project=self.project,
                url=self.url if running else None,
                pid=self.cluster.postmaster_pid() if running else None,
                version=self.binaries.version,
                bindir=self.binaries.bindir,
                source=self.binaries.source,
                data_dir=data_dir,
                log_dir=self.log_dir,
                size_bytes=size_of(data_dir) + size_of(self.log_dir),
                other_clusters=self._other_clusters(),
            )

    def stop(self) -> bool:
        """Shut the server down, which ends its sessions; return whether one was running."""
        with os_errors_explained(self.cluster_dir):
            if not self.cluster_dir.exists():
                return False
            self._refuse_other_owner()
            with locked(self.cluster_dir / "start.lock", LOCK_TIMEOUT):
                stopped = self.cluster.stop()
                self._drop_empty_socket_folder()
                return stopped

    def destroy(self) -> bool:
        """Stop the server and remove its data and logs; return whether there was anything.

        Its emptied folder and start.lock stay: another dbctl may be waiting for that lock.
        """
        with os_errors_explained(self.cluster_dir):
            if not self.cluster.data_dir.exists():
                return False
            self._refuse_other_owner()
            self._refuse_link()
            with locked(self.cluster_dir / "start.lock", LOCK_TIMEOUT):
                self.cluster.stop()
                if not self.cluster.data_dir.exists():  # another dbctl was quicker
                    return False
                gone = self.cluster_dir / f"data.gone-{os.getpid()}"
                self.cluster.data_dir.rename(gone)
                for folder in (gone, self.log_dir, self.cluster.socket_dir):
                    if folder.exists():
                        shutil.rmtree(folder)
                self.cluster.start_log.unlink(missing_ok=True)
                self.cluster.lock_file.unlink(missing_ok=True)
                forget_use(self.cluster_dir)
                forget_names(self.cluster_dir)
        return True

    def _is_ready(self) -> bool:
        # Without the first, someone else's server in a folder they prepared could pass for ours.
        folder, account = self.cluster.socket_dir, self.cluster.account
        return is_private(folder, account.uid) and self.cluster.is_ready()

    def _bring_up(self, notice: Notice) -> None:
        # As root the server's user has to reach its own folders inside, and nothing else.
        make_folders(self.cluster_dir, 0o700 if self.cluster.account.is_caller else 0o755)
        self._refuse_other_owner()
        with locked(self.cluster_dir / "start.lock", LOCK_TIMEOUT) as start_lock:
            if self._is_ready():
                return
            self._sweep(notice)
            make_socket_folder(self.cluster.socket_dir, self.cluster.account)
            make_service_folder(self.log_dir, self.cluster.account)
            try:
                self._create_and_start(notice, start_lock)
            except BaseException:
                self._drop_empty_socket_folder()
                raise

    def _create_and_start(self, notice: Notice, start_lock: int) -> None:
        copies = self.state_dir / "binaries"
        binaries = runnable_by(self.binaries, self.cluster.account, copies)
        cluster = replace(self.cluster, binaries=binaries)
        if cluster.data_dir.exists():
            notice(f"Starting the embedded PostgreSQL {binaries.version}.")
        else:
            self._mention_other_clusters(notice)
            notice(
                f"Creating an embedded PostgreSQL {binaries.version} for {self.project} "
                f"in {self.cluster_dir}."
            )
            # initdb inherits the lock: should this process be killed, the next one waits for the
            # orphan to end before it sweeps its folder.
            cluster.initialise(database=DEFAULT_DATABASE, defaults=DEFAULTS, keep_fds=(start_lock,))
        cluster.start()

    def _drop_empty_socket_folder(self) -> None:
        with suppress(OSError):
            self.cluster.socket_dir.rmdir()

    def _sweep(self, notice: Notice) -> None:
        for pattern in ("data.tmp-*", "data.gone-*"):
            for leftover in self.cluster_dir.glob(pattern):
                try:
                    shutil.rmtree(leftover)
                except OSError as error:  # it takes room, but stands in nobody's way
                    notice(f"Cannot remove the leftover {leftover}: {error.strerror or error}.")

    def _refuse_link(self) -> None:
        data_dir = self.cluster.data_dir
        if data_dir.is_symlink():
            raise embedded_failure(
                f"{data_dir} is a link to {data_dir.resolve()}, which dbctl did not make.",
                hint="Run `dbctl server stop`, then remove both by hand.",
            )

    def _refuse_other_owner(self) -> None:
        owner = self.cluster_dir.stat().st_uid
        if owner != os.geteuid():
            raise embedded_failure(
                f"{self.cluster_dir} belongs to user id {owner}, you are {os.geteuid()}.",
                hint="Run dbctl as that user, or set DBCTL_STATE_DIR to a folder of your own.",
            )

    def _other_clusters(self) -> tuple[Path, ...]:
        found = self.cluster_dir.parent.glob("pg*/data")
        return tuple(sorted(path for path in found if path != self.cluster.data_dir))

    def _mention_other_clusters(self, notice: Notice) -> None:
        for data_dir in self._other_clusters():
            major = data_dir.parent.name.removeprefix("pg")
            bindirs = [str(each.bindir) for each in system_binaries() if str(each.major) == major]
            bindir = bindirs[0] if bindirs else f"the bin folder of a PostgreSQL {major}"
            notice(
                f"This project's PostgreSQL {major} data is kept in {data_dir}, and not used by "
                f"PostgreSQL {self.binaries.major}. To use it, set DB_PG_BINDIR to {bindir}."
            )

    @property
    def state_dir(self) -> Path:
        """Return the folder with the clusters of all projects."""
        # Whatever the working directory: a project has one server, not one per folder in it.
        base = (self._state_dir or _default_state_dir()).expanduser()
        return (self.project / base).resolve()


def _default_state_dir() -> Path:
    if named := os.environ.get(STATE_DIR_VARIABLE):
        return Path(named)
    if os.geteuid() == 0:
        return ROOT_STATE_DIR
    from platformdirs import user_state_path  # costs 15 ms, and is not always needed

    return user_state_path("dbctl")


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
