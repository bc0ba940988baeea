"""Operators and functions that another role has put where a statement may find them by accident."""

from __future__ import annotations

import asyncio
import re
from importlib import resources
from pathlib import Path

import asyncpg

from dbctl.db import dsn
from tests.support.databases import execute

# What columns of the catalogue, parameters of drivers, literals and Python's values are of.
_TYPES = (
    '"char"', "bool", "date", "float4", "float8", "int2", "int4", "int8", "interval", "json",
    "jsonb", "name", "numeric", "oid", "regclass", "regproc", "regtype", "text", "tid", "timestamp",
    "timestamptz", "uuid", "varchar", "xid", "int2[]", "int2vector", "int4[]", "int8[]", "name[]",
    "oid[]", "oidvector", "text[]", "varchar[]", "pg_lsn", "pg_node_tree",
)  # fmt: skip
# Of those, the ones that functions of two arguments are called with.
_FEW = ("bool", "int4", "int8", "name", "oid", "text", "varchar", "name[]", "oid[]", "text[]")
_SIGNS = {
    "bool": "= <> < > <= >= ~~ !~~ ~~* !~~* ~ !~ ~* @> <@ && ^@",
    "text": "|| + - * / % -> ->> #> #>> & | # << >>",
}
_CALL = re.compile(r"\b([a-z][a-z0-9_]+)\(")

# Written into the catalogue: CREATE would take a minute for so many.
_PLANT = """
create temporary table type on commit drop as
    select t::pg_catalog.regtype::pg_catalog.oid as oid from pg_catalog.unnest({types}) t;
create temporary table sign on commit drop as
    select s.sign::pg_catalog.name as name, r.result::pg_catalog.regtype::pg_catalog.oid as result
    from (values {signs}) r (result, signs),
        pg_catalog.string_to_table(r.signs, ' ') s (sign);
create temporary table planted on commit drop as
    select 1000000 + pg_catalog.row_number() over () as oid, one.*
    from (
        select 'planted'::pg_catalog.text || r.result as name, r.result,
            pg_catalog.format('%s %s', l.oid, r2.oid)::pg_catalog.oidvector as arguments
        from (select distinct result from sign) r, type l, type r2
        union all
        select f.name, f.result, f.arguments::pg_catalog.oidvector
        from (
            select distinct on (p.proname) p.proname::pg_catalog.text as name,
                case when t.typtype = 'p' then 25 else p.prorettype end as result
            from pg_catalog.pg_proc p join pg_catalog.pg_type t on t.oid = p.prorettype
            where p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace
                and p.proname = any({names})
        ) named
        cross join lateral (
            select named.name, named.result, l.oid::pg_catalog.text as arguments from type l
            union all
            select named.name, named.result, pg_catalog.format('%s %s', l, r)
            from pg_catalog.unnest({few}) l, pg_catalog.unnest({few}) r
            union all
            select named.name, named.result, pg_catalog.format('%s %s %s', l, r, x)
            from pg_catalog.unnest('{{25,1043,19}}'::pg_catalog.oid[]) l,
                pg_catalog.unnest('{{25,1043,19}}'::pg_catalog.oid[]) r,
                pg_catalog.unnest('{{16,23,25,1043}}'::pg_catalog.oid[]) x
        ) f
    ) one;
insert into pg_catalog.pg_proc
    select (pg_catalog.jsonb_populate_record(t, pg_catalog.jsonb_build_object(
        'oid', p.oid, 'proname', p.name, 'prorettype', p.result,
        'proargtypes', p.arguments::pg_catalog.text,
        'pronargs', pg_catalog.cardinality(p.arguments::pg_catalog.oid[])
    ))).*
    from pg_catalog.pg_proc t, planted p
    where t.oid = 'public.planted'::pg_catalog.regproc;
insert into pg_catalog.pg_operator
    select 5000000 + pg_catalog.row_number() over (), s.name, t.pronamespace, t.proowner,
        'b', false, false, p.arguments[0], p.arguments[1], p.result, 0, 0, p.oid, 0, 0
    from pg_catalog.pg_proc t, planted p, sign s
    where t.oid = 'public.planted'::pg_catalog.regproc and p.name = 'planted' || p.result
        and s.result = p.result and not exists (
            select from pg_catalog.pg_operator o
            where o.oprname = s.name and o.oprleft = p.arguments[0] and o.oprright = p.arguments[1]
        );
"""
# The statistics of functions count a call whatever becomes of its transaction, and whether it may
# write. Not those behind `= ANY`, but what these call in turn.
_RECORDERS = """
create function public.called_as_superuser() returns void language plpgsql as
    $$ begin raise log 'a planted function was called'; end $$;
create function public.called_as_another() returns void language plpgsql as $$ begin end $$;
create function public.planted() returns int language plpgsql as $$ begin
    if pg_catalog.current_setting('is_superuser') operator(pg_catalog.=) 'on' then
        perform public.called_as_superuser();
    else
        perform public.called_as_another();
    end if;
    return null;
end $$;
"""

_OTHERS = """
select pg_catalog.count(*) from pg_catalog.pg_stat_activity
where datname = pg_catalog.current_database() and backend_type = 'client backend'
    and pid <> pg_catalog.pg_backend_pid()
"""
_CALLS = """
select funcname as name, pg_catalog.sum(calls)::int8 as calls
from pg_catalog.pg_stat_user_functions
where schemaname = 'public' and funcname not in ('planted', 'called_as_another') and exists (
    select from pg_catalog.pg_stat_user_functions where funcname = 'called_as_superuser'
)
group by funcname
"""


def plant(url: str, role: str) -> None:
    """Make what the SQL of dbctl must not call, as `role`, which may create in the schema public.

    That is an operator of each sign for every pair of types for which PostgreSQL has none of
    exactly these types, and a function of every built-in name that dbctl calls, for one or two
    arguments.
    """
    signs = ", ".join(f"('{result}', '{signs}')" for result, signs in _SIGNS.items())
    few = f"{_array(_FEW)}::pg_catalog.regtype[]::pg_catalog.oid[]"
    names = _array(sorted(called_names()))
    plant = _PLANT.format(types=_array(_TYPES), few=few, signs=signs, names=names)
    execute(
        url,
        f"grant create, usage on schema public to {role}",
        "set search_path = ''",
        f"set role {role}",
        _RECORDERS,
        "reset role",
        f"begin; {plant} commit",
    )


def count_calls(url: str) -> None:
    """Have the server count the calls of functions in a database."""
    execute(
        url,
        "set search_path = ''",
        "do $$ begin execute pg_catalog.format('alter database %I set track_functions = %L',"
        " pg_catalog.current_database(), 'all'); end $$",
    )


def called_by_superuser(url: str) -> dict[str, int]:
    """Return how often the planted functions of each name were called by a superuser by now.

    Waits for the sessions that are about to end: the statistics have their calls then.
    """

    async def work() -> dict[str, int]:
        keywords = dsn.parse(url, environ={}).connect_kwargs()
        keywords["server_settings"] = keywords.get("server_settings", {}) | {"search_path": ""}
        connection = await asyncpg.connect(**keywords)
        try:
            async with asyncio.timeout(30):
                while await connection.fetchval(_OTHERS):  # noqa: ASYNC110 - nobody is told
                    await asyncio.sleep(0.005)
            return {row["name"]: int(row["calls"]) for row in await connection.fetch(_CALLS)}
        finally:
            await connection.close()

    return asyncio.run(work())


def called_names() -> set[str]:
    """Return every word that stands before a bracket in the SQL and the code of dbctl."""
    root = Path(str(resources.files("dbctl")))
    texts = [path.read_text() for path in (*root.rglob("*.sql"), *root.rglob("*.py"))]
    return {name for text in texts for name in _CALL.findall(text)}


def _array(values: tuple[str, ...] | list[str]) -> str:
    listed = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
    return f"array[{listed}]::pg_catalog.text[]"
