-- Where a table of dbctl's own belongs, and what this role may do there.
select
    pg_catalog.current_database()::text as database,
    current_user::text as role,
    pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE') as may_create_schema,
    n.oid is not null as exists,
    coalesce(pg_catalog.has_schema_privilege(n.oid, 'USAGE'), false) as usable,
    coalesce(pg_catalog.has_schema_privilege(n.oid, 'CREATE'), false) as may_create,
    coalesce(pg_catalog.has_schema_privilege(cast('public' as name), n.oid, 'USAGE'), false) as public_usable,
    coalesce(pg_catalog.pg_has_role(n.nspowner, 'USAGE'), false) as owned,
    coalesce(
        (
            select v.nspname::text
            from pg_catalog.pg_class c
            join pg_catalog.pg_namespace v on v.oid = c.relnamespace
            where c.relname = cast(cast(:usual_version_table as text) as name)
              and v.nspname = any ({session_schemas})
            order by pg_catalog.array_position({session_schemas}, v.nspname)
            limit 1
        ),
        ({session_schemas})[1]::text,
        'public'
    ) as usual_version_schema
from (select cast(cast(:schema as text) as name) as name) wanted
left join pg_catalog.pg_namespace n on n.nspname = wanted.name
