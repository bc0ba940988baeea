-- The fields of composite types, each with the type, by its oid, whose values have it: as their own
-- (`is_own`), or within another field, an array or a domain. With `types` come those that they are
-- made of.
with recursive inside (oid, inner_oid) as (
    select t.oid, inner_type.oid
    from pg_catalog.pg_type t
    cross join lateral (
        select t.typbasetype
        union all
        select t.typelem
        union all
        select a.atttypid from pg_catalog.pg_attribute a
        where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
    ) inner_type (oid)
    where t.oid >= 16384 and inner_type.oid >= 16384
),
reached (oid) as (
    select t.oid from pg_catalog.pg_type t where t.oid = any (:types::pg_catalog.oid[])
    union
    select inside.inner_oid from reached join inside on inside.oid = reached.oid
),
part (root, oid) as (
    select reached.oid, reached.oid from reached
    union
    select part.root, inside.inner_oid from part join inside on inside.oid = part.oid
)
select
    part.root::pg_catalog.int8 as root,
    part.root = part.oid as is_own,
    n.nspname::pg_catalog.text as schema,
    t.typname::pg_catalog.text as name,
    a.attname::pg_catalog.text as field,
    pg_catalog.format_type(a.atttypid, null) as type,
    a.atttypid::pg_catalog.int8 as type_id
from part
join pg_catalog.pg_type t on t.oid = part.oid and t.typtype = 'c'
join pg_catalog.pg_namespace n on n.oid = t.typnamespace
join pg_catalog.pg_attribute a
    on a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
order by 1, 3, 4, a.attnum
