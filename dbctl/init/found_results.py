"""What the discovery of a project returns."""

from pathlib import Path
from typing import Literal

from dbctl.results import Result

type EnvStyle = Literal["sync", "async", "dbctl"]


class AlembicSetup(Result):
    """The Alembic configuration of a project; paths are relative to its folder where below it.

    `env_style` is how env.py connects: with a sync or async engine of its own, or with dbctl's.
    """

    config: str
    flask_migrate: bool
    scripts: str
    revisions: int
    heads: tuple[str, ...]
    env_style: EnvStyle
    driver: str
    driver_installed: bool


class ModelsFound(Result):
    """The models that commands compare with; `source` is a module, or env.py."""

    source: str
    tables: int


class DatabaseFound(Result):
    """The database that commands work on; `url` holds no password.

    `connection` is judged by the connection string alone: nothing was connected to.
    """

    url: str
    origin: str
    connection: Literal["direct", "pooled", "embedded"]


class Unreadable(Result):
    """A part of the project that could not be read, why, and what to do."""

    part: Literal["alembic", "models", "database", "programs"]
    reason: str
    hint: str | None


class Discovered(Result):
    """What a project has; a part that is neither there nor in `unreadable` does not exist."""

    project: Path
    alembic: AlembicSetup | None = None
    models: ModelsFound | None = None
    database: DatabaseFound | None = None
    seeds: tuple[str, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
