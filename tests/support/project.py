"""Projects with revisions and models of their own, written to a folder for one test."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import alembic
import pytest

from tests.support.cli import ROOT, Finished, invoke
from tests.support.foreign import METADATA_LINE, URL_LINE, Driver, Template

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


# The tests that run on each kind of project ask for it: the fixture `driver` is None without.
every_driver = pytest.mark.parametrize(
    "driver",
    [
        pytest.param(None, id="shipped"),
        *(
            pytest.param(driver, id=driver.value, marks=pytest.mark.slow)
            for driver in (Driver.ASYNCPG, Driver.PSYCOPG, Driver.PSYCOPG2)
        ),
    ],
    indirect=True,
)


@dataclass(frozen=True)
class Project:
    """A folder with an alembic.ini, an env.py, and the revisions given to it.

    The env.py is the one that dbctl ships; with `driver`, it is the one that Alembic's template
    writes, and only the driver in the ini's URL is its own.
    """

    root: Path
    url: str
    driver: Driver | None = None

    @classmethod
    def create(
        cls, root: Path, url: str, *upgrades: str, driver: Driver | None = None
    ) -> "Project":
        """Write a project with one revision per SQL text: r1, r2, …, each after the one before."""
        project = cls(root, url, driver)
        (root / "alembic" / "versions").mkdir(parents=True)
        (root / "shop").mkdir()
        (root / "shop" / "__init__.py").touch()
        (root / "shop" / "models.py").write_text(MODELS)
        if driver is None:
            (root / "alembic.ini").write_text(INI)
            for name in ("env.py", "script.py.mako"):
                project.write_alembic(name, (ROOT / "alembic" / name).read_text())
        else:
            project._write_template(driver)
        for number, sql in enumerate(upgrades, start=1):
            after = [f"r{number - 1}"] if number > 1 else []
            project.add_revision(f"r{number}", f"op.execute({sql!r})", after=after)
        return project

    def _write_template(self, driver: Driver) -> None:
        template = Template.ASYNC if driver is Driver.ASYNCPG else Template.GENERIC
        folder = Path(alembic.__file__).parent / "templates" / template
        ini = (folder / "alembic.ini.mako").read_text()
        ini = ini.replace("${script_location}", "%(here)s/alembic")
        url = f"sqlalchemy.url = postgresql+{driver}://nobody:nothing@localhost/nowhere"
        (self.root / "alembic.ini").write_text(URL_LINE.sub(url, ini))
        env = (folder / "env.py").read_text()
        metadata = "from shop.models import metadata\n\ntarget_metadata = metadata"
        assert METADATA_LINE in env
        self.write_alembic("env.py", env.replace(METADATA_LINE, metadata))
        self.write_alembic("script.py.mako", (folder / "script.py.mako").read_text())

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
        models = {"DBCTL_MODELS": "shop.models"} if self.driver is None else {}
        return {"DATABASE_URL": self.url} | models

    def run(self, *arguments: str, **env: str) -> Finished:
        """Run dbctl in the project, on its database, in this process."""
        return invoke(*arguments, env=self.environment | env, cwd=self.root)


def use_example(folder: Path) -> Path:
    """Let dbctl use its example in `folder`, which has no other pyproject.toml."""
    (folder / "pyproject.toml").write_text("[tool.dbctl]\nexample = true\n")
    return folder
