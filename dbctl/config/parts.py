"""What belongs to a project beside its settings: its Alembic, models, seed sets, masks, folders."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from dbctl.config.results import Part
from dbctl.db import dsn
from dbctl.db.embedded import STATE_DIR_VARIABLE, EmbeddedServer
from dbctl.errors import DbctlError
from dbctl.inspect.cache import cache_folder
from dbctl.inspect.sensitive.configured import configured as configured_masks
from dbctl.migrate.config_files import NoAlembicConfig
from dbctl.migrate.discovery import Discovery, discover
from dbctl.named_databases import database_names, named_database
from dbctl.programs import user_config_file
from dbctl.seed.sets.registry import entries
from dbctl.settings import Settings

_TABLE = "[tool.dbctl.{}]"
_PROJECT = "project"
_DEFAULT = "default"


def parts(settings: Settings) -> tuple[Part, ...]:
    """Return what the project has, from its files alone.

    A part that cannot be read says why.
    """
    sources: Mapping[str, Callable[[Settings], Iterable[Part]]] = {
        "alembic": _alembic,
        "seed sets": _seed_sets,
        "masks": _masks,
        "databases": _databases,
        "folders": _folders,
    }
    found: list[Part] = []
    for name, read in sources.items():
        try:
            found += read(settings)
        except DbctlError as error:
            found.append(Part(name=name, source=_PROJECT, problem=error.message))
    return tuple(found)


def _alembic(settings: Settings) -> Iterator[Part]:
    try:
        discovery = discover(settings)
    except NoAlembicConfig as error:
        yield Part(name="alembic", source=_PROJECT, problem=error.message)
        yield from _models(settings, None)
        return
    files = discovery.files
    named = settings.alembic_config is not None
    origin = settings.source_of("alembic_config") if named else _PROJECT
    origin = "example" if files.bundled else origin
    if files.ini is not None:
        section = f"[{discovery.section}]"
        yield Part(name="alembic ini", value=section, path=files.ini, source=origin)
    if files.toml is not None:
        yield Part(name="alembic toml", value="[tool.alembic]", path=files.toml, source=_PROJECT)
    written = (files.ini or files.toml or settings.project).name
    if discovery.env_py is None:
        missing = f"there is no env.py in {discovery.scripts}"
        yield Part(name="env.py", source=written, problem=missing)
    else:
        yield Part(name="env.py", value=discovery.style, path=discovery.env_py, source=written)
    for name in discovery.databases:
        yield Part(name="database of env.py", value=name, source=written)
    for place in discovery.revisions:
        there = Path(place).is_dir() or ":" in place
        yield Part(
            name="revisions",
            path=Path(place),
            source=written,
            problem=None if there else "there is no such folder",
        )
    yield from _models(settings, discovery)


def _models(settings: Settings, discovery: Discovery | None) -> Iterator[Part]:
    """Return where the models are from; they are not imported."""
    if settings.uses_example:
        yield Part(name="models", value=settings.configured_models, source="example")
    elif settings.models is not None:
        yield Part(name="models", value=settings.models, source=settings.source_of("models"))
    elif discovery is not None and discovery.env_py is not None:
        target = discovery.target
        source = f"target_metadata of {discovery.env_py.name}"
        if target is None:
            yield Part(name="models", value="known once env.py is run", source=source)
            return
        value = target.expression
        if value is not None and target.imported is not None:
            value = f"{value} (from {target.imported})"
        problem = "target_metadata is None" if value is None else None
        place = f"{source}, line {target.line}"
        yield Part(name="models", value=value, source=place, problem=problem)
    else:
        yield Part(name="models", source=_DEFAULT, problem="nothing names models")


def _seed_sets(settings: Settings) -> Iterator[Part]:
    for entry in entries(settings).values():
        yield Part(
            name=f"seed set {entry.name}",
            value=entry.source,
            path=_module_file(settings.project, entry.source),
            source=_TABLE.format("seeds") if entry.file else "example",
        )


def _module_file(project: Path, reference: str) -> Path | None:
    """Return the file of a module below the project; None for one that is installed."""
    module = project.joinpath(*reference.partition(":")[0].split("."))
    files = (module.with_suffix(".py"), module / "__init__.py")
    return next((file for file in files if file.is_file()), None)


def _masks(settings: Settings) -> Iterator[Part]:
    masks = configured_masks(settings)
    named = "columns that their names or the models mark"
    yield Part(name="masks", value=named, source=_DEFAULT)
    for name, patterns in (("masks", masks.hidden), ("not masked", masks.shown)):
        if patterns:
            yield Part(name=name, value=" ".join(patterns), source=_TABLE.format("mask"))


def _databases(settings: Settings) -> Iterator[Part]:
    source = _TABLE.format("databases")
    for name in database_names(settings.project):
        label = f"database {name}"
        try:
            url = named_database(settings.project, name, settings.dotenv).settings["database_url"]
            yield Part(name=label, value=dsn.redact(url), source=source)
        except DbctlError as error:
            yield Part(name=label, source=source, problem=error.message)


def _folders(settings: Settings) -> Iterator[Part]:
    source = "environment" if os.environ.get(STATE_DIR_VARIABLE) else _DEFAULT
    yield Part(
        name="embedded server", path=EmbeddedServer(settings.project).clusters_dir, source=source
    )
    source = "environment" if os.environ.get("XDG_CACHE_HOME") else _DEFAULT
    yield Part(name="cache", path=cache_folder(), source=source)
    source = "environment" if os.environ.get("XDG_CONFIG_HOME") else _DEFAULT
    yield Part(name="user configuration", path=user_config_file(), source=source)
