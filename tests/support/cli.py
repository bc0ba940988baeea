"""Run dbctl the way a user does: as a process of its own."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.support import health

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
    "UV_RUN_",
)


@dataclass(frozen=True)
class Finished:
    """What a run of dbctl left behind."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """The one JSON document on stdout; one of health has to fit the schema that ships."""
        document = json.loads(self.stdout)
        if health.is_health(document):
            health.validate(document)
        return document


def environment(**variables: str) -> dict[str, str]:
    """Return this process's environment without a setting of dbctl's, plus `variables`."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)
    }
    return inherited | {"COLUMNS": "100", "NO_COLOR": "1"} | variables


def invoke(*arguments: str, env: Mapping[str, str] | None = None, cwd: Path = ROOT) -> Finished:
    """Run dbctl in this process, which is ten times faster than a new one.

    For tests of what a command does; that it does so as a process is tested once each. Not from
    inside an event loop. What it imports from below `cwd` is forgotten again.
    """
    from dbctl.cli import app
    from dbctl.runtime import execute

    out, err = io.StringIO(), io.StringIO()
    handler, path, modules = signal.getsignal(signal.SIGTERM), list(sys.path), set(sys.modules)
    variables = environment(**(env or {}))
    try:
        with (
            patch.dict(os.environ, variables, clear=True),
            contextlib.chdir(cwd),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = execute(
                lambda: app(list(arguments), prog_name="dbctl", standalone_mode=False), arguments
            )
    finally:
        signal.signal(signal.SIGTERM, handler)
        sys.path[:] = path
        for name in sys.modules.keys() - modules:
            location = getattr(sys.modules[name], "__file__", None) or ""
            if cwd != ROOT and location.startswith(str(cwd)):
                del sys.modules[name]
    return Finished(int(code), out.getvalue(), err.getvalue())


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
