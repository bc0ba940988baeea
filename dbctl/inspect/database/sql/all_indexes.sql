-- Every index that is not the system's, part by part, so that two of them can be compared. An index
-- of a partitioned table stands for those of its partitions, as only it can be dropped. Where
-- somebody locks the table exclusively, or waits to, sizes and expressions stay unknown: asking
-- would wait behind them. `key_ids` holds for each key what it is made of: column or expression,
-- operator class, collation and order. `last_idx_scan` is new in 16.
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
    from pg_catalog.pg_class c where c.relkind in ('i', 'I')
    union all
    select tree.root, i.inhrelid
    from tree
    join pg_catalog.pg_class c on c.oid = tree.member and c.relkind in ('p', 'I')
    join pg_catalog.pg_inherits i on i.inhparent = tree.member
),
parts as (
    select
        tree.root,
        sum(pg_catalog.pg_relation_size(p.oid)) filter (
            where not exists (select from locked where locked.relation in (p.oid, x.indrelid))
        )::int8 as bytes,
        coalesce(sum(pg_catalog.pg_stat_get_numscans(p.oid)), 0)::int8 as scans,
        max(cast(pg_catalog.to_jsonb(s) ->> 'last_idx_scan' as timestamptz)) as last_scan
    from tree
    join pg_catalog.pg_class p on p.oid = tree.member and p.relkind = 'i'
    join pg_catalog.pg_index x on x.indexrelid = p.oid
    left join pg_catalog.pg_stat_all_indexes s on s.indexrelid = p.oid
    group by tree.root
)
select
    i.indrelid::int8 as table_oid,
    i.indexrelid::int8 as oid,
    n.nspname::text as schema,
    pg_catalog.format('%I.%I', n.nspname, c.relname) as label,
    pg_catalog.format('%I.%I', n.nspname, t.relname) as table_label,
    t.relname::text as "table",
    c.relname::text as name,
    m.amname::text as method,
    keys.texts as keys,
    keys.ids as key_ids,
    array(
        select pg_catalog.quote_ident(a.attname)
        from pg_catalog.generate_series(i.indnkeyatts, i.indnatts - 1) at
        join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[at]
        order by at
    ) as included,
    case
        when i.indpred is null then null
        when state.locked then '(unknown: the table is locked)'
        else pg_catalog.pg_get_expr(i.indpred, i.indrelid, true)
    end as predicate,
    i.indisunique as "unique",
    (
        select k.conname::text from pg_catalog.pg_constraint k
        where k.conindid = i.indexrelid and k.conrelid = i.indrelid
          and k.contype in ('p', 'u', 'x') limit 1
    ) as constraint,
    i.indisreplident or i.indisexclusion or exists (
        select from pg_catalog.pg_constraint k where k.conindid = i.indexrelid
    ) as needed,
    -- Without it, each delete from the table that the key points to would read this whole table.
    exists (
        select from pg_catalog.pg_constraint k
        where k.conrelid = i.indrelid and k.contype = 'f' and (
            i.indpred is null
            or state.locked
            or pg_catalog.pg_get_expr(i.indpred, i.indrelid) = any (array(
                select pg_catalog.format('(%I IS NOT NULL)', a.attname)
                from pg_catalog.pg_attribute a
                where a.attrelid = i.indrelid and a.attnum = any (k.conkey)
            ))
        ) and (
            select pg_catalog.array_agg(i.indkey[at] order by i.indkey[at])
            from pg_catalog.generate_series(0, pg_catalog.cardinality(k.conkey) - 1) at
        ) = (select pg_catalog.array_agg(a order by a) from pg_catalog.unnest(k.conkey) a)
    ) as serves_key,
    i.indisvalid and i.indisready as valid,
    -- An index that is being built is not valid yet.
    exists (
        select from pg_catalog.pg_stat_progress_create_index g
        where g.index_relid = i.indexrelid or (g.index_relid = 0 and g.relid = i.indrelid)
    ) as building,
    c.relkind = 'I' as is_partitioned,
    parts.bytes,
    coalesce(parts.scans, 0) as scans,
    parts.last_scan
from pg_catalog.pg_index i
join pg_catalog.pg_class c on c.oid = i.indexrelid
join pg_catalog.pg_class t on t.oid = i.indrelid
join pg_catalog.pg_namespace n on n.oid = t.relnamespace
join pg_catalog.pg_am m on m.oid = c.relam
cross join lateral (
    select exists (select from locked where locked.relation = i.indrelid) as locked
) state
cross join lateral (
    select
        pg_catalog.array_agg(key.text order by at) as texts,
        pg_catalog.array_agg(
            pg_catalog.concat_ws(
                ' ', key.text, i.indclass[at], i.indcollation[at], i.indoption[at]
            ) order by at
        ) as ids
    from pg_catalog.generate_series(0, i.indnkeyatts - 1) at
    left join pg_catalog.pg_attribute a
        on a.attrelid = i.indrelid and a.attnum = i.indkey[at] and a.attnum <> 0
    cross join lateral (
        select case
            when a.attnum is not null then pg_catalog.quote_ident(a.attname)
            -- Of an index that is dropped meanwhile nothing is told.
            else coalesce(
                case when not state.locked
                    then pg_catalog.pg_get_indexdef(i.indexrelid, at + 1, true) end,
                pg_catalog.format('(expression %s)', at + 1)
            )
        end as text
    ) key
) keys
left join parts on parts.root = c.oid
where t.relkind in ('r', 'p', 'm') and not c.relispartition
  and n.nspname not like 'pg\_%' and n.nspname <> 'information_schema'
  and (cast(:schema as text) is null or n.nspname = cast(:schema as text))
order by n.nspname, t.relname, c.relname
