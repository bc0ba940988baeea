-- The CHECK constraints of tables and of the temporary tables of the same names.
select
    pair.oid,
    k.conrelid <> pair.oid as modelled,
    k.conname::text as name,
    pg_catalog.regexp_replace(pg_catalog.pg_get_constraintdef(k.oid), ' NOT VALID$', '') as exact,
    pg_catalog.pg_get_constraintdef(k.oid, true) as definition,
    k.convalidated as valid,
    k.conislocal as local
from unnest(cast(:oids as oid[])) as pair (oid)
join pg_catalog.pg_class c on c.oid = pair.oid
join
    pg_catalog.pg_class copy
    on copy.relname = c.relname and copy.relnamespace = pg_catalog.pg_my_temp_schema()
join pg_catalog.pg_constraint k on k.conrelid in (c.oid, copy.oid)
where k.contype = 'c'
order by k.conname
