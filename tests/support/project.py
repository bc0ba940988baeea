"""Projects with revisions and models of their own, written to a folder for one test."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.support.cli import ROOT, Finished, invoke

INI = "[alembic]\nscript_location = %(here)s/alembic\npath_separator = os\n"
MODELS = """
from sqlalchemy import Column, Integer, MetaData, String, Table

metadata = MetaData()
team = Table(
    "team",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False),
)
"""


@dataclass(frozen=True)
class Project:
    """A folder with an alembic.ini, an env.py as dbctl ships it, and the revisions given to it."""

    root: Path
    url: str

    @classmethod
    def create(cls, root: Path, url: str, *upgrades: str) -> "Project":
        """Write a project with one revision per SQL text: r1, r2, …, each after the one before."""
        project = cls(root, url)
        (root / "alembic" / "versions").mkdir(parents=True)
        (root / "alembic.ini").write_text(INI)
        (root / "shop").mkdir()
        (root / "shop" / "__init__.py").touch()
        (root / "shop" / "models.py").write_text(MODELS)
        for name in ("env.py", "script.py.mako"):
            project.write_alembic(name, (ROOT / "alembic" / name).read_text())
        for number, sql in enumerate(upgrades, start=1):
            after = [f"r{number - 1}"] if number > 1 else []
            project.add_revision(f"r{number}", f"op.execute({sql!r})", after=after)
        return project

    def write_alembic(self, name: str, text: str) -> Path:
        """Write a file below the alembic folder."""
        path = self.root / "alembic" / name
        path.write_text(text)
        return path

    def add_revision(
        self, revision: str, upgrade: str, *, after: Iterable[str] = (), downgrade: str = "pass"
    ) -> Path:
        """Write a revision whose functions have the given bodies."""
        down = tuple(after)
        parent = repr(down[0]) if len(down) == 1 else repr(down or None)
        return self.write_alembic(
            f"versions/{revision}.py",
            f'"""make {revision}"""\n'
            "from alembic import op\n"
            "import sqlalchemy as sa\n"
            f"revision = {revision!r}\n"
            f"down_revision = {parent}\n"
            f"def upgrade():\n    {upgrade}\n"
            f"def downgrade():\n    {downgrade}\n",
        )

    @property
    def environment(self) -> dict[str, str]:
        """The settings that dbctl needs here."""
        return {"DATABASE_URL": self.url, "DBCTL_MODELS": "shop.models"}

    def run(self, *arguments: str, **env: str) -> Finished:
        """Run dbctl in the project, on its database, in this process."""
        return invoke(*arguments, env=self.environment | env, cwd=self.root)


def use_example(folder: Path) -> Path:
    """Let dbctl use its example in `folder`, which has no other pyproject.toml."""
    (folder / "pyproject.toml").write_text("[tool.dbctl]\nexample = true\n")
    return folder
