"""Columns that the project's pyproject.toml hides, and those that it shows."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from dbctl.errors import ConfigurationError, UsageError
from dbctl.inspect.sensitive.patterns import parse_pattern
from dbctl.settings import Settings, project_table

_KEYS = ("columns", "show")
_FORM = 'Write columns = ["users.email"] to hide, show = ["users.token_kind"] to show.'


@dataclass(frozen=True, slots=True)
class Configured:
    """Patterns as they are written there: what to hide, and which names are a false alarm."""

    hidden: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()


def configured(settings: Settings) -> Configured:
    """Read `[tool.dbctl.mask]`.

    Raises ConfigurationError for a key or a value that it does not take.
    """
    table = project_table(settings, "mask")
    where = f"[tool.dbctl.mask] of {settings.project / 'pyproject.toml'}"
    for key in table:
        if key not in _KEYS:
            nearest = difflib.get_close_matches(key.lower(), _KEYS, n=1)
            hint = f"Did you mean {nearest[0]!r}? {_FORM}" if nearest else _FORM
            raise ConfigurationError(f"unknown key {key!r} in {where}", hint=hint)
    return Configured(*(_patterns(table.get(key, []), key, where) for key in _KEYS))


def _patterns(value: object, key: str, where: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ConfigurationError(f"{key} in {where} is no list", hint=_FORM)
    for text in value:
        if not isinstance(text, str):
            raise ConfigurationError(f"{key} in {where}: {text!r} is no text", hint=_FORM)
        try:
            parse_pattern(text)
        except UsageError as error:
            raise ConfigurationError(
                f"{key} in {where}: {error.message}", hint=error.hint
            ) from error
    return tuple(value)
