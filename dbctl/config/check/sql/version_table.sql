-- What this role may do with a version table or, where there is none, in the schema that it would be
-- made in: the one that is named, else the one that has it on the path, else the first on the path.
with wanted as (
    select coalesce(
        cast(:version_schema as text),
        (
            select n.nspname::text
            from pg_catalog.pg_class c
            join pg_catalog.pg_namespace n on n.oid = c.relnamespace
            where c.relname = cast(cast(:version_table as text) as name)
              and n.nspname = any ({session_schemas})
            order by pg_catalog.array_position({session_schemas}, n.nspname)
            limit 1
        ),
        ({session_schemas})[1]::text
    ) as schema
)

select
    pg_catalog.quote_ident(current_user) as role,
    pg_catalog.quote_ident(pg_catalog.current_database()) as database,
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
