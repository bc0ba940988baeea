"""SQL that is longer than a line or two: each query in a file of its own beside what runs it."""

import re
from functools import cache
from importlib import resources

_PARAMETER = re.compile(r"(?<!:):([a-z_]+)")


@cache
def query(room: str, name: str) -> str:
    """Return the text of `dbctl/<room>/sql/<name>.sql`."""
    return (resources.files(f"dbctl.{room}") / "sql" / f"{name}.sql").read_text(encoding="utf-8")


@cache
def positional(room: str, name: str) -> tuple[str, tuple[str, ...]]:
    """Return a query with `$1` for its first `:name` and so on, and those names in their order."""
    return _numbered(query(room, name))


@cache
def positional_together(room: str, *names: str) -> tuple[str, tuple[str, ...]]:
    """Return one statement for several queries: their rows as one JSON text, by their names.

    A parameter that several of them name is one and the same. An oid must be cast to a number.
    """
    parts = (
        f"'{name}', (select pg_catalog.json_agg(r) from (\n{query(room, name)}\n) r)"  # noqa: S608
        for name in names
    )
    return _numbered(f"select pg_catalog.json_build_object({', '.join(parts)})::text")


def _numbered(text: str) -> tuple[str, tuple[str, ...]]:
    names: list[str] = []

    def number(match: re.Match[str]) -> str:
        if match[1] not in names:
            names.append(match[1])
        return f"${names.index(match[1]) + 1}"

    return _PARAMETER.sub(number, text), tuple(names)
