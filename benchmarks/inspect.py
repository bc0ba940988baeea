"""Compare `dbctl inspect rows` with psql on the same table, interleaved.

The rows are tasks of the schema that ships. Each run is a whole process that writes a file, of a
table that is in the server's memory. Machines are noisy: what counts is the ratio of the medians
of one run, in which all take their turn in every round.

    uv run python -m benchmarks.inspect [--rows 1000000] [--rounds 3] [--only speed,memory,page]
"""

import argparse
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.processes import Server, dbctl, interleave, line
from dbctl.db.embedded import EmbeddedServer

USERS = 10_000
CSV, NDJSON, PARQUET = "dbctl CSV", "dbctl NDJSON", "dbctl parquet"
PSQL, PSQL_JSON = "psql CSV", "psql row_to_json"
# What each may take at most: times the median of what psql takes.
REACH = {CSV: (PSQL, 1.1), NDJSON: (PSQL_JSON, 2.0), PARQUET: (PSQL, 3.0)}
MEBIBYTES = 120
PAGE = 1.2


class Bench(Server):
    """The server, whose databases have a number of tasks each, and a folder for what is written."""

    def tasks(self, rows: int) -> str:
        """Make a database with so many tasks where it is not there, and return its name."""
        name = f"tasks_{rows}"
        if name not in self.psql("select datname from pg_database").split():
            self.psql(f"create database {name}")
            self.run(dbctl("migrate", "up"), name)
            self.run(dbctl("seed", "generate", f"users={USERS}", f"tasks={rows}"), name)
            self.psql("vacuum (analyze) tasks", "checkpoint", database=name)
        return name


def export(name: str) -> list[str]:
    """Return what writes all tasks to a file, in the format of its name."""
    return dbctl("inspect", "rows", "tasks", "--all", "--yes", "--timeout", "0", "--output", name)


def compare_speed(bench: Bench, rows: int, rounds: int) -> None:
    """Print how long each takes to write all of `rows` tasks, as a ratio to psql."""
    database = bench.tasks(rows)
    folder = bench.folder
    as_json = "select row_to_json(t) from tasks t"
    commands = {
        PSQL: bench.psql_argv(
            rf"\copy tasks to '{folder / 'p.csv'}' csv header", database=database
        ),
        CSV: export("d.csv"),
        PARQUET: export("d.parquet"),
        PSQL_JSON: bench.psql_argv(
            rf"\copy ({as_json}) to '{folder / 'p.json'}'", database=database
        ),
        NDJSON: export("d.ndjson"),
    }
    medians = interleave(
        rounds, {name: partial(bench.run, argv, database) for name, argv in commands.items()}
    )
    print(f"{rows:,} tasks ({rounds} rounds)")
    for name, spent in medians.items():
        beside, most = REACH.get(name, (name, 1.0))
        ratio = f"  {spent.wall / medians[beside].wall:.2f} times {beside}  ≤ {most}"
        print(line(name, spent, ratio if name in REACH else ""))


def measure_memory(bench: Bench, sizes: list[int]) -> None:
    """Print the peak memory of writing so many tasks."""
    print(f"peak memory  ≤ {MEBIBYTES} MiB, and flat")
    for rows in sizes:
        database = bench.tasks(rows)
        for name in ("d.csv", "d.ndjson", "d.parquet"):
            print(line(f"{rows:,} {name[2:]}", bench.run(export(name), database)))


def compare_page(bench: Bench, rows: int, rounds: int) -> None:
    """Print how long the first page of a large table takes beside what it takes at least."""
    database = bench.tasks(rows)
    query = "select * from tasks order by id limit 20"
    medians = interleave(
        rounds,
        {
            "dbctl --help": partial(bench.run, dbctl("--help")),
            "psql": partial(bench.run, bench.psql_argv(query, database=database)),
            "rows tasks": partial(bench.run, dbctl("inspect", "rows", "tasks"), database),
        },
    )
    print(f"the first page of {rows:,} tasks ({rounds} rounds)")
    for name, spent in medians.items():
        print(line(name, spent))
    least = medians["dbctl --help"].wall + medians["psql"].wall
    print(f"  {medians['rows tasks'].wall / least:.2f} times the sum of the others  ≤ {PAGE}")


def main() -> None:
    """Print all comparisons that are asked for."""
    parser = argparse.ArgumentParser(description="Compare dbctl inspect rows with psql.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--few", type=int, default=100_000, help="rows for memory")
    parser.add_argument("--most", type=int, default=5_000_000, help="rows for memory and the page")
    parser.add_argument("--only", default="speed,memory,page")
    asked = parser.parse_args()
    parts = set(asked.only.split(","))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)
        (folder / "pyproject.toml").write_text("[tool.dbctl]\nexample = true\n")
        server = EmbeddedServer(folder / "server", state_dir=folder / "state")
        try:
            bench = Bench(server.ensure_running(), folder)
            if "speed" in parts:
                compare_speed(bench, asked.rows, asked.rounds)
            if "memory" in parts:
                measure_memory(bench, [asked.few, asked.most])
            if "page" in parts:
                compare_page(bench, asked.most, asked.rounds)
        finally:
            server.destroy()


if __name__ == "__main__":
    main()
