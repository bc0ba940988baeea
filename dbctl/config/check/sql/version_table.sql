-- What this role may do with a version table or, where there is none, in the schema that it would be
-- made in: the one that is named, else the one on the path that has it, else the first there is. The
-- path is that of env.py, in lines, empty for this session's; its schemas need not be usable.
with path as (
    select p.name, p.position
    from pg_catalog.unnest(coalesce(
        nullif(pg_catalog.string_to_array(cast(:search_path as text), e'\n'), '{}')::name[],
        {session_schemas}
    )) with ordinality p (name, position)
),
wanted as (
    select coalesce(
        cast(:version_schema as text),
        (
            select n.nspname::text
            from path
            join pg_catalog.pg_namespace n on n.nspname = path.name
            left join pg_catalog.pg_class c
                on c.relnamespace = n.oid
               and c.relname = cast(cast(:version_table as text) as name)
            order by c.oid is null, path.position
            limit 1
        )
    ) as schema
)

select
    pg_catalog.quote_ident(current_user) as role,
    pg_catalog.quote_ident(wanted.schema) as schema,
    n.oid is not null as has_schema,
    c.oid is not null as has_table,
    pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE') as may_create_schema,
    coalesce(pg_catalog.has_schema_privilege(n.oid, 'USAGE'), false) as usable,
    coalesce(pg_catalog.has_schema_privilege(n.oid, 'CREATE'), false) as may_create,
    coalesce(pg_catalog.has_any_column_privilege(c.oid, 'SELECT'), false) as may_select,
    coalesce(pg_catalog.has_any_column_privilege(c.oid, 'INSERT'), false) as may_insert,
    coalesce(pg_catalog.has_any_column_privilege(c.oid, 'UPDATE'), false) as may_update,
    coalesce(pg_catalog.has_table_privilege(c.oid, 'DELETE'), false) as may_delete
from wanted
left join pg_catalog.pg_namespace n on n.nspname = cast(wanted.schema as name)
left join pg_catalog.pg_class c
    on c.relnamespace = n.oid
   and c.relname = cast(cast(:version_table as text) as name)
   and c.relkind in ('r', 'p', 'v', 'f')
