"""The text of the files of a new project, each from a file that ships with dbctl."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from dbctl.init.model_files import NOT_THE_APPLICATION
from dbctl.migrate.config_files import bundled_config

_PACKAGE = Path(str(resources.files("dbctl")))
_STARTER = _PACKAGE / "init" / "starter"


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to write; `path` is relative to the project."""

    path: Path
    text: str


@dataclass(frozen=True, slots=True)
class Home:
    """Where the modules of the project are: in a package, or beside pyproject.toml.

    `package` is empty for the latter; `folder` is relative to the project. `is_new` means that the
    package does not exist yet.
    """

    package: str = ""
    folder: Path = Path()
    is_new: bool = False

    def module(self, name: str) -> str:
        """Return the name by which a module there is imported."""
        return f"{self.package}.{name}" if self.package else name


def home_of(project: Path, models: str | None, *, may_create: bool) -> Home:
    """Return where modules of the project belong: beside its `models`, else in its one package.

    Where there is neither, and `may_create`, it is a new package `app`.
    """
    top = (models or "").partition(",")[0].partition(":")[0]
    if top and "." not in top and (project / f"{top}.py").is_file():
        return Home()
    top = top.partition(".")[0]
    for folder in (Path(), Path("src")):
        if top and (project / folder / top).is_dir():
            return Home(top, folder / top)
    for folder in (Path(), Path("src")):
        packages = _packages(project / folder)
        if len(packages) == 1:
            return Home(packages[0], folder / packages[0])
    if (project / "app").is_dir():
        return Home("app", Path("app"))
    if may_create and not any(os.path.lexists(project / name) for name in ("app", "app.py")):
        return Home("app", Path("app"), is_new=True)
    return Home()


def _packages(folder: Path) -> list[str]:
    return sorted(
        init.parent.name
        for init in folder.glob("*/__init__.py")
        if init.parent.name.isidentifier() and init.parent.name not in NOT_THE_APPLICATION
    )


def alembic_files(*, sqlmodel: bool) -> Iterator[NewFile]:
    """Yield an Alembic configuration whose env.py asks dbctl for its engine, async.

    With `sqlmodel`, revisions import it: autogenerate names its types.
    """
    ini = bundled_config()
    yield NewFile(Path("alembic.ini"), _read(ini))
    folder = ini.parent / "alembic"
    yield NewFile(Path("alembic", "env.py"), _read(folder / "env.py"))
    template = _read(folder / "script.py.mako")
    if sqlmodel:
        first = "import sqlalchemy as sa\n"
        template = template.replace(first, f"{first}import sqlmodel\n", 1)
    yield NewFile(Path("alembic", "script.py.mako"), template)
    yield NewFile(Path("alembic", "versions", ".gitkeep"), "")


def env_example() -> NewFile:
    """Return an example of the file `.env`."""
    return NewFile(Path(".env.example"), _read(_STARTER / "env.example"))


def package_files(home: Home) -> Iterator[NewFile]:
    """Yield what makes a new package of a folder."""
    if home.is_new:
        yield NewFile(home.folder / "__init__.py", "")


def starter_models(home: Home) -> NewFile:
    """Return a models module without a table."""
    return NewFile(home.folder / "models.py", _read(_STARTER / "models.py"))


def starter_seeds(home: Home) -> NewFile:
    """Return a seed set without a row."""
    return NewFile(home.folder / "seeds.py", _read(_STARTER / "seeds.py"))


def example_files(home: Home) -> Iterator[NewFile]:
    """Yield the task application: its models, its revision and its seed set."""

    def own(file: Path) -> str:
        return _read(file).replace("dbctl.models", home.module("models"))

    for file in sorted((_PACKAGE / "models").glob("*.py")):
        yield NewFile(home.folder / "models" / file.name, own(file))
    yield NewFile(home.folder / "seeds.py", own(_PACKAGE / "seed" / "sets" / "dev.py"))
    for file in sorted((bundled_config().parent / "alembic" / "versions").glob("*.py")):
        yield NewFile(Path("alembic", "versions", file.name), _read(file))


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8")
