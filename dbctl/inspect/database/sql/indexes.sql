-- The indexes of a relation; an invalid one is left from a failed CREATE INDEX CONCURRENTLY. That
-- of a partitioned table counts the scans of its partitions. `last_idx_scan` is new in 16.
select
    c.relname::text as name,
    pg_catalog.pg_get_indexdef(i.indexrelid) as definition,
    i.indisprimary as primary_key,
    i.indisunique as "unique",
    i.indisvalid as valid,
    k.conname::text as constraint,
    parts.bytes,
    parts.scans,
    parts.last_scan,
    pg_catalog.obj_description(i.indexrelid, 'pg_class') as comment
from pg_catalog.pg_index i
join pg_catalog.pg_class c on c.oid = i.indexrelid
left join pg_catalog.pg_constraint k
    on k.conindid = i.indexrelid and k.conrelid = i.indrelid and k.contype in ('p', 'u', 'x')
cross join lateral (
    select
        sum(pg_catalog.pg_relation_size(p.oid))::int8 as bytes,
        coalesce(sum(pg_catalog.pg_stat_get_numscans(p.oid)), 0)::int8 as scans,
        max(cast(pg_catalog.to_jsonb(s) ->> 'last_idx_scan' as timestamptz)) as last_scan
    from pg_catalog.pg_class p
    left join pg_catalog.pg_stat_all_indexes s on s.indexrelid = p.oid
    where p.oid = c.oid or (c.relkind = 'I' and p.oid in (
        select t.relid from pg_catalog.pg_partition_tree(c.oid) t where t.isleaf
    ))
) parts
-- One that is dropped meanwhile has none.
where i.indrelid = :relation and pg_catalog.pg_get_indexdef(i.indexrelid) is not null
order by i.indisprimary desc, c.relname
