select c.oid::int8 as oid, n.nspname::text as schema, c.relname::text as name
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.oid = pg_catalog.to_regclass(:name) and c.relkind in ('r', 'p', 'f')
