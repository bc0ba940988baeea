-- The foreign keys of a relation and those that point to it. A key between partitioned tables has
-- a copy per partition: only the one that somebody declared counts as pointing here.
select
    c.conname::text as name,
    c.conrelid = :relation as outgoing,
    c.confrelid = :relation as incoming,
    sn.nspname::text as source_schema,
    s.relname::text as source_name,
    array(
        select a.attname::text from pg_catalog.unnest(c.conkey) with ordinality k (attnum, at)
        join pg_catalog.pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.attnum
        order by k.at
    ) as source_columns,
    tn.nspname::text as target_schema,
    t.relname::text as target_name,
    array(
        select a.attname::text from pg_catalog.unnest(c.confkey) with ordinality k (attnum, at)
        join pg_catalog.pg_attribute a on a.attrelid = c.confrelid and a.attnum = k.attnum
        order by k.at
    ) as target_columns,
    case c.confupdtype
        when 'a' then 'no action' when 'r' then 'restrict' when 'c' then 'cascade'
        when 'n' then 'set null' when 'd' then 'set default'
    end as on_update,
    case c.confdeltype
        when 'a' then 'no action' when 'r' then 'restrict' when 'c' then 'cascade'
        when 'n' then 'set null' when 'd' then 'set default'
    end as on_delete,
    c.convalidated as valid
from pg_catalog.pg_constraint c
join pg_catalog.pg_class s on s.oid = c.conrelid
join pg_catalog.pg_namespace sn on sn.oid = s.relnamespace
join pg_catalog.pg_class t on t.oid = c.confrelid
join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
where c.contype = 'f'
  and (c.conrelid = :relation or c.confrelid = :relation)
  and (c.conparentid = 0 or c.conrelid = :relation)
order by sn.nspname, s.relname, c.conname
