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


@cache
def query(room: str, name: str) -> str:
    """Return the text of `dbctl/<room>/sql/<name>.sql`.

    `{session_schemas}` in it stands for the schemas on the path of the session.
    """
    file = resources.files(f"dbctl.{room}") / "sql" / f"{name}.sql"
    return file.read_text(encoding="utf-8").replace("{session_schemas}", _SESSION_SCHEMAS)


@cache
def positional(room: str, name: str) -> tuple[str, tuple[str, ...]]:
    """Return a query with `$1` for its first `:name` and so on, and those names in their order."""
    names: list[str] = []

    def number(match: re.Match[str]) -> str:
        if match[1] not in names:
            names.append(match[1])
        return f"${names.index(match[1]) + 1}"

    return _PARAMETER.sub(number, query(room, name)), tuple(names)
