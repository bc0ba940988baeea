"""Projects with models and seed sets of their own, written to a folder for one test."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

from tests.support.cli import Finished
from tests.support.databases import execute, fetch
from tests.support.project import Project
from tests.support.schema import dump_of, run_psql

# A registry of their own: in one process, each test may define the same tables.
_MODELS = """
from sqlalchemy.orm import registry
from sqlmodel import Field, Relationship, SQLModel

_registry = registry()
metadata = _registry.metadata


class Base(SQLModel, registry=_registry):
    pass

"""


@dataclass(frozen=True)
class Seeds:
    """A project with models, their tables, and sets."""

    project: Project

    @classmethod
    def create(cls, root: Path, url: str, models: str, **sets: str) -> "Seeds":
        """Write a project; each set is the body of its `async def seed(session)`."""
        project = Project.create(root, url, "select")
        (root / "shop" / "models.py").write_text(_MODELS + dedent(models))
        seeds = cls(project)
        seeds.declare("\n".join(f'{name} = "shop.{name}_set"' for name in sets))
        for name, body in sets.items():
            seeds.write(name, body)
        return seeds

    def make_tables(self, sql: str) -> None:
        """Run a script, and bring the database to the head of the project's revisions."""
        assert run_psql(self.project.url, sql, "--set=ON_ERROR_STOP=1").returncode == 0
        assert self.project.run("migrate", "up").exit_code == 0

    def declare(self, lines: str) -> None:
        """Write `[tool.dbctl.seeds]`."""
        (self.project.root / "pyproject.toml").write_text(f"[tool.dbctl.seeds]\n{lines}\n")

    def write(self, name: str, body: str) -> Path:
        """Write the module of a set anew; `body` is that of its function, with `yield`s."""
        path = self.project.root / "shop" / f"{name}_set.py"
        lines = "".join(f"    {line}\n" for line in dedent(body).strip().splitlines())
        path.write_text(
            "from sqlalchemy import text\n"
            "from sqlmodel import select\n"
            "from dbctl.seed import keyed\n"
            "from shop.models import *\n\n"
            "async def run(session, sql):\n"
            "    await (await session.connection()).execute(text(sql))\n\n"
            f'async def seed(session):\n    """Rows for {name}."""\n{lines}'
        )
        return path

    def run(self, *arguments: str, **env: str) -> Finished:
        """Run `dbctl seed`."""
        return self.project.run("seed", *arguments, **env)

    def seed(self, name: str, *arguments: str) -> Any:
        """Run a set and return its document."""
        done = self.run("--set", name, *arguments, "--json")
        assert done.exit_code == 0, done.stdout
        return done.json

    def counts(self, name: str, *arguments: str) -> tuple[int, int, int]:
        """Run a set; return how many rows were created, updated and unchanged."""
        result = self.seed(name, *arguments)
        return result["created"], result["updated"], result["unchanged"]

    def fault(self, name: str, *arguments: str, code: int = 4) -> Mapping[str, str]:
        """Run a set that fails; return its error."""
        done = self.run("--set", name, *arguments, "--json")
        assert done.exit_code == code, done.stdout
        error: Mapping[str, str] = done.json["error"]
        return error

    def execute(self, *statements: str) -> None:
        """Run statements on the database."""
        execute(self.project.url, *statements)

    def fetch(self, query: str) -> list[Any]:
        """Return the first column of what a query finds."""
        return fetch(self.project.url, query)

    def rows(self) -> list[str]:
        """Return a dump without the sequences, which know no rollback."""
        return [line for line in dump_of(self.project.url) if "pg_catalog.setval(" not in line]
