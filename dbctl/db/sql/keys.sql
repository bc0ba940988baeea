-- The primary key, the unique indexes, foreign keys, checks and exclusions of a relation, in one
-- form. `columns` has a null for each expression, whose text is in `expressions` at its place.
-- A key of a partitioned table has copies for its partitions, which do not count.
select
    c.conname::text as name,
    case c.contype when 'f' then 'foreign' when 'c' then 'check' when 'x' then 'exclusion' end
        as kind,
    array(
        select a.attname::text
        from pg_catalog.unnest(c.conkey) with ordinality k (attnum, at)
        join pg_catalog.pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.attnum
        order by k.at
    ) as columns,
    array[]::text[] as expressions,
    case when c.contype = 'c' then pg_catalog.pg_get_expr(c.conbin, c.conrelid)
        else pg_catalog.pg_get_constraintdef(c.oid, true) end as definition,
    null as predicate,
    false as nulls_are_equal,
    c.condeferrable as deferrable,
    c.confmatchtype = 'f' as match_full,
    case c.confdeltype
        when 'a' then 'no action' when 'r' then 'restrict' when 'c' then 'cascade'
        when 'n' then 'set null' when 'd' then 'set default'
    end as on_delete,
    c.confrelid::int8 as target_oid,
    tn.nspname::text as target_schema,
    t.relname::text as target_name,
    array(
        select a.attname::text
        from pg_catalog.unnest(c.confkey) with ordinality k (attnum, at)
        join pg_catalog.pg_attribute a on a.attrelid = c.confrelid and a.attnum = k.attnum
        order by k.at
    ) as target_columns
from pg_catalog.pg_constraint c
left join pg_catalog.pg_class t on t.oid = c.confrelid
left join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
where c.conrelid = :relation
  and (c.contype in ('c', 'x')
       or c.contype = 'f' and not exists (
            select from pg_catalog.pg_constraint p
            where p.oid = c.conparentid and p.conrelid = c.conrelid))
union all
select
    c.relname::text,
    case when i.indisprimary then 'primary' else 'unique' end,
    array(
        select a.attname::text
        from pg_catalog.generate_series(0, i.indnkeyatts - 1) k
        left join pg_catalog.pg_attribute a
            on a.attrelid = i.indrelid and a.attnum = i.indkey[k] and a.attnum <> 0
        order by k
    ),
    array(
        select pg_catalog.pg_get_indexdef(i.indexrelid, k, true)
        from pg_catalog.generate_series(1, i.indnkeyatts) k
        order by k
    ),
    pg_catalog.pg_get_indexdef(i.indexrelid),
    pg_catalog.pg_get_expr(i.indpred, i.indrelid, true),
    -- Since PostgreSQL 15.
    coalesce((pg_catalog.to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false),
    coalesce(k.condeferrable, false),
    false, null, null, null, null, null
from pg_catalog.pg_index i
join pg_catalog.pg_class c on c.oid = i.indexrelid
left join pg_catalog.pg_constraint k
    on k.conindid = i.indexrelid and k.contype in ('p', 'u') and k.conrelid = i.indrelid
where i.indrelid = :relation and i.indisunique and not i.indisexclusion and i.indisvalid
order by 2, 1
