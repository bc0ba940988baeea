"""Where the project is that a command was started in."""

from pathlib import Path

PROJECT_MARKERS = ("pyproject.toml", "alembic.ini")


def find_project(start: Path) -> Path:
    """Return the nearest folder from `start` upwards with a pyproject.toml or alembic.ini.

    Without one, `start` itself is the project.
    """
    start = start.resolve()
    for folder in (start, *start.parents):
        if any((folder / marker).is_file() for marker in PROJECT_MARKERS):
            return folder
    return start
