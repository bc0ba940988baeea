"""Which folder of PostgreSQL's programs may be run: never one that a project's files name."""

from __future__ import annotations

import tomllib
from pathlib import Path

from dbctl.errors import ConfigurationError
from dbctl.settings import Settings

_KEY = "pg_bindir"
# Where a project that was just cloned can write nothing.
_TRUSTED = frozenset({"flag", "environment"})


def programs_folder(settings: Settings) -> Path | None:
    """Return the folder that the environment, or else the user's own configuration, names.

    Raises ConfigurationError where only a file of the project names one: a folder that was just
    cloned must not have its programs run.
    """
    named = settings.pg_bindir
    source = settings.source_of("pg_bindir")
    if named is not None and source in _TRUSTED:
        return named.expanduser()
    file = user_config_file()
    if (own := _read(file)) is not None:
        return own
    if named is not None:
        raise ConfigurationError(
            f"DB_PG_BINDIR comes from {source} of {settings.project}: a file of the project "
            "does not decide which programs are run",
            hint=f"If you trust them: export DB_PG_BINDIR={named}, or write "
            f'{_KEY} = "{named}" into {file}.',
        )
    return None


def user_config_file() -> Path:
    """Return the user's own configuration, which need not exist."""
    from platformdirs import user_config_path  # costs what a small query does

    return user_config_path("dbctl", appauthor=False) / "config.toml"


def _read(file: Path) -> Path | None:
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"cannot read {file}: {error}", hint="Correct the file or remove it."
        ) from None
    unknown = table.keys() - {_KEY}
    value = table.get(_KEY)
    if unknown or not isinstance(value, str | None):
        raise ConfigurationError(
            f"cannot use {file}: it holds {_KEY}, a folder, and nothing else",
            hint=f'Write {_KEY} = "/usr/lib/postgresql/17/bin".',
        )
    return None if value is None else Path(value).expanduser()
