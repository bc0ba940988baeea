-- The constraints but for foreign keys of tables and of the temporary tables of the same names.
select
    pair.oid,
    k.conrelid operator(pg_catalog.<>) pair.oid as modelled,
    k.conname::text as name,
    k.contype::text as sort,
    pg_catalog.regexp_replace(pg_catalog.pg_get_constraintdef(k.oid), ' NOT VALID$', '') as exact,
    pg_catalog.pg_get_constraintdef(k.oid, true) as definition,
    k.convalidated as valid,
    k.conislocal as local,
    pg_catalog.obj_description(k.oid, 'pg_constraint') as comment
from pg_catalog.unnest(cast(:oids as oid[])) as pair (oid)
join pg_catalog.pg_class c on c.oid operator(pg_catalog.=) pair.oid
join
    pg_catalog.pg_class copy
    on copy.relname operator(pg_catalog.=) c.relname
    and copy.relnamespace operator(pg_catalog.=) pg_catalog.pg_my_temp_schema()
join
    pg_catalog.pg_constraint k
    on k.conrelid operator(pg_catalog.=) c.oid or k.conrelid operator(pg_catalog.=) copy.oid
where
    k.contype operator(pg_catalog.=) any ('{c,x,u,p}'::"char"[])
order by k.conname
