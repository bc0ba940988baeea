"""Columns that the project's models mark as personal data, without importing them each time.

The import takes half a second. What it finds is kept in the user's cache for as long as the files
that it read, and the folders that they are in, stay as they are.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import time
from collections.abc import Iterable, Iterator
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
    began = time.time_ns()
    found = _found(settings)
    stamps = _stamps(_sources(settings))
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


def _sources(settings: Settings) -> Iterator[str]:
    """Yield the files of the imported modules that may be edited, and their folders.

    Those are the project's, and what else is not installed.
    """
    own = sys.modules[settings.models.partition(".")[0]]
    home = str(Path(own.__file__).parent) if own.__file__ else ""
    installed = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file and ((home and file.startswith(home)) or not file.startswith(installed)):
            yield file
            yield str(Path(file).parent)
    yield str(settings.project)


def _stamps(paths: Iterable[str]) -> _Stamps | None:
    """Return when each of the files was last modified, in ns, and its size; None if one is gone."""
    try:
        found = {path: Path(path).stat() for path in sorted(set(paths))}
    except (OSError, ValueError):
        return None
    return {path: [stat.st_mtime_ns, stat.st_size] for path, stat in found.items()}
