-- The types of these oids or names, down to what a domain is of; null schemas mean the path.
with recursive asked as (
    select t.oid
    from rows from (
        pg_catalog.unnest(:type_schemas::text[]), pg_catalog.unnest(:type_names::text[])
    ) w (schema, name)
    cross join lateral (
        select t.oid
        from pg_catalog.pg_type t
        join pg_catalog.pg_namespace n on n.oid = t.typnamespace
        left join unnest(array['pg_catalog'] || :path::text[]) with ordinality p (schema, place)
            on p.schema = n.nspname::text
        where t.typname::text = w.name
          and (n.nspname::text = w.schema or (w.schema is null and p.place is not null))
        order by p.place
        limit 1
    ) t
    union
    select a.atttypid from pg_catalog.pg_attribute a
    where a.attrelid = any (:tables::oid[]) and a.attnum > 0 and not a.attisdropped
),
every as (
    select oid from asked
    union
    select x.oid
    from every
    join pg_catalog.pg_type t on t.oid = every.oid
    cross join lateral (
        values (t.typbasetype), (t.typelem), (t.typarray)
    ) x (oid)
    where x.oid <> 0
)
select
    t.oid::int8 as oid,
    n.nspname::text as schema,
    t.typname::text as name,
    t.typtype::text as kind,
    t.typbasetype::int8 as base_oid,
    t.typtypmod as typmod,
    case when t.typcategory = 'A' then t.typelem else 0 end::int8 as element_oid,
    t.typarray::int8 as array_oid,
    l.collname::text as collation,
    t.typnotnull or exists (
        select from pg_catalog.pg_constraint k where k.contypid = t.oid
    ) as has_constraints,
    t.typdefault is not null as has_default
from every
join pg_catalog.pg_type t on t.oid = every.oid
join pg_catalog.pg_namespace n on n.oid = t.typnamespace
left join pg_catalog.pg_collation l on l.oid = t.typcollation
