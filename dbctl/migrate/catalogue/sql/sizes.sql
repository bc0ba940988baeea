-- The rows and bytes of tables, with their indexes. One that somebody locks exclusively, or waits
-- to, is not measured: that would wait behind them.
with locked as materialized (
    select distinct l.relation
    from pg_catalog.pg_locks l
    join pg_catalog.pg_database b
        on b.oid = l.database and b.datname = pg_catalog.current_database()
    where l.locktype = 'relation' and l.mode = 'AccessExclusiveLock'
      and l.pid <> pg_catalog.pg_backend_pid()
)
select
    c.oid::int8 as oid,
    pg_catalog.pg_total_relation_size(c.oid) as bytes,
    case
        when pg_catalog.pg_relation_size(c.oid) = 0 then 0
        when c.reltuples > 0 and c.relpages > 0
            then (c.reltuples / c.relpages * pg_catalog.pg_relation_size(c.oid)
                  / pg_catalog.current_setting('block_size')::int4)::int8
        else nullif(pg_catalog.pg_stat_get_live_tuples(c.oid), 0)
    end as rows
from pg_catalog.pg_class c
where c.oid = any (:tables::oid[]) and c.relkind in ('r', 'm')
  and not exists (select from locked where locked.relation = c.oid)
