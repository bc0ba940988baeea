-- The indexes of a relation; an invalid one is left from a failed CREATE INDEX CONCURRENTLY.
select
    c.relname::text as name,
    pg_catalog.pg_get_indexdef(i.indexrelid) as definition,
    i.indisprimary as primary_key,
    i.indisunique as "unique",
    i.indisvalid as valid,
    pg_catalog.pg_relation_size(i.indexrelid) as bytes
from pg_catalog.pg_index i
join pg_catalog.pg_class c on c.oid = i.indexrelid
where i.indrelid = :relation
order by i.indisprimary desc, c.relname
