-- The foreign keys of a relation and those that point to it, each from its side: `columns` are its
-- own, `other_columns` those of the other table, which is itself where a table refers to itself.
-- `indexed` tells whether an index finds the rows of the other table, `has_parents` whether it is a
-- partition or inherits from others. A key from or to a
-- partitioned table has copies for its partitions, which do not count.
with keys as (
    select
        c.*,
        p.conrelid as parent_conrelid
    from pg_catalog.pg_constraint c
    left join pg_catalog.pg_constraint p on p.oid = c.conparentid
    where c.contype = 'f'
),
sides as (
    select
        conname, true as outgoing, conrelid as own, conkey as own_key,
        confrelid as other, confkey as other_key
    from keys
    where conrelid = :relation and parent_conrelid is distinct from conrelid
    union all
    select conname, false, confrelid, confkey, conrelid, conkey
    from keys
    where confrelid = :relation and (parent_conrelid is null or parent_conrelid = conrelid)
)
select
    s.conname::text as name,
    s.outgoing,
    array(
        select a.attname::text from pg_catalog.unnest(s.own_key) with ordinality k (attnum, at)
        join pg_catalog.pg_attribute a on a.attrelid = s.own and a.attnum = k.attnum
        order by k.at
    ) as columns,
    o.oid::int8 as oid,
    n.nspname::text as schema,
    o.relname::text as relname,
    o.relkind::text as relkind,
    o.relispartition as is_partition,
    o.relrowsecurity as calls_functions,
    exists (select from pg_catalog.pg_inherits i where i.inhrelid = o.oid) as has_parents,
    array(
        select a.attname::text from pg_catalog.unnest(s.other_key) with ordinality k (attnum, at)
        join pg_catalog.pg_attribute a on a.attrelid = s.other and a.attnum = k.attnum
        order by k.at
    ) as other_columns,
    array(
        select {shown_type a.atttypid, a.atttypmod}
        from pg_catalog.unnest(s.other_key) with ordinality k (attnum, at)
        join pg_catalog.pg_attribute a on a.attrelid = s.other and a.attnum = k.attnum
        order by k.at
    ) as other_types,
    exists (
        select from pg_catalog.pg_index i
        where i.indrelid = s.other and i.indisvalid and i.indpred is null
          and (cast(pg_catalog.string_to_array(i.indkey::text, ' ') as int2[]))
              [1 : pg_catalog.cardinality(s.other_key)] @> s.other_key
    ) as indexed
from sides s
join pg_catalog.pg_class o on o.oid = s.other
join pg_catalog.pg_namespace n on n.oid = o.relnamespace
order by n.nspname, o.relname, s.conname
