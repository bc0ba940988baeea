"""The README's first commands in a checkout: migrate up, seed --dev, health."""

import shutil
from pathlib import Path

import pytest

from tests.support.cli import ROOT, Finished, run_dbctl
from tests.support.health import statuses_of


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what dbctl finds in a checkout: its configuration and its revisions."""
    for name in ("pyproject.toml", "alembic.ini"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "alembic", tmp_path / "alembic")
    return tmp_path


def test_the_first_commands_migrate_seed_and_find_it_healthy(
    checkout: Path, empty_url: str
) -> None:
    def dbctl(*arguments: str) -> Finished:
        done = run_dbctl(*arguments, env={"DATABASE_URL": empty_url}, cwd=checkout)
        assert done.exit_code == 0, (done.stdout, done.stderr)
        return done

    up = dbctl("migrate", "up")
    (revision,) = (line for line in up.stdout.splitlines() if "initial schema" in line.lower())
    assert revision.split()[0] == "4d6f1b0c9a27"
    assert "is at 4d6f1b0c9a27" in up.stdout
    status = dbctl("migrate", "status").stdout
    assert " is at the head" in status
    assert [line.split()[-1] for line in status.splitlines() if " at " in line][1:] == [
        "4d6f1b0c9a27",
        "4d6f1b0c9a27",
    ]

    seeded = dbctl("seed", "--dev").stdout
    assert "has the set dev: 6 created, 0 updated, 0 unchanged" in seeded
    rows = dbctl("inspect", "rows", "tasks").stdout
    for title in ("Renew the TLS certificate", "Write the release notes", "Triage the backlog"):
        assert title in seeded
        assert title in rows

    health = dbctl("health", "--json")
    assert statuses_of(health.json)["migrations"] == "pass"
    assert health.json["status"] in {"pass", "warn"}
    table = dbctl("health", "--pool").stdout
    (migrations,) = (line for line in table.splitlines() if " migrations " in line)
    assert "at the head, 4d6f1b0c9a27" in migrations
    (pool,) = (line for line in table.splitlines() if " pool " in line)
    assert "15" in pool
    assert "5, and up to 10 more" in dbctl("inspect", "pool").stdout
