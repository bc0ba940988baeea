-- The foreign keys whose columns no index begins with, in whatever order: a delete or an update of
-- the row they point to reads the whole table. An index that leaves out NULLs serves as well.
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
    from pg_catalog.pg_class c where c.relkind in ('r', 'p')
    union all
    select tree.root, i.inhrelid
    from tree
    join pg_catalog.pg_class c on c.oid = tree.member and c.relkind in ('p', 'I')
    join pg_catalog.pg_inherits i on i.inhparent = tree.member
),
parts as (
    select tree.root, sum(pg_catalog.pg_table_size(p.oid))::int8 as bytes
    from tree
    join pg_catalog.pg_class p on p.oid = tree.member and p.relkind = 'r'
    where not exists (select from locked where locked.relation in (tree.root, p.oid))
    group by tree.root
)
select
    pg_catalog.format('%I.%I', n.nspname, t.relname) as "table",
    pg_catalog.quote_ident(c.conname) as name,
    t.relkind = 'p' as is_partitioned,
    array(
        select pg_catalog.quote_ident(a.attname) from pg_catalog.unnest(c.conkey) with ordinality k (attnum, at)
        join pg_catalog.pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.attnum
        order by k.at
    ) as columns,
    parts.bytes
from pg_catalog.pg_constraint c
join pg_catalog.pg_class t on t.oid = c.conrelid
join pg_catalog.pg_namespace n on n.oid = t.relnamespace
left join parts on parts.root = t.oid
where c.contype = 'f' and c.conparentid = 0
  and n.nspname not like 'pg\_%' and n.nspname <> 'information_schema'
  and (cast(:schema as text) is null or n.nspname = cast(:schema as text))
  and not exists (
      select from pg_catalog.pg_index i
      join pg_catalog.pg_class x on x.oid = i.indexrelid
      join pg_catalog.pg_am m on m.oid = x.relam
      where i.indrelid = c.conrelid and i.indisvalid and i.indisready
        and m.amname in ('btree', 'hash')
        and i.indnkeyatts >= pg_catalog.cardinality(c.conkey)
        and (
            i.indpred is null
            or exists (select from locked where locked.relation = i.indrelid)
            or pg_catalog.pg_get_expr(i.indpred, i.indrelid) = any (array(
                select pg_catalog.format('(%I IS NOT NULL)', a.attname)
                from pg_catalog.pg_attribute a
                where a.attrelid = c.conrelid and a.attnum = any (c.conkey)
            ))
        )
        and (
            select pg_catalog.array_agg(i.indkey[at - 1] order by i.indkey[at - 1])
            from pg_catalog.generate_series(1, pg_catalog.cardinality(c.conkey)) at
        ) = (select pg_catalog.array_agg(k order by k) from pg_catalog.unnest(c.conkey) k)
  )
order by n.nspname, t.relname, c.conname
