-- The schema of a version table, null where there is none, and whether there are other tables.
select
    (
        select n.nspname::text
        from pg_catalog.pg_class c
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where c.relname = cast(cast(:version_table as text) as name)
          and case
              when cast(:version_schema as text) is null then n.nspname = any ({session_schemas})
              else n.nspname = cast(cast(:version_schema as text) as name)
          end
        order by pg_catalog.array_position({session_schemas}, n.nspname)
        limit 1
    ) as version_schema,
    exists (
        select from pg_catalog.pg_class c
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p')
          and c.relname::text <> all (
              pg_catalog.string_to_array(cast(:own_tables as text), ',')
          )
          and c.relname <> cast(cast(:version_table as text) as name)
          and n.nspname <> 'information_schema'
          and pg_catalog.left(n.nspname::text, 3) <> 'pg_'
          and not exists (
              select from pg_catalog.pg_depend d
              where d.objid = c.oid and d.deptype = 'e'
          )
    ) as populated
