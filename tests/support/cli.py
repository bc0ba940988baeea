"""Run dbctl the way a user does: as a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

# What would reach dbctl from the machine that the tests run on.
_SETTINGS = (
    "DATABASE_URL",
    "POSTGRES_URL",
    "ENVIRONMENT",
    "DB_",
    "DBCTL_",
    "PG",
    "PYTHONDONTWRITEBYTECODE",
)


@dataclass(frozen=True)
class Finished:
    """What a run of dbctl left behind."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.stdout)


def environment(**variables: str) -> dict[str, str]:
    """Return this process's environment without a setting of dbctl's, plus `variables`."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)
    }
    return inherited | {"COLUMNS": "100", "NO_COLOR": "1"} | variables


def run_dbctl(
    *arguments: str,
    env: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
    stdin: str | None = None,
    timeout: float = 60,
) -> Finished:
    """Run `python -m dbctl` with `arguments`; `env` is added to a clean environment."""
    done = subprocess.run(
        [sys.executable, "-m", "dbctl", *arguments],
        env=environment(**(env or {})),
        cwd=cwd,
        input=stdin if stdin is not None else "",
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)
