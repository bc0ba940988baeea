-- Every relation that is not the system's, or the one whose OID is given, in bytes and rows.
-- One that somebody locks exclusively, or waits to, has no size: asking would wait behind them.
-- `estimated_rows` is null for what was never analysed (reltuples = -1).
with locked as (
    select l.relation
    from pg_catalog.pg_locks l
    join pg_catalog.pg_database b on b.oid = l.database and b.datname = pg_catalog.current_database()
    where l.locktype = 'relation' and l.mode = 'AccessExclusiveLock'
      and l.pid <> pg_catalog.pg_backend_pid()
)
select
    n.nspname::text as schema,
    c.relname::text as name,
    c.relkind::text as relkind,
    c.relispartition as is_partition,
    case
        when c.relkind in ('r', 'm', 'f') then nullif(c.reltuples, -1)::int8
        when c.relkind = 'p' then coalesce(nullif(c.reltuples, -1)::int8, parts.rows)
    end as estimated_rows,
    parts.table_bytes,
    parts.index_bytes,
    parts.table_bytes + parts.index_bytes as total_bytes,
    pg_catalog.obj_description(c.oid, 'pg_class') as comment
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join lateral (
    select
        sum(pg_catalog.pg_table_size(p.oid))::int8 as table_bytes,
        sum(pg_catalog.pg_indexes_size(p.oid))::int8 as index_bytes,
        case when min(p.reltuples) >= 0 then sum(p.reltuples::int8)::int8 end as rows
    from pg_catalog.pg_class p
    where p.relkind in ('r', 'm')
      and (p.oid = c.oid or (c.relkind = 'p' and p.relispartition and p.oid in (
          select t.relid from pg_catalog.pg_partition_tree(c.oid) t where t.isleaf
      )))
      and not exists (select from locked where locked.relation in (c.oid, p.oid))
) parts on c.relkind in ('r', 'm', 'p')
where c.relkind in ('r', 'p', 'v', 'm', 'f')
  and case
        when cast(:relation as oid) is null
            then n.nspname not like 'pg\_%' and n.nspname <> 'information_schema'
        else c.oid = cast(:relation as oid)
      end
order by n.nspname, c.relname
