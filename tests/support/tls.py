"""A PostgreSQL that speaks TLS and asks for passwords, from the system's packages."""

import os
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote, urlencode

import trustme

from dbctl.db.pgbinaries import Binaries, system_binaries
from dbctl.db.pgcluster import Cluster
from dbctl.db.pgfiles import make_service_folder
from dbctl.db.pgprocess import service_account
from tests.support.databases import TestServer

PASSWORD = "Hünter2/§@:#?secret"  # every character that could break a URL or an escape
HOST_NAME = "localhost"  # what the certificate is for; 127.0.0.1 is another name
ROLE = "app"  # logs in with the password
ROBOT = "robot"  # logs in with a client certificate

_ACCESS = f"""\
local    all  all                   trust
hostssl  all  {ROBOT}  127.0.0.1/32  cert
hostssl  all  all      127.0.0.1/32  scram-sha-256
"""


def tls_binaries() -> Binaries | None:
    """Return a PostgreSQL of this machine that was built with TLS: the others know no ciphers."""
    for binaries in system_binaries():
        described = subprocess.run(
            [binaries / "postgres", "--describe-config"], capture_output=True, text=True, check=True
        )
        ciphers = [line for line in described.stdout.splitlines() if line.startswith("ssl_ciphers")]
        if ciphers and ciphers[0].split("\t")[4] != "none":
            return binaries
    return None


@dataclass(frozen=True)
class TlsServer:
    """A running server that takes TLS connections only, and the files of its authority."""

    cluster: Cluster
    port: int
    authority: Path
    stranger: Path
    certificate: Path
    key: Path

    def url(
        self,
        *,
        user: str = ROLE,
        password: str | None = PASSWORD,
        host: str = HOST_NAME,
        database: str = "app",
        **parameters: object,
    ) -> str:
        """Return a URL that logs in over TCP, where `parameters` (sslmode=…) are added to it."""
        userinfo = user if password is None else f"{user}:{quote(password, safe='')}"
        query = f"?{urlencode({name: str(value) for name, value in parameters.items()})}"
        return f"postgresql://{userinfo}@{host}:{self.port}/{database}{query}"

    @property
    def admin_url(self) -> str:
        """The URL of the superuser, through the socket and so without TLS."""
        folder = quote(str(self.cluster.socket_dir), safe="")
        return f"postgresql://postgres@/app?host={folder}&port={self.port}"


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def run_tls_server(
    folder: Path, binaries: Binaries, *, expires: datetime | None = None
) -> Iterator[TlsServer]:
    """Serve from a new cluster below `folder`, which the server's account must be able to enter.

    Its certificate ends at `expires`, without one in a day that no test will see.
    """
    account = service_account()
    authority = trustme.CA()
    files = folder / "files"
    make_service_folder(files, account)
    issued = authority.issue_cert(HOST_NAME, not_after=expires)
    cert = _write(files / "server.crt", issued.cert_chain_pems, account.uid)
    key = _write(files / "server.key", [issued.private_key_pem], account.uid)
    root = _write(files / "root.crt", [authority.cert_pem], account.uid)
    robot = authority.issue_cert(common_name=ROBOT)
    access = files / "pg_hba.conf"
    access.write_text(_ACCESS)
    os.chown(access, account.uid, -1)

    sockets = folder / "socket"
    make_service_folder(sockets, account)
    port = free_port()
    cluster = Cluster(
        data_dir=folder / "data",
        socket_dir=sockets,
        binaries=binaries,
        account=account,
        port=port,
        settings=_settings(cert, key, root, access),
    )
    server = TlsServer(
        cluster=cluster,
        port=port,
        authority=_write(folder / "authority.pem", [authority.cert_pem]),
        stranger=_write(folder / "stranger.pem", [trustme.CA().cert_pem]),
        certificate=_write(folder / "robot.crt", robot.cert_chain_pems),
        key=_write(folder / "robot.key", [robot.private_key_pem]),
    )
    cluster.initialise(database="app")
    try:
        cluster.start()
        TestServer(server.admin_url).execute(
            f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'", f"CREATE ROLE {ROBOT} LOGIN"
        )
        yield server
    finally:
        cluster.stop()


def _settings(cert: Path, key: Path, root: Path, access: Path) -> Mapping[str, str]:
    return {
        "listen_addresses": "127.0.0.1",
        "ssl": "on",
        "ssl_cert_file": str(cert),
        "ssl_key_file": str(key),
        "ssl_ca_file": str(root),
        "hba_file": str(access),
        "fsync": "off",
        "shared_buffers": "16MB",
    }


def _write(path: Path, pems: list[trustme.Blob], owner: int | None = None) -> Path:
    path.write_bytes(b"".join(pem.bytes() for pem in pems))
    path.chmod(0o600)
    if owner is not None:
        os.chown(path, owner, -1)
    return path
