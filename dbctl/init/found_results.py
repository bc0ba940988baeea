"""What a project was found to have."""

from typing import Literal

from dbctl.migrate.discovery import EnvStyle
from dbctl.results import Result


class AlembicFound(Result):
    """The Alembic configuration of a project; paths are relative to its folder where below it.

    `env_style` is how env.py comes to its connection, by its text; `driver` the one that it uses,
    None where only the application knows it.
    """

    config: str
    scripts: str
    revisions: int
    heads: tuple[str, ...]
    env_style: EnvStyle | None
    driver: str | None
    driver_installed: bool | None


class ModelsFound(Result):
    """The models that commands compare with; `source` is a module, or env.py."""

    source: str
    tables: int


class DatabaseFound(Result):
    """The database that commands work on; `url` holds no password, None for the embedded server.

    `connection` is judged by the connection string alone.
    """

    url: str | None
    origin: str
    connection: Literal["direct", "pooled", "embedded"]


class Unreadable(Result):
    """A part of the project that could not be read, why, and what to do."""

    part: Literal["alembic", "models", "database", "programs"]
    reason: str
    hint: str | None


class Found(Result):
    """What a project has; a part that is None and not in `unreadable` does not exist.

    `modules` define tables, by their text.
    """

    alembic: AlembicFound | None = None
    models: ModelsFound | None = None
    modules: tuple[str, ...] = ()
    database: DatabaseFound | None = None
    seeds: tuple[str, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
