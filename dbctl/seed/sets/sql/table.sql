-- Qualified: a model without a schema is looked up on the path of the session.
select c.oid::int8 as oid, n.nspname::text as schema, c.relname::text as name
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) c.relnamespace
where c.oid operator(pg_catalog.=) pg_catalog.to_regclass(:name)::pg_catalog.oid
    and c.relkind operator(pg_catalog.=) any ('{r,p,f}'::pg_catalog."char"[])
