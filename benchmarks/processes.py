"""Whole processes, measured: wall time, processor time, memory; each takes its turn."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SCRIPTS = Path(sys.executable).parent


@dataclass(frozen=True)
class Spent:
    """What a process took: wall time and processor time in seconds, peak memory in mebibytes."""

    wall: float
    cpu: float
    memory: float


@dataclass(frozen=True)
class Server:
    """A server, and a folder for what is read and written."""

    url: str
    folder: Path

    def url_of(self, database: str) -> str:
        """Return the URL of another database of the server."""
        return self.url.replace("/app?", f"/{database}?")

    def psql_argv(self, *statements: str, database: str = "app") -> list[str]:
        """Return what runs statements and prints what they find."""
        commands = [part for statement in statements for part in ("-c", statement)]
        return ["psql", "-qXAt", "-v", "ON_ERROR_STOP=1", "-d", self.url_of(database), *commands]

    def psql(self, *statements: str, database: str = "app") -> str:
        """Run statements and return what is printed."""
        argv = self.psql_argv(*statements, database=database)
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout

    def run(self, argv: list[str], database: str = "app") -> Spent:
        """Run a command and return what it took, its server apart."""
        # Bytecode is cached, as it is for every installed program.
        kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        url = self.url_of(database)
        environment = kept | {
            "DATABASE_URL": url,
            "BENCH_URL": url.replace("://", "+asyncpg://", 1),
        }
        output = self.folder / "output"
        started = time.perf_counter()
        with output.open("wb") as file:
            process = subprocess.Popen(
                argv, cwd=self.folder, env=environment, stdout=file, stderr=file
            )
            _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise SystemExit(f"{' '.join(argv)}:\n{output.read_text()}")
        return Spent(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def dbctl(*arguments: str) -> list[str]:
    """Return the command line of this environment's dbctl."""
    return [str(SCRIPTS / "dbctl"), *arguments]


def interleave(rounds: int, contenders: dict[str, Callable[[], Spent]]) -> dict[str, Spent]:
    """Return the medians of each over `rounds`, after one that is not counted.

    A single round is counted.
    """
    found: dict[str, list[Spent]] = {name: [] for name in contenders}
    for _ in range(rounds + (rounds > 1)):
        for name, measure in contenders.items():
            found[name].append(measure())
    medians = {}
    for name, spent in found.items():
        counted = spent[rounds > 1 :]
        medians[name] = Spent(
            statistics.median(each.wall for each in counted),
            statistics.median(each.cpu for each in counted),
            max(each.memory for each in counted),
        )
    return medians


def line(name: str, spent: Spent, note: str = "") -> str:
    """Write what one took."""
    return (
        f"  {name:<18} {spent.wall:>7.2f} s  {spent.cpu:>6.2f} s CPU {spent.memory:>4.0f} MiB{note}"
    )
