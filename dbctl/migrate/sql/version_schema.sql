-- The schema of a version table that is found on the path of the session, or where it would be made.
select coalesce(
    (
        select n.nspname::text
        from pg_catalog.pg_class c
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where c.relname = :version_table and n.nspname = any ({session_schemas})
        order by pg_catalog.array_position({session_schemas}, n.nspname)
        limit 1
    ),
    ({session_schemas})[1]::text,
    'public'
)
