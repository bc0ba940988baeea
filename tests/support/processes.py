"""Many runs of dbctl or Alembic at once, each a process of its own, forked in milliseconds."""

import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from enum import StrEnum
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tests.support.cli import Finished, environment

# What a run imports is imported once, in the process that the others are forked from.
_PRELOADED = [
    "sqlmodel",
    "dbctl.migrate.environment",
    "dbctl.results",
    "rich.console",
    "rich.table",
    "dbctl.cli",
    "dbctl.migrate.commands",
    "dbctl.migrate.apply",
    "dbctl.migrate.views",
    "dbctl.migrate.live_views",
    "dbctl.db.endpoints",
    "dbctl.health.commands",
    "dbctl.health.document",
    "dbctl.health.report",
    "dbctl.health.waiting",
    "dbctl.seed.generate.run",
    "dbctl.seed.generate.views",
    "dbctl.seed.load.operation",
    "dbctl.seed.load.views",
    "mimesis",
    "dbctl.health.serving.server",
    "dbctl.health.registry",
    "alembic.config",
    "alembic.command",
    "alembic.autogenerate",
    "psycopg",
    "psycopg2",
    "pg8000",
    "sqlalchemy.dialects.postgresql",
]
FORKING = multiprocessing.get_context("forkserver")
FORKING.set_forkserver_preload(_PRELOADED)


class Program(StrEnum):
    """What a process becomes."""

    DBCTL = "dbctl"
    ALEMBIC = "alembic"


class Running:
    """A run of dbctl that has been started in `cwd`, a folder of the test's own."""

    def __init__(
        self,
        *arguments: str,
        env: Mapping[str, str],
        cwd: Path,
        program: Program = Program.DBCTL,
    ) -> None:
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=cwd))
        outputs = [folder / name for name in ("stdout", "stderr")]
        for output in outputs:
            output.touch()
        self._stdout, self._stderr = outputs
        self._process: ForkServerProcess = FORKING.Process(
            target=become_dbctl if program is Program.DBCTL else become_alembic,
            args=(arguments, environment(**env), str(cwd), outputs),
            daemon=True,
        )
        self._process.start()

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        assert self._process.pid is not None
        with suppress(ProcessLookupError):
            os.kill(self._process.pid, number)

    @property
    def is_running(self) -> bool:
        """Tell whether it has not ended yet."""
        return self._process.is_alive()

    @property
    def stderr(self) -> str:
        """What it has written to stderr by now."""
        return self._stderr.read_text()

    def finish(self, timeout: float = 60) -> Finished:
        """Wait until it ends and return what it left."""
        self._process.join(timeout)
        assert not self.is_running, f"it does not end:\n{self.stderr}"
        assert self._process.exitcode is not None
        return Finished(self._process.exitcode, self._stdout.read_text(), self.stderr)


def become_dbctl(
    arguments: tuple[str, ...], variables: dict[str, str], folder: str, outputs: list[Path]
) -> None:
    """Become `dbctl` with these arguments, which writes to `outputs`: stdout and stderr."""
    _become("dbctl", arguments, variables, folder, outputs)
    from dbctl.cli import main

    main()


def become_alembic(
    arguments: tuple[str, ...], variables: dict[str, str], folder: str, outputs: list[Path]
) -> None:
    """Become `alembic` with these arguments, which writes to `outputs`: stdout and stderr."""
    _become("alembic", arguments, variables, folder, outputs)
    from alembic.config import main

    main(prog="alembic")


def _become(
    program: str,
    arguments: tuple[str, ...],
    variables: dict[str, str],
    folder: str,
    outputs: list[Path],
) -> None:
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    for descriptor, path in zip((1, 2), outputs, strict=True):
        os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND), descriptor)
    # The fork server's own think of what they were opened for: a file may be where a pipe is now.
    out, err = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))  # noqa: SIM115
    sys.stdout, sys.stderr = out, err
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the fork server ignores it
    sys.argv = [program, *arguments]
