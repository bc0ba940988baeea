-- The relations a name may mean. A name without a schema never means a system catalogue.
-- Names are compared by their bytes, but for the case of ASCII letters: what other collations take for
-- the lower case of a letter differs from one database to the next. `position` is the place of the
-- schema on the search_path, null where it is not on it.
select
    c.oid::int8 as oid,
    n.nspname::text as schema,
    c.relname::text as name,
    c.relkind::text as relkind,
    c.relispartition as is_partition,
    c.relkind = 'v' or c.relrowsecurity as calls_functions,
    pg_catalog.array_position({session_schemas}, n.nspname) as position
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f')
  and pg_catalog.lower(c.relname::text collate pg_catalog."C")
      = pg_catalog.lower(cast(:name as text) collate pg_catalog."C")
  and case
        when cast(:schema as text) is null
            then n.nspname not like 'pg\_%' and n.nspname <> 'information_schema'
        else pg_catalog.lower(n.nspname::text collate pg_catalog."C")
            = pg_catalog.lower(cast(:schema as text) collate pg_catalog."C")
      end
order by n.nspname, c.relname
