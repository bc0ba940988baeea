"""Find out what a project has, changing nothing and without asking for more than is there."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from dbctl.db.endpoints import FindInProject, embedded_endpoints, embedded_server, named
from dbctl.db.pgbinaries import find_binaries
from dbctl.errors import DbctlError
from dbctl.migrate.config_files import NoAlembicConfig, config_files
from dbctl.migrate.discovery.results import (
    AlembicSetup,
    DatabaseFound,
    Discovered,
    EnvStyle,
    ModelsFound,
    Unreadable,
)
from dbctl.migrate.project_database import asks_dbctl
from dbctl.migrate.project_models import ModelsWithoutTable, NoModels, project_models
from dbctl.migrate.run.url import driver_for, is_async
from dbctl.migrate.scripts import open_checkout
from dbctl.programs import programs_folder
from dbctl.project import FLASK_MIGRATE_INI
from dbctl.settings import Settings, project_table


def discover(settings: Settings, find_in_project: FindInProject | None = None) -> Discovered:
    """Return what the project has; env.py is run for its models.

    `find_in_project` is asked for the database where neither the settings nor the ini name one.
    Raises ConfigurationError where `[tool.dbctl.seeds]` is not a table.
    """
    unreadable: list[Unreadable] = []

    def part[T](name: str, read: Callable[[], T | None]) -> T | None:
        try:
            return read()
        except (NoAlembicConfig, NoModels):
            return None
        except DbctlError as error:
            fault = {"part": name, "reason": error.message, "hint": error.hint}
            unreadable.append(Unreadable.model_validate(fault))
            return None

    alembic = part("alembic", lambda: _alembic(settings))
    has_models = alembic is not None or settings.configured_models is not None
    models = part("models", lambda: _models(settings)) if has_models else None
    database = part("database", lambda: _database(settings, find_in_project))
    if database is not None and database.connection == "embedded":
        part("programs", lambda: find_binaries(programs_folder(settings)))
    return Discovered(
        project=settings.project,
        alembic=alembic,
        models=models,
        database=database,
        seeds=tuple(sorted(project_table(settings, "seeds"))),
        unreadable=tuple(unreadable),
    )


def _alembic(settings: Settings) -> AlembicSetup | None:
    files = config_files(settings)
    if files.bundled:
        return None
    checkout = open_checkout(settings)
    driver = (
        "asyncpg" if asks_dbctl(checkout.env_py) else driver_for(checkout.env_py, checkout.ini_url)
    )
    ini = files.ini
    config = ini or files.toml
    assert config is not None  # noqa: S101 - one of them was found
    return AlembicSetup(
        config=below(config, settings.project),
        flask_migrate=ini is not None and ini == (settings.project / FLASK_MIGRATE_INI).resolve(),
        scripts=below(Path(checkout.scripts.dir), settings.project),
        revisions=sum(1 for _ in checkout.scripts.walk_revisions()),
        heads=checkout.heads,
        env_style=_style(checkout.env_py),
        driver=driver,
        driver_installed=find_spec(driver.removesuffix("_async")) is not None,
    )


def _style(env_py: Path) -> EnvStyle:
    if asks_dbctl(env_py):
        return "dbctl"
    return "async" if is_async(env_py) else "sync"


def _models(settings: Settings) -> ModelsFound:
    try:
        found = project_models(settings)
    except ModelsWithoutTable:
        return ModelsFound(source=settings.configured_models or "", tables=0)
    return ModelsFound(source=found.source, tables=len(found.tables))


def _database(settings: Settings, find_in_project: FindInProject | None) -> DatabaseFound:
    endpoints = named(settings, find_in_project)
    if endpoints is None:
        endpoints = embedded_endpoints(embedded_server(settings).url)
    reads = endpoints.reads
    where = "pooled" if reads.dsn.pooled else "direct"
    return DatabaseFound(
        url=reads.dsn.redacted(),
        origin=reads.origin,
        connection="embedded" if endpoints.embedded else where,
    )


def below(path: Path, project: Path) -> str:
    """Return a path relative to the project where it lies below it."""
    return str(path.relative_to(project) if path.is_relative_to(project) else path)
