-- What TAB offers: every relation that is not the system's, with its columns; partitions only by
-- way of their parents, and of a schema without end the first few thousand.
select
    n.nspname::text as schema,
    c.relname::text as name,
    array(
        select a.attname::text from pg_catalog.pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        order by a.attnum
    ) as columns
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
  and n.nspname not like 'pg\_%' and n.nspname <> 'information_schema'
order by n.nspname is not distinct from ({session_schemas})[1] desc, n.nspname, c.relname
limit 5000
