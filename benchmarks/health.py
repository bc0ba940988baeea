"""Measure `dbctl health`: how long a look takes, and what `health serve` stands.

The start is compared with `alembic current`, whole processes, interleaved. The load is so many
keep-alive clients, while the database is stopped and started twice. The throughput is compared with
a bare FastAPI endpoint that runs `select 1` through the same pool at each request, on the same
server with the same settings. Machines are noisy: what counts is the ratio of one run.

    uv run python -m benchmarks.health [--rounds 20] [--seconds 30] [--only start,load,throughput]
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dbctl.db.embedded import EmbeddedServer

ROOT = Path(__file__).parents[1]
SCRIPTS = Path(sys.executable).parent
CLIENT = Path(__file__).with_name("health_client.py")
HEALTH, ALEMBIC = "dbctl health --json", "alembic current"
# What each is to reach: the start at most, the throughput at least.
START, THROUGHPUT = 1.2, 2.0
LISTENING = re.compile(r"http://[\d.]+:\d+")

# What an application does that looks at its database at each request.
BARE = """
import asyncio, logging, socket, sys
import uvicorn
from fastapi import FastAPI
from sqlalchemy import text
from dbctl.db.engine import session_manager

app = FastAPI(openapi_url=None)

@app.get("/health")
async def health() -> dict[str, str]:
    manager = await session_manager()
    async with manager.connect() as connection:
        await connection.execute(text("select 1"))
    return {"status": "pass"}

listener = socket.socket()
listener.bind(("127.0.0.1", 0))
print(f"http://127.0.0.1:{listener.getsockname()[1]}", file=sys.stderr, flush=True)
config = uvicorn.Config(app, log_config=None, access_log=False, ws="none", server_header=False,
                        proxy_headers=False)
asyncio.run(uvicorn.Server(config).serve([listener]))
"""


@dataclass(frozen=True)
class Bench:
    """The database, and the folder that the files of a run go to."""

    server: EmbeddedServer
    url: str
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment of what is measured; bytecode is cached, as for installed programs."""
        kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        return kept | {"DATABASE_URL": self.url}

    def run(self, argv: list[str]) -> float:
        """Run a command and return the seconds that it took."""
        started = time.perf_counter()
        done = subprocess.run(
            argv, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False
        )
        seconds = time.perf_counter() - started
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(argv)}:\n{done.stdout}{done.stderr}")
        return seconds

    def connections(self) -> int:
        """Count the connections of the database, that of the counting apart."""
        query = "select count(*) - 1 from pg_stat_activity where datname = 'app'"
        argv = ["psql", "-qXAt", "-d", self.url, "-c", query]
        return int(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)

    @contextmanager
    def served(self, argv: list[str]) -> Iterator[tuple[str, int]]:
        """Run what listens; yield where it does and the number of its process."""
        log = self.folder / "log"
        with log.open("w") as file:
            process = subprocess.Popen(
                argv, cwd=ROOT, env=self.environment, stdout=file, stderr=file
            )
        try:
            deadline = time.monotonic() + 30
            while not (found := LISTENING.search(log.read_text())):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"{' '.join(argv)}:\n{log.read_text()}")
                time.sleep(0.05)
            yield found[0], process.pid
        finally:
            process.terminate()
            process.wait(30)


def dbctl(*arguments: str) -> list[str]:
    """Return the command line of this environment's dbctl."""
    return [str(SCRIPTS / "dbctl"), *arguments]


def clients(url: str, count: int, seconds: float) -> subprocess.Popen[str]:
    """Start so many clients in a process of their own."""
    argv = [sys.executable, str(CLIENT), url, "--clients", str(count), "--seconds", str(seconds)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)


def result_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Return what the clients saw."""
    output, _ = process.communicate()
    found: dict[str, Any] = json.loads(output)
    return found


def memory_of(pid: int) -> float:
    """Return the memory of a process in mebibytes."""
    argv = ["ps", "-o", "rss=", "-p", str(pid)]
    return int(subprocess.run(argv, check=True, capture_output=True, text=True).stdout) / 1024


def compare_start(bench: Bench, rounds: int) -> None:
    """Print how long a look takes with all default checks, as a ratio to `alembic current`."""
    contenders: dict[str, Callable[[], float]] = {
        ALEMBIC: lambda: bench.run([str(SCRIPTS / "alembic"), "current"]),
        HEALTH: lambda: bench.run(dbctl("health", "--json")),
    }
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds + 1):
        for name, measure in contenders.items():
            found[name].append(measure())
    medians = {name: statistics.median(seconds[1:]) for name, seconds in found.items()}
    print(f"one look ({rounds} rounds)")
    for name, seconds in medians.items():
        ratio = f"  {seconds / medians[ALEMBIC]:.2f}  ≤ {START}" if name == HEALTH else ""
        print(f"  {name:<20} {seconds:.3f} s{ratio}")


def stand_load(bench: Bench, count: int, seconds: float) -> None:
    """Print what so many clients see while the database is stopped and started twice."""
    with bench.served(dbctl("health", "serve", "--port", "0")) as (url, pid):
        path = f"{url}/api/v1/health"
        result_of(clients(path, count, 2))  # what is allocated once is allocated now
        memory, connections = memory_of(pid), bench.connections()
        asking = clients(path, count, seconds)
        peak = 0
        for _ in range(2):
            time.sleep(seconds / 6)
            peak = max(peak, bench.connections())
            bench.server.stop()
            time.sleep(seconds / 6)
            bench.server.ensure_running()
        time.sleep(seconds / 6)
        peak = max(peak, bench.connections())
        seen = result_of(asking)
        back = result_of(clients(path, 1, 1))
        grown = memory_of(pid) - memory
    print(f"{count} clients, the database stopped and started twice")
    print(f"  {seen['seconds']} s, {seen['per_second']} requests/s, {seen['statuses']}")
    print(f"  p50 {seen['p50_ms']} ms, p99 {seen['p99_ms']} ms, at most {seen['max_ms']} ms")
    print(f"  afterwards {back['statuses']}")
    print(f"  connections {connections}, at most {peak}; memory {memory:.0f} MiB {grown:+.1f} MiB")


def compare_throughput(bench: Bench, count: int, seconds: float, rounds: int) -> None:
    """Print the requests/s of a shared look, as a ratio to a look at each request."""
    bare = bench.folder / "bare.py"
    bare.write_text(BARE)
    found: dict[str, list[float]] = {"bare select 1": [], "dbctl health serve": []}
    with (
        bench.served([sys.executable, str(bare)]) as (theirs, _),
        bench.served(dbctl("health", "serve", "--port", "0")) as (ours, _),
    ):
        urls = dict(zip(found, (f"{theirs}/health", f"{ours}/api/v1/health"), strict=True))
        for _ in range(rounds + 1):
            for name, url in urls.items():
                seen = result_of(clients(url, count, seconds))
                if set(seen["statuses"]) != {"200"}:
                    raise SystemExit(f"{name}: {seen['statuses']}")
                found[name].append(seen["per_second"])
    medians = {name: statistics.median(each[1:]) for name, each in found.items()}
    print(f"throughput of {count} clients ({rounds} rounds of {seconds:g} s)")
    least = min(medians.values())
    for name, per_second in medians.items():
        print(f"  {name:<20} {per_second:>7.0f} requests/s  {per_second / least:.2f}")
    print(f"  the shared look is to be ≥ {THROUGHPUT:g} times faster")


def main() -> None:
    """Print all measurements that are asked for."""
    parser = argparse.ArgumentParser(description="Measure dbctl health.")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--only", default="start,load,throughput")
    asked = parser.parse_args()
    parts = set(asked.only.split(","))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)
        server = EmbeddedServer(folder / "server", state_dir=folder / "state")
        try:
            bench = Bench(server, server.ensure_running(), folder)
            bench.run(dbctl("migrate", "up"))
            if "start" in parts:
                compare_start(bench, asked.rounds)
            if "load" in parts:
                stand_load(bench, asked.clients, asked.seconds)
            if "throughput" in parts:
                compare_throughput(bench, 20, asked.seconds / 6, 3)
        finally:
            server.destroy()


if __name__ == "__main__":
    main()
