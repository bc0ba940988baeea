"""Add keys to `[tool.dbctl]` of a pyproject.toml, with everything else left as it is written."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from dbctl.errors import ConfigurationError
from dbctl.installation import DISTRIBUTION

type Tables = Mapping[str, Mapping[str, str]]


def new_project(name: str) -> str:
    """Return a pyproject.toml for a project that has nothing yet."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "app"
    return (
        f'[project]\nname = "{slug}"\nversion = "0.1.0"\nrequires-python = ">=3.13"\n'
        f'dependencies = ["{DISTRIBUTION}", "sqlmodel"]\n\n'
        "[dependency-groups]\n# The embedded PostgreSQL, which development and tests run on.\n"
        f'dev = ["{DISTRIBUTION}[embedded]"]\n'
    )


def extended(text: str, tables: Tables) -> str:
    """Return `text` with the keys of `tables`, by the full name of each table.

    A key that is there keeps its value. Raises ConfigurationError where the text cannot be added
    to line by line, as where `tool` is an inline table.
    """
    wanted: dict[str, Any] = tomllib.loads(text)
    missing: dict[str, dict[str, str]] = {}
    for table, pairs in tables.items():
        there = wanted
        for part in table.split(".") if pairs else ():
            there = there.setdefault(part, {})
        missing[table] = {key: value for key, value in pairs.items() if key not in there}
        there.update(missing[table])
    if not any(missing.values()):
        return text
    newline = "\r\n" if "\r\n" in text else "\n"
    added = text
    for table, pairs in missing.items():
        if pairs:
            added = _with_keys(added, table, pairs, newline)
    if _parsed(added) != wanted:
        lines = "\n".join(_lines(table, pairs) for table, pairs in missing.items() if pairs)
        raise ConfigurationError(
            "pyproject.toml cannot be added to line by line: [tool.dbctl] is written in another "
            "form there",
            hint=f"Write into it yourself:\n{lines}",
        )
    return added


def _with_keys(text: str, table: str, pairs: Mapping[str, str], newline: str) -> str:
    header = rf"^[ \t]*\[[ \t]*{re.escape(table)}[ \t]*\][ \t]*(#[^\r\n]*)?\r?$"
    lines = _lines(table, pairs).replace("\n", newline)
    if (found := re.search(header, text, re.MULTILINE)) is None:
        gap = "" if not text or text.endswith(newline * 2) else newline
        gap += "" if not text or text.endswith("\n") else newline
        return f"{text}{gap}{lines}{newline}"
    _, _, keys = lines.partition(newline)
    end = found.end()
    rest = text[end:].removeprefix("\n")
    return f"{text[:end].removesuffix('\r')}{newline}{keys}{newline}{rest}"


def _lines(table: str, pairs: Mapping[str, str]) -> str:
    keys = (f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in pairs.items())
    return "\n".join((f"[{table}]", *keys))


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None
