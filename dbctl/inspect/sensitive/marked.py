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
from dbctl.settings import Settings

# What `info` of a column or a table says of personal data.
MARK = "pii"

type _Stamps = dict[str, list[int]]


def marked(settings: Settings) -> tuple[str, ...]:
    """Return patterns of the columns whose `info`, or that of their table, has a true `pii`.

    The models that ship with dbctl mark none. Raises ConfigurationError where those of the project
    cannot be imported.
    """
    if not settings.has_own_models:
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


def _path(settings: Settings) -> Path:
    interpreter = (sys.prefix, sys.version, os.environ.get("PYTHONPATH", ""))
    return cache_folder() / "models" / digest(str(settings.project), settings.models, *interpreter)


def _known(document: object) -> tuple[str, ...] | None:
    """Return what a document of the cache says, None where it is none or no longer holds."""
    match document:
        case {"files": dict() as files, "marked": [*patterns]} if files:
            if _stamps(files) == files and all(isinstance(text, str) for text in patterns):
                return tuple(map(str, patterns))
    return None


def _found(settings: Settings) -> list[str]:
    from dbctl.db.metadata import load_metadata

    return sorted(
        exactly(table.schema, table.name, column.name)
        for table in load_metadata(settings).tables.values()
        for column in table.columns
        if column.info.get(MARK) or table.info.get(MARK)
    )


def _sources(settings: Settings, before: Container[str]) -> Iterator[str]:
    """Yield the files of the modules that may be edited, and their folders.

    Those are the project's, and of what was imported since `before` all that is not installed.
    """
    own = sys.modules[settings.models.partition(".")[0]]
    home = str(Path(own.__file__).parent) if own.__file__ else ""
    installed = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not file:
            continue
        is_new = name not in before and not file.startswith(installed)
        if is_new or (home and file.startswith(home)):
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
