"""Columns that the project's models mark as personal data, without importing them each time.

The import takes half a second. What it finds is kept in the user's cache for as long as the files
that it read, and the folders that they are in, stay as they are.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import time
import zlib
from collections.abc import Container, Iterable, Iterator
from pathlib import Path

from dbctl.inspect.cache import cache_folder, digest, load, save
from dbctl.inspect.sensitive.patterns import exactly
from dbctl.migrate.config_files import NoAlembicConfig, config_files
from dbctl.settings import Settings

# What `info` of a column or a table says of personal data.
MARK = "pii"

type _Stamps = dict[str, list[int]]


def marked(settings: Settings) -> tuple[str, ...]:
    """Return patterns of the columns whose `info`, or that of their table, has a true `pii`.

    Empty where nothing names models. Raises ConfigurationError where they cannot be loaded.
    """
    if settings.uses_example or not _are_named(settings):
        return ()
    path = _path(settings)
    known = _known(load(path))
    if known is not None:
        return known
    began, before = time.time_ns(), set(sys.modules)
    found = _found(settings)
    stamps = _stamps(_sources(settings, before))
    # One that was written meanwhile may be another than the one that was imported.
    if stamps is not None and all(modified < began for modified, _ in stamps.values()):
        save(path, {"files": stamps, "marked": found})
    return tuple(found)


def _are_named(settings: Settings) -> bool:
    """Return whether there is a DBCTL_MODELS or an Alembic configuration, importing neither."""
    if settings.models is not None:
        return True
    try:
        config_files(settings)
    except NoAlembicConfig:
        return False
    return True


def _path(settings: Settings) -> Path:
    interpreter = (sys.prefix, sys.version, os.environ.get("PYTHONPATH", ""))
    named = settings.models or f"env.py of {settings.alembic_config}"
    return cache_folder() / "models" / digest(str(settings.project), named, *interpreter)


def _known(document: object) -> tuple[str, ...] | None:
    """Return what a document of the cache says, None where it is none or no longer holds."""
    match document:
        case {"files": dict() as files, "marked": [*patterns]} if files:
            if _stamps(files) == files and all(isinstance(text, str) for text in patterns):
                return tuple(map(str, patterns))
    return None


def _found(settings: Settings) -> list[str]:
    from dbctl.migrate.project_models import NoModels, project_models

    try:
        models = project_models(settings)
    except NoModels:
        return []
    return sorted(
        exactly(table.schema, table.name, column.name)
        for table in models.tables
        for column in table.columns
        if column.info.get(MARK) or table.info.get(MARK)
    )


def _sources(settings: Settings, before: Container[str]) -> Iterator[str]:
    """Yield the files of the modules that may be edited, and their folders.

    Those are the project's, and of what was imported since `before` all that is not installed; with
    them env.py, which is not among the modules, and what configures it.
    """
    names = settings.models.split(",") if settings.models else ()
    packages = {name.strip().partition(":")[0].partition(".")[0] for name in names}
    files = [sys.modules[name].__file__ for name in packages]
    homes = tuple(str(Path(file).parent) for file in files if file)
    if settings.models is None:
        from dbctl.migrate.scripts import open_scripts

        found = config_files(settings)
        yield from (str(file) for file in (found.ini, found.toml) if file)
        yield open_scripts(settings)[1].env_py_location
    project = f"{settings.project}{os.sep}"
    installed = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not file:
            continue
        is_own = name not in before or (settings.models is None and file.startswith(project))
        is_new = is_own and not file.startswith(installed)
        if is_new or file.startswith(homes):
            yield file
            yield str(Path(file).parent)
    yield str(settings.project)


def _stamps(paths: Iterable[str]) -> _Stamps | None:
    """Return the stamp of each file and folder; None if one is gone."""
    try:
        return {path: _stamp(Path(path)) for path in sorted(set(paths))}
    except (OSError, ValueError):
        return None


def _stamp(path: Path) -> list[int]:
    """Return when a file was last modified, in ns, and its size.

    Of a folder, when the newest of its sources was, and a sum of their names and its folders': its
    own time changes when the import writes bytecode.
    """
    if not path.is_dir():
        stat = path.stat()
        return [stat.st_mtime_ns, stat.st_size]
    names, newest = [], 0
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.name.endswith(".py"):
                newest = max(newest, entry.stat().st_mtime_ns)
            elif entry.name == "__pycache__" or not entry.is_dir():
                continue
            names.append(entry.name)
    return [newest, zlib.crc32("/".join(sorted(names)).encode(errors="surrogateescape"))]
