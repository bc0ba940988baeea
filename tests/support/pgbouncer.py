"""A real pgbouncer in transaction mode before a server of the tests."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from dbctl.db.dsn import Dsn
from dbctl.db.pgprocess import service_account, spawn
from tests.support.tls import free_port

# Debian installs it where only root's PATH leads.
_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])

# With two server connections, clients soon get one that another client has used.
POOL_SIZE = 2

_CONFIGURATION = """\
[databases]
* = host={host} port={port} user={user}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen_port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 200
"""


def find_pgbouncer() -> str | None:
    """Return the path of the program, None where it is not installed."""
    return shutil.which("pgbouncer", path=_PATH)


@dataclass(frozen=True)
class Pgbouncer:
    """A running pgbouncer that lets everyone in."""

    port: int

    def url_of(self, database: str, query: str = "") -> str:
        """Return the URL of a database of the server behind it."""
        return f"postgresql://anyone@127.0.0.1:{self.port}/{database}{query}"


@contextmanager
def run_pgbouncer(program: str, folder: Path, behind: Dsn) -> Iterator[Pgbouncer]:
    """Run it before the server at `behind`; its account must be able to enter `folder`."""
    server, port = behind.addresses[0], free_port()
    configuration = folder / "pgbouncer.ini"
    configuration.write_text(
        _CONFIGURATION.format(
            host=server.host,
            port=server.port,
            user=behind.user,
            listen_port=port,
            pool_size=POOL_SIZE,
        )
    )
    configuration.chmod(0o644)
    log = folder / "pgbouncer.log"
    # It refuses to run as root; the account of the server may also enter its socket's folder.
    with log.open("wb") as output:
        process = spawn([program, configuration], service_account(), stdout=output.fileno())
    with process:
        try:
            _await_listening(process, port, log)
            yield Pgbouncer(port)
        finally:
            process.terminate()


def _await_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 20
    while True:
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"pgbouncer does not listen:\n{log.read_text()}")
        time.sleep(0.01)
