"""Compare `dbctl seed` with `psql \\copy` and SQLModel's `add_all` on the same rows, interleaved.

The rows are tasks of the schema that ships: ten columns, a primary key, four further indexes and a
foreign key to users, who are there already. Each run is a whole process on a fresh database after a
CHECKPOINT. Machines are noisy: what counts is the ratio of the medians of one run, in which all
take their turn in every round.

    uv run python benchmarks/seed.py [--rows 1000000] [--rounds 3] [--only speed,add_all,memory]
"""

import sys

# The folder of a script comes first, where inspect.py would be taken for the library's.
sys.path.pop(0)

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from dbctl.db.embedded import EmbeddedServer

USERS = 10_000
SCRIPTS = Path(sys.executable).parent
COPY, CSV, NDJSON = "psql \\copy", "load CSV", "load NDJSON"
GENERATE, ADD_ALL = "generate", "SQLModel add_all"
# What each may take at most: times the median of `\copy`.
REACH = {GENERATE: 1.3, CSV: 1.5, NDJSON: 4.0}
FASTER = 15
MEBIBYTES = 150

SQLMODEL = """
import asyncio, os, random, sys
from datetime import UTC, datetime, timedelta
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession
from dbctl.models import Task, TaskPriority, User

async def main(count):
    engine = create_async_engine(os.environ["BENCH_URL"])
    priorities, now = list(TaskPriority), datetime.now(UTC)
    async with AsyncSession(engine) as session:
        users = list(await session.exec(select(User.id)))
        session.add_all(
            Task(
                user_id=random.choice(users),
                title=f"Look into the matter of {number}",
                description="It has been like that since the last release." * 2,
                priority=random.choice(priorities),
                tags=["backend", "bug"],
                due_at=now + timedelta(hours=random.randrange(1000)),
            )
            for number in range(count)
        )
        await session.commit()
    await engine.dispose()

asyncio.run(main(int(sys.argv[1])))
"""


@dataclass(frozen=True)
class Spent:
    """What a process took: wall time and processor time in seconds, peak memory in mebibytes."""

    wall: float
    cpu: float
    memory: float


@dataclass(frozen=True)
class Bench:
    """The server, a database with the schema and its users, and the files made of its rows."""

    url: str
    folder: Path

    def url_of(self, database: str) -> str:
        """Return the URL of another database of the server."""
        return self.url.replace("/app?", f"/{database}?")

    def psql(self, *statements: str, database: str = "app") -> str:
        """Run statements and return what is printed."""
        commands = [part for statement in statements for part in ("-c", statement)]
        argv = ["psql", "-qXAt", "-v", "ON_ERROR_STOP=1", "-d", self.url_of(database), *commands]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout

    def renew(self, database: str, template: str) -> None:
        """Make the database anew, and leave the server nothing to write from before."""
        self.psql(f"drop database if exists {database}")
        self.psql(f"create database {database} template {template}")
        self.psql("checkpoint")

    def run(self, argv: list[str], database: str = "bench") -> Spent:
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

    def measure(self, name: str, argv: list[str], rows: int) -> Spent:
        """Run a command on a fresh database and see that the rows are there."""
        self.renew("bench", "users")
        found = self.run(argv)
        count = int(self.psql("select count(*) from tasks", database="bench"))
        if count != rows:
            raise SystemExit(f"{name} left {count} rows instead of {rows}")
        return found


def dbctl(*arguments: str) -> list[str]:
    """Return the command line of this environment's dbctl."""
    return [str(SCRIPTS / "dbctl"), *arguments]


def generate(rows: int) -> list[str]:
    """Return what generates so many tasks."""
    return dbctl("seed", "generate", f"tasks={rows}")


def copy(bench: Bench, file: str = "tasks.txt") -> list[str]:
    """Return what copies exported tasks with psql."""
    command = f"\\copy tasks from '{bench.folder / file}'"
    return ["psql", "-qX", "-d", bench.url_of("bench"), "-c", command]


def prepare(bench: Bench, rows: int) -> None:
    """Make the users, and the files from tasks that are generated once."""
    bench.psql("create database schema")
    bench.run(dbctl("migrate", "up"), "schema")
    bench.psql("create database users template schema")
    bench.run(dbctl("seed", "generate", f"users={USERS}"), "users")
    bench.psql("create database source template users")
    bench.run(generate(rows), "source")
    folder = bench.folder
    bench.psql(
        "create view as_json as select row_to_json(t) from tasks t",
        f"\\copy tasks to '{folder / 'tasks.txt'}'",
        f"\\copy tasks to '{folder / 'tasks.csv'}' with (format csv, header)",
        # Neither character is in the JSON, so that it is written as it is.
        f"\\copy (table as_json) to '{folder / 'tasks.ndjson'}'"
        " with (format csv, quote E'\\x01', delimiter E'\\x02')",
        database="source",
    )
    bench.psql("drop database source")


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


def compare_speed(bench: Bench, rows: int, rounds: int) -> None:
    """Print how long each takes for `rows` tasks, as a ratio to `\\copy`."""
    files = {
        COPY: copy(bench),
        GENERATE: generate(rows),
        CSV: dbctl("seed", "load", str(bench.folder / "tasks.csv"), "--into", "tasks"),
        NDJSON: dbctl("seed", "load", str(bench.folder / "tasks.ndjson"), "--into", "tasks"),
    }
    medians = interleave(
        rounds,
        {name: partial(bench.measure, name, argv, rows) for name, argv in files.items()},
    )
    print(f"{rows:,} tasks ({rounds} rounds)")
    for name, spent in medians.items():
        reach = f"  ≤ {REACH[name]:.1f}" if name in REACH else ""
        print(line(name, spent, f"  {spent.wall / medians[COPY].wall:.2f}{reach}"))


def compare_add_all(bench: Bench, rows: int, rounds: int) -> None:
    """Print how much faster generating, and psql, is than making model instances."""
    script = bench.folder / "add_all.py"
    script.write_text(SQLMODEL)
    by_hand = [sys.executable, str(script), str(rows)]
    with (
        (bench.folder / "tasks.txt").open() as whole,
        (bench.folder / "few.txt").open("w") as head,
    ):
        head.writelines(islice(whole, rows))
    medians = interleave(
        rounds,
        {
            COPY: partial(bench.measure, COPY, copy(bench, "few.txt"), rows),
            GENERATE: partial(bench.measure, GENERATE, generate(rows), rows),
            ADD_ALL: partial(bench.measure, ADD_ALL, by_hand, rows),
        },
    )
    print(f"{rows:,} tasks ({rounds} rounds)")
    for name, spent in medians.items():
        print(line(name, spent, f"  {medians[ADD_ALL].wall / spent.wall:.1f} times faster"))
    print(f"  generate is to be ≥ {FASTER} times faster")


def measure_memory(bench: Bench, sizes: list[int]) -> None:
    """Print the peak memory of generating so many tasks."""
    print(f"peak memory  ≤ {MEBIBYTES} MiB, and flat")
    for rows in sizes:
        print(line(f"{rows:,}", bench.measure(GENERATE, generate(rows), rows)))


def main() -> None:
    """Print all comparisons that are asked for."""
    parser = argparse.ArgumentParser(description="Compare dbctl seed with psql and SQLModel.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--few", type=int, default=100_000, help="rows of add_all, and for memory")
    parser.add_argument("--most", type=int, default=5_000_000, help="rows for memory")
    parser.add_argument("--only", default="speed,add_all,memory")
    asked = parser.parse_args()
    parts = set(asked.only.split(","))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)
        server = EmbeddedServer(folder / "server", state_dir=folder / "state")
        try:
            bench = Bench(server.ensure_running(), folder)
            prepare(bench, asked.rows if "speed" in parts else asked.few)
            if "speed" in parts:
                compare_speed(bench, asked.rows, asked.rounds)
            if "add_all" in parts:
                compare_add_all(bench, asked.few, asked.rounds)
            if "memory" in parts:
                measure_memory(bench, [asked.few, asked.most])
        finally:
            server.destroy()


if __name__ == "__main__":
    main()
