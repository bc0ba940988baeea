-- The rows and bytes of tables, with their indexes. One that somebody locks exclusively, or waits
-- to, is not measured: that would wait behind them.
select
    c.oid::int8 as oid,
    case
        when locked.found or c.relkind not in ('r', 'm') then null
        else pg_catalog.pg_total_relation_size(c.oid)
    end as bytes,
    case
        when locked.found or c.relkind not in ('r', 'm') then null
        when pg_catalog.pg_relation_size(c.oid) = 0 then 0
        when c.reltuples > 0 and c.relpages > 0
            then (c.reltuples / c.relpages * pg_catalog.pg_relation_size(c.oid)
                  / pg_catalog.current_setting('block_size')::int4)::int8
        else nullif(s.n_live_tup, 0)
    end as rows
from pg_catalog.pg_class c
left join pg_catalog.pg_stat_all_tables s on s.relid = c.oid
cross join lateral (
    select exists (
        select from pg_catalog.pg_locks l
        join pg_catalog.pg_database b
            on b.oid = l.database and b.datname = pg_catalog.current_database()
        where l.locktype = 'relation' and l.relation = c.oid and l.mode = 'AccessExclusiveLock'
          and l.pid <> pg_catalog.pg_backend_pid()
    ) as found
) locked
where c.oid = any (:tables::oid[])
