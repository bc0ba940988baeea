"""Compare `dbctl seed` with `psql \\copy` and SQLModel's `add_all` on the same rows, interleaved.

The rows are tasks of the schema that ships: ten columns, a primary key, four further indexes and a
foreign key to users, who are there already. Each run is a whole process on a fresh database after a
CHECKPOINT. Machines are noisy: what counts is the ratio of the medians of one run, in which all
take their turn in every round.

    uv run python -m benchmarks.seed [--rows 1000000] [--rounds 3] [--only speed,add_all,memory]
"""

import argparse
import sys
import tempfile
from functools import partial
from itertools import islice
from pathlib import Path

from benchmarks.processes import Server, Spent, dbctl, interleave, line
from dbctl.db.embedded import EmbeddedServer

USERS = 10_000
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


class Bench(Server):
    """The server, a database with the schema and its users, and the files made of its rows."""

    def renew(self, database: str, template: str) -> None:
        """Make the database anew, and leave the server nothing to write from before."""
        self.psql(f"drop database if exists {database}")
        self.psql(f"create database {database} template {template}")
        self.psql("checkpoint")

    def measure(self, name: str, argv: list[str], rows: int) -> Spent:
        """Run a command on a fresh database and see that the rows are there."""
        self.renew("bench", "users")
        found = self.run(argv, "bench")
        count = int(self.psql("select count(*) from tasks", database="bench"))
        if count != rows:
            raise SystemExit(f"{name} left {count} rows instead of {rows}")
        return found


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
        (folder / "pyproject.toml").write_text("[tool.dbctl]\nexample = true\n")
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
