-- The schemas with a table of the name, outside the server's own.
select n.nspname::text as schema
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relname = cast(cast(:name as text) as name)
  and c.relkind = 'r'
  and n.nspname <> 'information_schema'
  and pg_catalog.left(n.nspname::text, 3) <> 'pg_'
order by 1
