-- The foreign keys of tables, and what of them a model can have and Alembic does not compare.
-- NOT ENFORCED is new in PostgreSQL 18.
select
    k.conrelid as oid,
    k.conname::text as name,
    array(
        select a.attname::text
        from pg_catalog.unnest(k.conkey) with ordinality as part (number, position)
        join
            pg_catalog.pg_attribute a
            on a.attrelid operator(pg_catalog.=) k.conrelid
            and a.attnum operator(pg_catalog.=) part.number
        order by part.position
    ) as columns,
    k.convalidated as valid,
    coalesce((pg_catalog.to_jsonb(k.*) operator(pg_catalog.->>) 'conenforced')::bool, true) as enforced,
    k.confmatchtype::text as match,
    pg_catalog.pg_get_constraintdef(k.oid, true) as definition
from pg_catalog.pg_constraint k
where
    k.conrelid operator(pg_catalog.=) any (cast(:oids as oid[]))
    and k.contype operator(pg_catalog.=) 'f'
order by k.conname
