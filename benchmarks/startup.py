"""Compare whole-process times of dbctl with Alembic's on one database, interleaved.

Machines are noisy: what counts is the ratio of the medians of one run, in which every command
takes its turn in every round.

    uv run python benchmarks/startup.py [ROUNDS]
"""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
SCRIPTS = Path(sys.executable).parent
BASELINE = "alembic current"
COMMANDS = {
    BASELINE: ["alembic", "current"],
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


def run(command: list[str], environment: dict[str, str]) -> float:
    """Run a command of this environment once and return its wall time in seconds."""
    argv = [str(SCRIPTS / command[0]), *command[1:]]
    started = time.perf_counter()
    subprocess.run(argv, cwd=ROOT, env=environment, check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    """Print the medians and their ratios to `alembic current`."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    # Bytecode is cached, as it is for every installed program.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    run(["dbctl", "migrate", "up"], environment)
    url = [str(SCRIPTS / "dbctl"), "server", "url"]
    found = subprocess.run(
        url, cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    )
    environment["DATABASE_URL"] = environment.get("DATABASE_URL", found.stdout.strip())

    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds + 1):
        for name, command in COMMANDS.items():
            times[name].append(run(command, environment))
    medians = {name: statistics.median(measured[1:]) for name, measured in times.items()}
    print(f"{'command':<22} {'median':>9} {'ratio':>7} {'reach':>7}   ({rounds} rounds)")
    for name, median in medians.items():
        reach = f"≤ {REACH[name]:.2f}" if name in REACH else ""
        print(f"{name:<22} {median * 1000:>6.0f} ms {median / medians[BASELINE]:>7.2f} {reach:>7}")


if __name__ == "__main__":
    main()
