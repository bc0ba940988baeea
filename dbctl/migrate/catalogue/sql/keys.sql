-- The foreign keys, with the columns on both sides.
select
    k.oid::int8 as oid,
    k.conname::text as name,
    k.conrelid::int8 as table_oid,
    k.confrelid::int8 as other_oid,
    k.convalidated as is_valid,
    k.confdeltype::text as on_delete,
    k.confupdtype::text as on_update,
    array(
        select a.attname::text from pg_catalog.pg_attribute a
        where a.attrelid = k.conrelid and a.attnum = any (k.conkey)
    ) as columns,
    array(
        select a.attname::text from pg_catalog.pg_attribute a
        where a.attrelid = k.confrelid and a.attnum = any (k.confkey)
    ) as other_columns
from pg_catalog.pg_constraint k
where k.contype = 'f'
