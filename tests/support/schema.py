"""The schema of a database, to be compared with another one's."""

import subprocess

from dbctl.db.pgbinaries import find_binaries


def schema_of(url: str) -> list[str]:
    """Return the lines of `pg_dump --schema-only`, without what differs from run to run."""
    return _dump(url, "--schema-only")


def dump_of(url: str, *, exclude_schema: str | None = None) -> list[str]:
    """Return the lines of a whole `pg_dump`, rows included."""
    options = [] if exclude_schema is None else [f"--exclude-schema={exclude_schema}"]
    return _dump(url, "--inserts", *options)


def run_psql(url: str, sql: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a script with the psql of the test server; it goes on after an error unless told."""
    return subprocess.run(
        [
            find_binaries() / "psql",
            *("--no-psqlrc", "--quiet", "--file=-", *options),
            f"--dbname={url}",
        ],
        input=sql,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _dump(url: str, *options: str) -> list[str]:
    # PostgreSQL's own, of the server's version: an older pg_dump refuses a newer server.
    done = subprocess.run(
        [find_binaries() / "pg_dump", *options, "--no-owner", f"--dbname={url}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return [
        line
        for line in done.stdout.splitlines()
        if line and not line.startswith(("--", "\\restrict", "\\unrestrict"))
    ]
