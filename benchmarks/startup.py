"""Compare whole-process times of dbctl with Alembic's on one database, interleaved.

Alembic runs as it does without dbctl: a project of its own with the same revisions, the env.py of
its async template, and the models that dbctl ships; once more without the models, which no command
of dbctl here imports. Machines are noisy: what counts is the ratio of the medians of one run, in
which every command takes its turn in every round.

    uv run python -m benchmarks.startup [ROUNDS]
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

INI = """
[alembic]
script_location = %(here)s/alembic
path_separator = os
"""
ENV = """
import asyncio
import os
from alembic import context
from sqlalchemy import pool
from sqlalchemy.ext.asyncio import create_async_engine
from dbctl.models import metadata

def do_run_migrations(connection):
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()

async def run_async_migrations():
    connectable = create_async_engine(os.environ["BENCH_URL"], poolclass=pool.NullPool)
    async with connectable.connect() as connection:
        await connection.run_sync(do_run_migrations)
    await connectable.dispose()

asyncio.run(run_async_migrations())
"""

ROOT = Path(__file__).parents[1]
SCRIPTS = Path(sys.executable).parent
BASELINE = "alembic current"
NO_MODELS = "alembic, no models"
COMMANDS = {
    BASELINE: ["alembic", "current"],
    NO_MODELS: ["alembic", "current"],
    "alembic upgrade head": ["alembic", "upgrade", "head"],
    "dbctl --help": ["dbctl", "--help"],
    "dbctl health --json": ["dbctl", "health", "--json"],
    "dbctl migrate status": ["dbctl", "migrate", "status"],
    "dbctl migrate up": ["dbctl", "migrate", "up"],
}
REACH = {
    "dbctl --help": 0.35,
    "dbctl health --json": 1.1,
    "dbctl migrate status": 1.15,
    "dbctl migrate up": 1.4,
}


def run(command: list[str], folder: Path, environment: dict[str, str]) -> float:
    """Run a command of this environment once and return its wall time in seconds."""
    argv = [str(SCRIPTS / command[0]), *command[1:]]
    started = time.perf_counter()
    subprocess.run(argv, cwd=folder, env=environment, check=True, capture_output=True)
    return time.perf_counter() - started


def alembic_project(folder: Path, env: str) -> Path:
    """Write a project that Alembic runs without dbctl."""
    shutil.copytree(ROOT / "alembic" / "versions", folder / "alembic" / "versions")
    (folder / "alembic" / "env.py").write_text(env)
    (folder / "alembic.ini").write_text(INI)
    return folder


def main() -> None:
    """Print the medians and their ratios to `alembic current`."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    # Bytecode is cached, as it is for every installed program.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    run(["dbctl", "migrate", "up"], ROOT, environment)
    url = [str(SCRIPTS / "dbctl"), "server", "url"]
    found = subprocess.run(
        url, cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    )
    environment["DATABASE_URL"] = environment.get("DATABASE_URL", found.stdout.strip())
    environment["BENCH_URL"] = environment["DATABASE_URL"].replace("://", "+asyncpg://", 1)

    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as temporary:
        bare = ENV.replace("from dbctl.models import metadata", "metadata = None")
        with_models = alembic_project(Path(temporary) / "models", ENV)
        folders = {name: ROOT if "dbctl" in name else with_models for name in COMMANDS}
        folders[NO_MODELS] = alembic_project(Path(temporary) / "bare", bare)
        for _ in range(rounds + 1):
            for name, command in COMMANDS.items():
                times[name].append(run(command, folders[name], environment))
    medians = {name: statistics.median(measured[1:]) for name, measured in times.items()}
    print(f"{'command':<22} {'median':>9} {'ratio':>7} {'reach':>7}   ({rounds} rounds)")
    for name, median in medians.items():
        reach = f"≤ {REACH[name]:.2f}" if name in REACH else ""
        print(f"{name:<22} {median * 1000:>6.0f} ms {median / medians[BASELINE]:>7.2f} {reach:>7}")


if __name__ == "__main__":
    main()
