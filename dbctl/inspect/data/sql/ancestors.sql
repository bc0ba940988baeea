-- The tables that a partition is a part of, the nearest first.
select n.nspname::text as schema, c.relname::text as name
from pg_catalog.pg_partition_ancestors(cast(:relation as pg_catalog.oid)::pg_catalog.regclass)
    with ordinality a (relid, at)
join pg_catalog.pg_class c on c.oid = a.relid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where a.at > 1
order by a.at
