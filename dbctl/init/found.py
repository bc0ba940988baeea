"""Find out what a project has, changing nothing: its Alembic, models, database and seed sets."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from dbctl.db.endpoints import EMBEDDED, FindInProject, named
from dbctl.db.pgbinaries import find_binaries
from dbctl.errors import DbctlError
from dbctl.init.found_results import (
    AlembicFound,
    DatabaseFound,
    Found,
    ModelsFound,
    Unreadable,
)
from dbctl.init.model_files import modules_with_tables
from dbctl.migrate.config_files import NoAlembicConfig
from dbctl.migrate.discovery import EnvStyle, discover
from dbctl.migrate.project_models import ModelsWithoutTable, NoModels, project_models
from dbctl.migrate.scripts import Checkout, open_checkout
from dbctl.programs import programs_folder
from dbctl.settings import Settings, project_table


def find(settings: Settings, find_in_project: FindInProject | None = None) -> Found:
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

    # First, for a run of env.py on its database shows its driver.
    database = part("database", lambda: _database(settings, find_in_project))
    alembic = part("alembic", lambda: _alembic(settings))
    has_models = alembic is not None or settings.configured_models is not None
    models = part("models", lambda: _models(settings)) if has_models else None
    if database is not None and database.connection == "embedded":
        part("programs", lambda: find_binaries(programs_folder(settings)))
    return Found(
        alembic=alembic,
        models=models,
        modules=modules_with_tables(settings.project),
        database=database,
        seeds=tuple(sorted(project_table(settings, "seeds"))),
        unreadable=tuple(unreadable),
    )


def _alembic(settings: Settings) -> AlembicFound | None:
    discovery = discover(settings)
    if discovery.files.bundled:
        return None
    checkout = open_checkout(settings)
    driver = _driver(checkout, discovery.style)
    project = settings.project
    return AlembicFound(
        config=_below(discovery.files.ini or discovery.files.toml or project, project),
        scripts=_below(Path(discovery.scripts), project),
        revisions=sum(1 for _ in checkout.scripts.walk_revisions()),
        heads=checkout.heads,
        env_style=discovery.style,
        driver=driver,
        driver_installed=None if driver is None else _is_installed(driver),
    )


def _driver(checkout: Checkout, style: EnvStyle | None) -> str | None:
    if style is EnvStyle.DBCTL:
        return "asyncpg"
    if checkout.learned is not None:
        return checkout.learned.records[0].driver
    return None if style is EnvStyle.FLASK else checkout.expected_driver


def _is_installed(driver: str) -> bool:
    return find_spec(driver.removesuffix("_async")) is not None


def _models(settings: Settings) -> ModelsFound:
    try:
        found = project_models(settings)
    except ModelsWithoutTable:
        return ModelsFound(source=settings.configured_models or "", tables=0)
    return ModelsFound(source=found.source, tables=len(found.tables))


def _database(settings: Settings, find_in_project: FindInProject | None) -> DatabaseFound:
    endpoints = named(settings, find_in_project)
    if endpoints is None:
        return DatabaseFound(url=None, origin=EMBEDDED, connection="embedded")
    reads = endpoints.reads
    return DatabaseFound(
        url=reads.dsn.redacted(),
        origin=reads.origin,
        connection="pooled" if reads.dsn.pooled else "direct",
    )


def _below(path: Path, project: Path) -> str:
    return str(path.relative_to(project) if path.is_relative_to(project) else path)
