-- What each table takes, with its partitions, in bytes. One that somebody locks exclusively, or waits
-- to, is not asked about: that would wait behind them.
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
        pg_catalog.bool_or(state.locked) as locked,
        coalesce(sum(pg_catalog.pg_table_size(p.oid)) filter (where not state.locked), 0)::int8
            as table_bytes,
        coalesce(sum(pg_catalog.pg_indexes_size(p.oid)) filter (where not state.locked), 0)::int8
            as index_bytes,
        coalesce(
            sum(pg_catalog.pg_total_relation_size(nullif(p.reltoastrelid, 0)))
                filter (where not state.locked), 0
        )::int8 as toast_bytes
    from tree
    join pg_catalog.pg_class p on p.oid = tree.member and p.relkind in ('r', 'm')
    cross join lateral (
        select exists (select from locked where locked.relation in (tree.root, p.oid)) as locked
    ) state
    group by tree.root
)
select
    n.nspname::text as schema,
    c.relname::text as name,
    coalesce(parts.locked, false) as locked,
    coalesce(parts.index_bytes, 0) as index_bytes,
    coalesce(parts.toast_bytes, 0) as toast_bytes,
    coalesce(parts.table_bytes - parts.toast_bytes, 0) as heap_bytes,
    coalesce(parts.table_bytes + parts.index_bytes, 0) as total_bytes
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join parts on parts.root = c.oid
where c.relkind in ('r', 'p', 'm') and not c.relispartition
  and n.nspname not like 'pg\_%' and n.nspname <> 'information_schema'
order by total_bytes desc, n.nspname, c.relname
