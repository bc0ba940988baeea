"""SQL that is longer than a line or two: each query in a file of its own beside what runs it."""

import re
from functools import cache
from importlib import resources

_PARAMETER = re.compile(r"(?<!:):([a-z_]+)")


# What tells dbctl's queries from an application's in pg_stat_statements and in a server's log. It
# comes after the first word: the server keeps no comment that stands before a statement.
MARK = "/* dbctl */"
_FIRST_WORD = re.compile(r"(?:\s*--[^\n]*\n)*\s*(\w+)")


@cache
def query(room: str, name: str) -> str:
    """Return the text of `dbctl/<room>/sql/<name>.sql`, marked as dbctl's own."""
    file = resources.files(f"dbctl.{room}") / "sql" / f"{name}.sql"
    return _FIRST_WORD.sub(rf"\1 {MARK}", file.read_text(encoding="utf-8"), count=1)


@cache
def positional(room: str, name: str) -> tuple[str, tuple[str, ...]]:
    """Return a query with `$1` for its first `:name` and so on, and those names in their order."""
    names: list[str] = []

    def number(match: re.Match[str]) -> str:
        if match[1] not in names:
            names.append(match[1])
        return f"${names.index(match[1]) + 1}"

    return _PARAMETER.sub(number, query(room, name)), tuple(names)
