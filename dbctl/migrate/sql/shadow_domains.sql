-- The domains of these names, a null schema meaning the search_path, and those that the models would
-- make, in the temporary schema.
select
    wanted.position - 1 as position,
    n.oid operator(pg_catalog.=) pg_catalog.pg_my_temp_schema() as modelled,
    pg_catalog.concat_ws(
        ' ',
        pg_catalog.format_type(t.typbasetype, t.typtypmod),
        case
            when t.typcollation operator(pg_catalog.<>) b.typcollation
                then 'COLLATE ' || pg_catalog.quote_ident(l.collname)
        end,
        'DEFAULT ' || coalesce(t.typdefault, null),
        case when t.typnotnull then 'NOT NULL' end,
        (
            select
                pg_catalog.string_agg(
                    pg_catalog.pg_get_constraintdef(k.oid), ' '
                    order by pg_catalog.pg_get_constraintdef(k.oid)
                )
            from pg_catalog.pg_constraint k
            where
                k.contypid operator(pg_catalog.=) t.oid and k.contype operator(pg_catalog.=) 'c'
        )
    ) as definition
from
    rows from (
        pg_catalog.unnest(cast(:schemas as text[])), pg_catalog.unnest(cast(:names as text[]))
    ) with ordinality as wanted (schema, name, position)
join
    pg_catalog.pg_type t
    on t.typname operator(pg_catalog.=) wanted.name::name and t.typtype operator(pg_catalog.=) 'd'
join pg_catalog.pg_type b on b.oid operator(pg_catalog.=) t.typbasetype
left join pg_catalog.pg_collation l on l.oid operator(pg_catalog.=) t.typcollation
join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) t.typnamespace
where
    n.nspname operator(pg_catalog.=) wanted.schema::name
    or (wanted.schema is null and pg_catalog.pg_type_is_visible(t.oid))
    or n.oid operator(pg_catalog.=) pg_catalog.pg_my_temp_schema()
