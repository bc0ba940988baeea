-- The sequences of these names, a null schema meaning the search_path.
select
    wanted.position - 1 as position,
    s.seqstart as start,
    s.seqincrement as increment,
    s.seqmin as minvalue,
    s.seqmax as maxvalue,
    s.seqcache as cache,
    s.seqcycle as cycle,
    pg_catalog.format_type(s.seqtypid, null) as data_type
from
    rows from (
        pg_catalog.unnest(cast(:schemas as text[])), pg_catalog.unnest(cast(:names as text[]))
    ) with ordinality as wanted (schema, name, position)
join
    pg_catalog.pg_class c
    on c.relname operator(pg_catalog.=) wanted.name::name and c.relkind operator(pg_catalog.=) 'S'
join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) c.relnamespace
join pg_catalog.pg_sequence s on s.seqrelid operator(pg_catalog.=) c.oid
where
    n.nspname operator(pg_catalog.=) wanted.schema::name
    or (wanted.schema is null and pg_catalog.pg_table_is_visible(c.oid))
