"""SQL that is longer than a line or two: each query in a file of its own beside what runs it."""

import re
from functools import cache
from importlib import resources

from dbctl.db.names import literal

_COMMENT = re.compile(r"^ *--.*\n", re.MULTILINE)
_PARAMETER = re.compile(r"(?<!:):([a-z_]+)")
# The schemas on the path of the session, as name[]: what `dbctl.db.search_path` has kept of it
# while it is empty, else as it is. Qualified, for a connection on which it is not empty.
_SESSION_SCHEMAS = """array(
    select p.name
    from pg_catalog.unnest(coalesce(
        nullif(pg_catalog.current_setting('dbctl.schemas', true), '')::pg_catalog.name[],
        pg_catalog.current_schemas(false)
    )) with ordinality p (name, at)
    join pg_catalog.pg_namespace e on e.nspname operator(pg_catalog.=) p.name
    where pg_catalog.has_schema_privilege(e.oid, 'USAGE')
    order by p.at
)"""

# A type as it is written on that path: without its schema where it would be found.
_SHOWN_TYPE = r"""(
    select pg_catalog.substr(
        pg_catalog.format_type(\1, \2),
        case when y.nspname operator(pg_catalog.=) (
            select z.nspname
            from pg_catalog.pg_type u
            join pg_catalog.pg_namespace z on z.oid operator(pg_catalog.=) u.typnamespace
            where u.typname operator(pg_catalog.=) coalesce(w.typname, v.typname)
                and z.nspname operator(pg_catalog.=) any (
                    'pg_catalog'::pg_catalog.name operator(pg_catalog.||) {session_schemas}
                )
            order by z.nspname operator(pg_catalog.=) 'pg_catalog' desc,
                pg_catalog.array_position({session_schemas}, z.nspname)
            limit 1
        ) and y.nspname operator(pg_catalog.<>) 'pg_catalog'
        then pg_catalog.length(pg_catalog.quote_ident(y.nspname)) operator(pg_catalog.+) 2
        else 1 end
    )
    from pg_catalog.pg_type v
    left join pg_catalog.pg_type w
        on w.oid operator(pg_catalog.=) v.typelem and w.typarray operator(pg_catalog.=) v.oid
    join pg_catalog.pg_namespace y on y.oid operator(pg_catalog.=) v.typnamespace
    where v.oid operator(pg_catalog.=) \1
)"""
_SHOWN = re.compile(r"\{shown_type ([^,}]+), ([^}]+)\}")


# What distinguishes dbctl's queries from an application's in pg_stat_statements and in a server's
# log. It comes after the first word: the server keeps no comment that stands before a statement.
MARK = "/* dbctl */"
_FIRST_WORD = re.compile(r"(?:\s*--[^\n]*\n)*\s*(\w+)")


@cache
def query(room: str, name: str) -> str:
    """Return the text of `dbctl/<room>/sql/<name>.sql`, marked as dbctl's own.

    `{session_schemas}` in it stands for the schemas on the path of the session, and `{shown_type
    OID, MODIFIER}` for the name of a type as it is written there.
    """
    file = resources.files(f"dbctl.{room}") / "sql" / f"{name}.sql"
    text = _SHOWN.sub(_SHOWN_TYPE, file.read_text(encoding="utf-8"))
    text = text.replace("{session_schemas}", _SESSION_SCHEMAS)
    return _FIRST_WORD.sub(rf"\1 {MARK}", text, count=1)


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
