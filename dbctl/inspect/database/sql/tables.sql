-- Every relation that is not the system's, or the one whose OID is given, in bytes and rows.
-- One that somebody locks exclusively, or waits to, has no size: asking would wait behind them.
-- `estimated_rows` is null for what was never analysed (reltuples = -1). A partitioned table is the
-- sum of its leaves, its times are the latest of theirs.
with recursive locked as (
    select l.relation
    from pg_catalog.pg_locks l
    join pg_catalog.pg_database b on b.oid = l.database and b.datname = pg_catalog.current_database()
    where l.locktype = 'relation' and l.mode = 'AccessExclusiveLock'
      and l.pid <> pg_catalog.pg_backend_pid()
),
-- Every relation with itself and what is below it; pg_partition_tree() would lock it all.
tree as (
    select c.oid as root, c.oid as member
    from pg_catalog.pg_class c where c.relkind in ('r', 'm', 'p')
    union all
    select tree.root, i.inhrelid
    from tree
    join pg_catalog.pg_class c on c.oid = tree.member and c.relkind in ('p', 'I')
    join pg_catalog.pg_inherits i on i.inhparent = tree.member
),
parts as (
    select
        tree.root,
        sum(pg_catalog.pg_table_size(p.oid))::int8 as table_bytes,
        sum(pg_catalog.pg_indexes_size(p.oid))::int8 as index_bytes,
        sum(coalesce(pg_catalog.pg_total_relation_size(nullif(p.reltoastrelid, 0)), 0))::int8
            as toast_bytes,
        sum(pg_catalog.pg_stat_get_dead_tuples(p.oid))::int8 as dead_rows,
        max(pg_catalog.pg_stat_get_last_vacuum_time(p.oid)) as last_vacuum,
        max(pg_catalog.pg_stat_get_last_autovacuum_time(p.oid)) as last_autovacuum,
        max(pg_catalog.pg_stat_get_last_analyze_time(p.oid)) as last_analyze,
        max(pg_catalog.pg_stat_get_last_autoanalyze_time(p.oid)) as last_autoanalyze,
        case when min(p.reltuples) >= 0 then sum(p.reltuples::int8)::int8 end as rows
    from tree
    join pg_catalog.pg_class p on p.oid = tree.member and p.relkind in ('r', 'm')
    where not exists (select from locked where locked.relation in (tree.root, p.oid))
      and tree.root = coalesce(cast(:relation as oid), tree.root)
    group by tree.root
),
-- Where a partition belongs: the names from the topmost table down to it.
place as (
    select
        c.oid,
        array[n.nspname::text, c.relname::text] as path,
        0 as level,
        cast(null as text) collate "C" as parent
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
    union all
    select
        c.oid,
        place.path || array[n.nspname::text, c.relname::text],
        place.level + 1,
        pg_catalog.format('%I.%I', pn.nspname, p.relname) collate "C"
    from place
    join pg_catalog.pg_inherits i on i.inhparent = place.oid
    join pg_catalog.pg_class c on c.oid = i.inhrelid and c.relispartition
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    join pg_catalog.pg_class p on p.oid = place.oid
    join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace
)
select
    c.oid::int8 as oid,
    n.nspname::text as schema,
    c.relname::text as name,
    c.relkind::text as relkind,
    c.relispartition as is_partition,
    place.parent,
    coalesce(place.level, 0) as level,
    case
        when c.relkind in ('r', 'm', 'f') then nullif(c.reltuples, -1)::int8
        when c.relkind = 'p' then coalesce(nullif(c.reltuples, -1)::int8, parts.rows)
    end as estimated_rows,
    parts.dead_rows,
    parts.table_bytes,
    parts.index_bytes,
    parts.toast_bytes,
    parts.table_bytes + parts.index_bytes as total_bytes,
    parts.last_vacuum,
    parts.last_autovacuum,
    greatest(parts.last_analyze, pg_catalog.pg_stat_get_last_analyze_time(c.oid)) as last_analyze,
    parts.last_autoanalyze,
    pg_catalog.obj_description(c.oid, 'pg_class') as comment
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join place on place.oid = c.oid
left join parts on parts.root = c.oid
where c.relkind in ('r', 'p', 'v', 'm', 'f')
  and case
        when cast(:relation as oid) is null
            then n.nspname not like 'pg\_%' and n.nspname <> 'information_schema'
        else c.oid = cast(:relation as oid)
      end
  and (cast(:schema as text) is null or n.nspname = cast(:schema as text))
order by place.path
