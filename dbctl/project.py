"""Where the project is that a command was started in."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

from dbctl.errors import ConfigurationError

FLASK_MIGRATE_INI = Path("migrations", "alembic.ini")
PROJECT_MARKERS = (Path("pyproject.toml"), Path("alembic.ini"), FLASK_MIGRATE_INI)


def find_project(start: Path) -> Path:
    """Return the nearest folder from `start` upwards with a pyproject.toml or alembic.ini, also
    with the `migrations/alembic.ini` that Flask-Migrate makes.

    Without one, `start` itself is the project.
    """
    start = start.resolve()
    for folder in (start, *start.parents):
        if any((folder / marker).is_file() for marker in PROJECT_MARKERS):
            return folder
    return start


def group_table(project: Path, group: str) -> Mapping[str, object]:
    """Return `[tool.dbctl.<group>]` of a project's pyproject.toml, empty where there is none.

    Raises ConfigurationError where the file cannot be read or the key is not a table.
    """
    path = project / "pyproject.toml"
    try:
        table = tool_table(path).get(group, {})
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"cannot read {path}: {error}", hint="Correct the file or remove it."
        ) from None
    if not isinstance(table, dict):
        raise ConfigurationError(
            f"{group} in [tool.dbctl] of {path} is not a table",
            hint=f"Write [tool.dbctl.{group}] with a line for each.",
        )
    return table


def tool_table(path: Path) -> Mapping[str, object]:
    """Return `[tool.dbctl]` of a pyproject.toml, empty where either is not there."""
    if not path.is_file():
        return {}
    table: object = tomllib.loads(path.read_text(encoding="utf-8"))
    for name in ("tool", "dbctl"):
        table = table.get(name, {}) if isinstance(table, dict) else table
    if not isinstance(table, dict):
        raise ValueError("[tool.dbctl] is not a table")  # noqa: TRY004 - as any other fault in it
    return table
