"""SQL that is longer than a line or two: each query in a file of its own beside what runs it."""

import re
from functools import cache
from importlib import resources

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


@cache
def query(room: str, name: str) -> str:
    """Return the text of `dbctl/<room>/sql/<name>.sql`.

    `{session_schemas}` in it stands for the schemas on the path of the session, and `{shown_type
    OID, MODIFIER}` for the name of a type as it is written there.
    """
    file = resources.files(f"dbctl.{room}") / "sql" / f"{name}.sql"
    text = _SHOWN.sub(_SHOWN_TYPE, file.read_text(encoding="utf-8"))
    return text.replace("{session_schemas}", _SESSION_SCHEMAS)


@cache
def positional(room: str, name: str) -> tuple[str, tuple[str, ...]]:
    """Return a query with `$1` for its first `:name` and so on, and those names in their order."""
    names: list[str] = []

    def number(match: re.Match[str]) -> str:
        if match[1] not in names:
            names.append(match[1])
        return f"${names.index(match[1]) + 1}"

    return _PARAMETER.sub(number, query(room, name)), tuple(names)
