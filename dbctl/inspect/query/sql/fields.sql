-- The fields of composite types, each with the type, by its oid, whose values have it: as their own,
-- or within another field, an array or a domain.
with recursive part (root, oid) as (
    select t.oid, t.oid from pg_catalog.pg_type t where t.oid = any (:types::pg_catalog.oid[])
    union
    select part.root, inner_type.oid from part
    join pg_catalog.pg_type t on t.oid = part.oid
    cross join lateral (
        select t.typbasetype
        union all
        select t.typelem
        union all
        select a.atttypid from pg_catalog.pg_attribute a
        where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
    ) inner_type (oid)
    where inner_type.oid >= 16384
)
select
    part.root::pg_catalog.int8 as root,
    n.nspname::pg_catalog.text as schema,
    t.typname::pg_catalog.text as name,
    a.attname::pg_catalog.text as field,
    pg_catalog.format_type(a.atttypid, null) as type
from part
join pg_catalog.pg_type t on t.oid = part.oid and t.typtype = 'c'
join pg_catalog.pg_namespace n on n.oid = t.typnamespace
join pg_catalog.pg_attribute a
    on a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
order by 1, 2, 3, a.attnum
