"""SQL that is longer than a line or two: each query in a file of its own beside what runs it."""

import re
from functools import cache
from importlib import resources

from dbctl.db.names import literal

_COMMENT = re.compile(r"^ *--.*\n", re.MULTILINE)
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


def inlined(room: str, name: str, /, **parameters: object) -> str:
    """Return a query with the `parameters` in it, for where none can be sent beside it."""
    text = _COMMENT.sub("", query(room, name))
    return _PARAMETER.sub(lambda match: _constant(parameters[match[1]]), text)


def _constant(value: object) -> str:
    """Return a value as a constant of SQL in one line; a list is that of an array of numbers."""
    match value:
        case None:
            return "null"
        case bool() | int():
            return str(value).lower()
        case str():
            # The end of a line would end a comment.
            quoted = literal(value)
            if "\n" in value or "\r" in value:
                quoted = quoted if quoted.startswith("E") else f"E{quoted}"
                quoted = quoted.replace("\n", "\\n").replace("\r", "\\r")
            return quoted
        case list() | tuple():
            return literal(f"{{{','.join(str(int(item)) for item in value)}}}")
    raise TypeError(f"no constant of SQL for {type(value).__name__}")
