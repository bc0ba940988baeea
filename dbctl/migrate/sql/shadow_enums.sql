-- The labels, in their order, of the enum types of these names, a null schema meaning the search_path.
select
    wanted.position - 1 as position,
    array(
        select e.enumlabel::text from pg_catalog.pg_enum e
        where e.enumtypid = t.oid
        order by e.enumsortorder
    ) as labels
from
    rows from (
        pg_catalog.unnest(cast(:schemas as text[])), pg_catalog.unnest(cast(:names as text[]))
    ) with ordinality as wanted (schema, name, position)
join pg_catalog.pg_type t on t.typname = wanted.name::name and t.typtype = 'e'
join pg_catalog.pg_namespace n on n.oid = t.typnamespace
where
    n.nspname = wanted.schema::name
    or (wanted.schema is null and pg_catalog.pg_type_is_visible(t.oid))
