-- The tables of these names, a null schema meaning the search_path.
select
    wanted.position - 1 as position,
    c.oid,
    pg_catalog.format('%I.%I', n.nspname, c.relname) as sql
from
    rows from (
        pg_catalog.unnest(cast(:schemas as text[])), pg_catalog.unnest(cast(:names as text[]))
    ) with ordinality as wanted (schema, name, position)
join pg_catalog.pg_class c on c.relname = wanted.name::name and c.relkind in ('r', 'p', 'f')
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where
    n.nspname = wanted.schema::name
    or (wanted.schema is null and pg_catalog.pg_table_is_visible(c.oid))
order by 1
