"""A primary and a standby that streams from it, made by pg_basebackup."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from dbctl.db.pgbinaries import Binaries, find_binaries, runnable_by
from dbctl.db.pgcluster import Cluster
from dbctl.db.pgfiles import make_service_folder
from dbctl.db.pgprocess import run, service_account
from tests.support.databases import execute, wait_for

STANDBY = "standby_one"
SLOT = "for_standby_one"
_PORT = 5432
# Read before the environment of the machine is kept out.
_BINDIR = os.environ.get("DBCTL_TEST_PG_BINDIR")


@dataclass(frozen=True)
class Standby:
    """A standby: a server that Cluster does not start, for it is never ready to write."""

    primary: Cluster
    data_dir: Path
    socket_dir: Path

    @property
    def url(self) -> str:
        """The URL of its superuser."""
        return _url(self.socket_dir)

    def start(self) -> None:
        """Start it, and return when it lets readers in."""
        options = f"-k {self.socket_dir} -p {_PORT} -c listen_addresses=''"
        options += " -c wal_retrieve_retry_interval=100ms"  # the seconds between two tries
        self._control("-o", options, "-l", f"{self.data_dir}.log", "start")

    def stop(self) -> None:
        """Stop it and return when it is gone; when nothing runs, do nothing."""
        if (self.data_dir / "postmaster.pid").exists():
            self._control("-m", "fast", "stop")

    def _control(self, *arguments: str) -> None:
        control: list[str | Path] = [
            self.primary.binaries / "pg_ctl",
            "-D",
            self.data_dir,
            "-w",
            *arguments,
        ]
        done = run(control, self.primary.account)
        assert done.returncode == 0, done.output


@dataclass(frozen=True)
class Replication:
    """A primary and its standby, which streams from it through a slot."""

    primary: Cluster
    standby: Standby

    @property
    def url(self) -> str:
        """The URL of the primary's superuser."""
        return _url(self.primary.socket_dir)

    def write(self) -> None:
        """Make the primary write WAL that the standby has to replay."""
        execute(self.url, "create table if not exists w (n int)", "insert into w values (1)")

    def wait_until_streaming(self) -> None:
        """Return once the standby has replayed all that the primary has written."""
        wait_for(
            self.url,
            "exists (select from pg_stat_replication where state = 'streaming'"
            " and replay_lsn >= pg_current_wal_flush_lsn())",
        )


def _url(sockets: Path) -> str:
    return f"postgresql://postgres@/app?host={quote(str(sockets), safe='')}&port={_PORT}"


def replicating_binaries() -> Binaries | None:
    """Return the PostgreSQL that the tests run on where it comes with pg_basebackup."""
    binaries = find_binaries(Path(_BINDIR) if _BINDIR else None)
    return binaries if (binaries / "pg_basebackup").is_file() else None


@contextmanager
def run_replication(folder: Path, binaries: Binaries) -> Iterator[Replication]:
    """Serve both from new clusters below `folder`, which the servers' account can enter."""
    account = service_account()
    binaries = runnable_by(binaries, account, folder)
    for name in ("one", "two", "clusters"):
        make_service_folder(folder / name, account)
    clusters = folder / "clusters"
    primary = Cluster(
        data_dir=clusters / "primary",
        socket_dir=folder / "one",
        binaries=binaries,
        account=account,
        port=_PORT,
        settings={"fsync": "off", "shared_buffers": "16MB", "wal_sender_timeout": "5s"},
    )
    primary.initialise(database="app")
    standby = Standby(primary, clusters / "standby", folder / "two")
    try:
        primary.start()
        conninfo = (
            f"host={primary.socket_dir} port={_PORT} user=postgres application_name={STANDBY}"
        )
        made = run(
            [
                *(binaries / "pg_basebackup", "-d", conninfo, "-D", standby.data_dir),
                *("--checkpoint=fast", "--wal-method=stream", "--write-recovery-conf"),
                *("--create-slot", f"--slot={SLOT}", "--no-sync"),
            ],
            account,
        )
        assert made.returncode == 0, made.output
        standby.start()
        replication = Replication(primary, standby)
        replication.wait_until_streaming()
        yield replication
    finally:
        standby.stop()
        primary.stop()
