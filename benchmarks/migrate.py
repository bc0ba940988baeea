"""Compare `dbctl migrate up` with `alembic upgrade head` on the same revisions, interleaved.

One project for both, unedited: Alembic's generic template as env.py, on psycopg, with an SQLModel
module. 300 revisions on an empty database each time, and nothing to
do with 1,000 revisions in the folder. Machines are noisy: what counts is the ratio of the medians
of one run, in which both take their turn in every round.

    uv run python -m benchmarks.migrate [ROUNDS]
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from dbctl.db.embedded import EmbeddedServer

INI = "[alembic]\nscript_location = %(here)s/alembic\npath_separator = os\n"
MODELS = """
from sqlmodel import Field, SQLModel

class Thing(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
"""
ENV = """
from alembic import context
from sqlalchemy import engine_from_config, pool
from sqlmodel import SQLModel
import things

config = context.config


def run_migrations_online():
    connectable = engine_from_config(
        config.get_section(config.config_ini_section, {}),
        prefix="sqlalchemy.",
        poolclass=pool.NullPool,
    )
    with connectable.connect() as connection:
        context.configure(connection=connection, target_metadata=SQLModel.metadata)
        with context.begin_transaction():
            context.run_migrations()


run_migrations_online()
"""
REVISION = '''"""make t{number}"""
import sqlalchemy as sa
from alembic import op

revision = "r{number:04}"
down_revision = {down!r}
branch_labels = None
depends_on = None

def upgrade():
    op.create_table(
        "t{number}",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False, server_default=""),
    )

def downgrade():
    op.drop_table("t{number}")
'''
SCRIPTS = Path(sys.executable).parent
COMMANDS = {
    "alembic upgrade head": ["alembic", "upgrade", "head"],
    "dbctl migrate up": ["dbctl", "migrate", "up"],
}
BASELINE = "alembic upgrade head"
REACH = {"300 revisions": 1.15, "1,000 revisions, nothing to do": 1.0}


def write_project(folder: Path, revisions: int) -> Path:
    """Write a project of so many revisions, each of which makes a table."""
    versions = folder / "alembic" / "versions"
    versions.mkdir(parents=True)
    (folder / "alembic" / "env.py").write_text(ENV)
    (folder / "things.py").write_text(MODELS)
    for number in range(1, revisions + 1):
        down = f"r{number - 1:04}" if number > 1 else None
        text = REVISION.format(number=number, down=down)
        (versions / f"r{number:04}.py").write_text(text)
    return folder


def run(command: list[str], folder: Path, url: str) -> float:
    """Run a command of this environment once and return its wall time in seconds."""
    # Bytecode is cached, as it is for every installed program.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    ini = INI + "prepend_sys_path = .\nsqlalchemy.url = " + psycopg_url(url) + "\n"
    (folder / "alembic.ini").write_text(ini)
    argv = [str(SCRIPTS / command[0]), *command[1:]]
    started = time.perf_counter()
    subprocess.run(argv, cwd=folder, env=environment, check=True, capture_output=True)
    return time.perf_counter() - started


def psycopg_url(url: str) -> str:
    """Return the URL as the ini has it."""
    return url.replace("://", "+psycopg://", 1).replace("%", "%%")


def psql(url: str, statement: str) -> None:
    """Run a statement on the server."""
    subprocess.run(["psql", "-qX", "-d", url, "-c", statement], check=True, capture_output=True)


def compare(name: str, rounds: int, measure: Callable[[list[str]], float]) -> None:
    """Print the medians of both commands over `rounds`, after one that is not counted."""
    times: dict[str, list[float]] = {command: [] for command in COMMANDS}
    for _ in range(rounds + 1):
        for command, argv in COMMANDS.items():
            times[command].append(measure(argv))
    medians = {command: statistics.median(found[1:]) for command, found in times.items()}
    print(f"{name} ({rounds} rounds)")
    for command, median in medians.items():
        ratio = median / medians[BASELINE]
        reach = "" if command == BASELINE else f"  ≤ {REACH[name]:.2f}"
        print(f"  {command:<22} {median * 1000:>6.0f} ms {ratio:>6.2f}{reach}")


def main() -> None:
    """Print the ratios of both comparisons."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)
        server = EmbeddedServer(folder / "server", state_dir=folder / "state")
        try:
            url = server.ensure_running()
            bench = url.replace("/app?", "/bench?")
            many = write_project(folder / "many", 300)

            def from_empty(argv: list[str]) -> float:
                psql(url, "drop database if exists bench")
                psql(url, "create database bench")
                return run(argv, many, bench)

            compare("300 revisions", rounds, from_empty)
            thousand = write_project(folder / "thousand", 1000)
            psql(url, "drop database if exists bench")
            psql(url, "create database bench")
            run(COMMANDS[BASELINE], thousand, bench)
            compare(
                "1,000 revisions, nothing to do", rounds, lambda argv: run(argv, thousand, bench)
            )
        finally:
            server.destroy()


if __name__ == "__main__":
    main()
