"""A server whose messages are not UTF-8, with databases of other encodings and locales."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from dbctl.db.pgbinaries import Binaries, system_binaries
from dbctl.db.pgcluster import Cluster
from dbctl.db.pgfiles import make_service_folder
from dbctl.db.pgprocess import service_account
from tests.support.databases import TestServer

MESSAGES = "fr_FR.ISO-8859-1"
TURKISH = "tr_TR.UTF-8"
ROLE = "app"  # logs in with the password
PASSWORD = "a-password"
_PORT = 5432
_SOURCES = Path("/usr/share/i18n/locales")
# Every database of the server, with what CREATE DATABASE has to say of it.
DATABASES = {
    "latin1": "ENCODING LATIN1 LOCALE 'C'",
    "euc_jp": "ENCODING EUC_JP LOCALE 'C'",
    "win1252": "ENCODING WIN1252 LOCALE 'C'",
    "sql_ascii": "ENCODING SQL_ASCII LOCALE 'C'",
    "turkish": f"ENCODING UTF8 LOCALE '{TURKISH}'",
    "turkish_icu": "ENCODING UTF8 LOCALE 'C.UTF-8' LOCALE_PROVIDER icu ICU_LOCALE 'tr'",
    "c": "ENCODING UTF8 LOCALE 'C'",
    "french": f"ENCODING SQL_ASCII LOCALE '{MESSAGES}'",
}


def translated_binaries() -> Binaries | None:
    """Return a PostgreSQL of this machine that has translations and ICU, and can get locales."""
    for binaries in system_binaries():
        features = subprocess.run(
            [binaries / "pg_config", "--configure"], capture_output=True, text=True, check=False
        ).stdout
        if "--enable-nls" in features and "--with-icu" in features and binaries.major >= 15:
            compilable = shutil.which("localedef") and (_SOURCES / "tr_TR").is_file()
            return binaries if compilable else None
    return None


@contextmanager
def run_locale_server(folder: Path, binaries: Binaries) -> Iterator[TestServer]:
    """Serve from a new cluster below `folder`, which the server's account must be able to enter."""
    account = service_account()
    locales = folder / "locales"
    locales.mkdir()
    for name in (MESSAGES, TURKISH):
        language, _, charmap = name.partition(".")
        target = locales / name
        # It warns of what POSIX lacks, by its exit status too.
        subprocess.run(
            ["localedef", "--no-archive", "-i", language, "-f", charmap, target],
            capture_output=True,
            check=False,
        )
        assert target.is_dir(), name
    access = folder / "pg_hba.conf"
    access.write_text(f"local all {ROLE} scram-sha-256\nlocal all all trust\n")
    sockets = folder / "socket"
    make_service_folder(sockets, account)
    cluster = Cluster(
        data_dir=folder / "data",
        socket_dir=sockets,
        binaries=binaries,
        account=account,
        port=_PORT,
        settings={
            "lc_messages": MESSAGES,
            "hba_file": str(access),
            "fsync": "off",
            "shared_buffers": "16MB",
        },
    )
    cluster.initialise(database="app")
    # Messages before a login are in the encoding of the environment that the server runs in.
    programs = folder / "bin"
    programs.mkdir()
    postgres = programs / "postgres"
    postgres.write_text(
        f"#!/bin/sh\nexport LC_ALL={MESSAGES} LOCPATH={locales}\n"
        f'exec {binaries / "postgres"} "$@"\n'
    )
    postgres.chmod(0o755)
    running = replace(cluster, binaries=replace(binaries, bindir=programs))
    host = quote(str(sockets), safe="")
    server = TestServer(f"postgresql://postgres@/app?host={host}&port={_PORT}")
    try:
        running.start()
        server.execute(
            f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'",
            *(
                f"CREATE DATABASE {name} TEMPLATE template0 {options}"
                for name, options in DATABASES.items()
            ),
        )
        yield server
    finally:
        running.stop()
