"""The catalogue that was seen last, kept for TAB: names of tables and columns, and nothing else.

There is a file for each database of a project in the user's cache, and one that names the last.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dbctl.inspect.cache import cache_folder, digest, load, save

# Seconds after which a catalogue is read again by a command that connects anyway.
FRESH = 300.0
_LAST = "last.json"


@dataclass(frozen=True, slots=True)
class Seen:
    """Relations by schema and name, with their columns; `default` is the schema to leave out."""

    default: str
    relations: Mapping[tuple[str, str], tuple[str, ...]]


def is_fresh(project: Path, database: str) -> bool:
    """Tell whether the catalogue of a database is known well enough, and make it the last one.

    `database` is any text that tells it from others.
    """
    path = _path(project, database)
    last = path.parent / _LAST
    try:
        age = time.time() - path.stat().st_mtime
    except OSError:
        return False
    if load(last) != path.name:
        save(last, path.name)
    return 0 <= age < FRESH


def keep(project: Path, database: str, seen: Seen) -> None:
    """Keep a catalogue, as the last one."""
    path = _path(project, database)
    relations = [[*identity, list(columns)] for identity, columns in seen.relations.items()]
    save(path, {"default": seen.default, "relations": relations})
    save(path.parent / _LAST, path.name)


def last_seen(project: Path) -> Seen:
    """Return the last catalogue of any database of the project, empty where there is none."""
    folder = _folder(project)
    match load(folder / _LAST):
        case str(name):
            match load(folder / name):
                case {"default": str(default), "relations": [*relations]}:
                    return Seen(default, {(s, n): tuple(columns) for s, n, columns in relations})
    return Seen("", {})


def _folder(project: Path) -> Path:
    return cache_folder() / "names" / digest(str(project))


def _path(project: Path, database: str) -> Path:
    return _folder(project) / f"{digest(database)}.json"
