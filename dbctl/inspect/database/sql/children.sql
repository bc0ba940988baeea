-- The partitions of a relation, or the tables that inherit from it. One that somebody locks
-- exclusively, or waits to, has no size: asking would wait behind them.
select
    c.oid::int8 as oid,
    pg_catalog.format('%I.%I', n.nspname, c.relname) as name,
    c.relispartition as is_partition,
    pg_catalog.pg_get_expr(c.relpartbound, c.oid) as bounds,
    case when c.relkind in ('r', 'f') then nullif(c.reltuples, -1)::int8 end as estimated_rows,
    case
        when c.relkind = 'r' and not exists (
            select from pg_catalog.pg_locks l
            where l.locktype = 'relation' and l.relation = c.oid
              and l.mode = 'AccessExclusiveLock' and l.pid <> pg_catalog.pg_backend_pid()
        ) then pg_catalog.pg_total_relation_size(c.oid)
    end as total_bytes
from pg_catalog.pg_inherits i
join pg_catalog.pg_class c on c.oid = i.inhrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where i.inhparent = :relation and not i.inhdetachpending
order by n.nspname, c.relname
