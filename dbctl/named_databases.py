"""The databases that a project names, under `[tool.dbctl.databases]`."""

import difflib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values

from dbctl.errors import ConfigurationError
from dbctl.project import group_table

_FROM_VARIABLE = "env:"
_URLS = {"url": "database_url", "url_unpooled": "database_url_unpooled"}
_KEYS = {**_URLS, "environment": "environment"}


class VariableUnset(ConfigurationError):
    """The variable that a database takes its connection string from is not set."""


@dataclass(frozen=True, slots=True)
class NamedDatabase:
    """A database by its name, and the settings that picking it makes, by field.

    `origin` says where it is written down.
    """

    name: str
    settings: Mapping[str, str]
    origin: str


def database_names(project: Path) -> tuple[str, ...]:
    """Return the names of a project's databases. Raises what `named_database` raises."""
    return tuple(group_table(project, "databases"))


def named_database(project: Path, name: str, dotenv: Path) -> NamedDatabase:
    """Return the database that a project calls `name`.

    A connection string written `env:NAME` is the value of that variable, which may stand in the
    file `dotenv`. Raises ConfigurationError where there is no such database, where what is written
    about it cannot be used, and where its variable is not set.
    """
    table = group_table(project, "databases")
    origin = f"[tool.dbctl.databases] of {project / 'pyproject.toml'}"
    if name not in table:
        raise ConfigurationError(
            f"there is no database {name!r} in {origin}", hint=_known(name, table)
        )
    entry = table[name]
    if isinstance(entry, str):
        entry = {"url": entry}
    if not isinstance(entry, dict) or not isinstance(entry.get("url"), str):
        raise ConfigurationError(
            f"{name} in {origin} has no connection string",
            hint=f'Write it as `{name} = {{ url = "env:{name.upper()}_URL" }}`.',
        )
    settings = {"database": name}
    for key, value in entry.items():
        if key not in _KEYS:
            raise ConfigurationError(
                f"unknown key {key!r} of {name} in {origin}",
                hint=f"A database takes {', '.join(_KEYS)}.",
            )
        if not isinstance(value, str) or not value:
            raise ConfigurationError(f"{key} of {name} in {origin} should be text")
        settings[_KEYS[key]] = value if key not in _URLS else _url(value, name, origin, dotenv)
    return NamedDatabase(name, settings, f"databases.{name} in pyproject.toml")


def _url(value: str, name: str, origin: str, dotenv: Path) -> str:
    """Return a connection string, read from its variable where one is named."""
    if not value.startswith(_FROM_VARIABLE):
        return value
    variable = value.removeprefix(_FROM_VARIABLE)
    found = os.environ.get(variable) or (
        dotenv_values(dotenv).get(variable) if dotenv.is_file() else None
    )
    if not found:
        raise VariableUnset(
            f"{variable}, which {name} in {origin} takes its connection string from, is not set",
            hint=f"Set it in the environment or in {dotenv}.",
        )
    return found


def _known(name: str, table: Iterable[str]) -> str:
    names = sorted(table)
    if not names:
        return f'Write one: `[tool.dbctl.databases]` with `{name} = {{ url = "env:NAME" }}`.'
    if nearest := difflib.get_close_matches(name, names, n=1):
        return f"Did you mean {nearest[0]!r}? The databases are {', '.join(names)}."
    return f"The databases are {', '.join(names)}."
