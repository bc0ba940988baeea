"""A running `dbctl health serve`, as a process of its own."""

import os
import re
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.cli import ROOT, Finished, environment
from tests.support.processes import FORKING, become_dbctl

_STARTED = re.compile(r"serving health on (http://\S+?)/api/v1/health")


class Served:
    """The process: `url` is where it listens, once it has told so."""

    def __init__(self, database_url: str, arguments: tuple[str, ...], env: dict[str, str]) -> None:
        self.url = ""
        self._told: list[str] = []
        self._heard = threading.Condition()
        self._folder = Path(tempfile.mkdtemp(prefix="serve-"))
        self._stdout, stderr = self._folder / "stdout", self._folder / "stderr"
        self._stdout.touch()
        os.mkfifo(stderr)  # so that what it tells can be waited for
        self._process = FORKING.Process(
            target=become_dbctl,
            args=(
                ("health", "serve", "--port", "0", *arguments),
                environment(DATABASE_URL=database_url, **env),
                str(ROOT),
                [self._stdout, stderr],
            ),
            daemon=True,
        )
        self._process.start()
        self._listener = threading.Thread(target=self._listen, args=(stderr,), daemon=True)
        self._listener.start()

    @property
    def pid(self) -> int:
        """The number of the process."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def stderr(self) -> str:
        """What it has told so far."""
        return "".join(self._told)

    def _listen(self, stderr: Path) -> None:
        """Read what it tells until it ends."""
        with stderr.open() as lines:
            for line in lines:
                with self._heard:
                    self._told.append(line)
                    self._heard.notify_all()

    def wait_for(self, pattern: str | re.Pattern[str], timeout: float = 60) -> re.Match[str]:
        """Return where `pattern` is in what it tells."""
        with self._heard:
            match = self._heard.wait_for(lambda: re.search(pattern, self.stderr), timeout)
        assert match, f"it does not tell {pattern}:\n{self.stderr}"
        return match

    def stop(self, number: signal.Signals = signal.SIGTERM) -> Finished:
        """Send it a signal and return what it left."""
        os.kill(self.pid, number)
        self._process.join(60)
        assert self._process.exitcode is not None, f"it does not end:\n{self.stderr}"
        self._listener.join()
        return Finished(self._process.exitcode, self._stdout.read_text(), self.stderr)

    def end(self) -> None:
        """End it whatever it does, and remove what it left."""
        self._process.kill()
        self._process.join()
        self._listener.join()
        for path in self._folder.iterdir():
            path.unlink()
        self._folder.rmdir()


@contextmanager
def serving(database_url: str, *arguments: str, **env: str) -> Iterator[Served]:
    """Run `dbctl health serve` on a free port, until it is stopped."""
    served = Served(database_url, arguments, env)
    try:
        served.url = served.wait_for(_STARTED)[1]
        yield served
    finally:
        served.end()
