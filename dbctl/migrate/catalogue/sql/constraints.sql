-- The constraints of tables. Their text is not asked for: that would lock the tables.
select
    k.conrelid::int8 as table_oid,
    k.conname::text as name,
    k.contype::text as type,
    k.convalidated as is_valid
from pg_catalog.pg_constraint k
where k.conrelid = any (:tables::oid[])
