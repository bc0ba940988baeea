-- The enabled triggers of tables that are not the server's own.
select
    g.tgrelid::int8 as table_oid,
    g.tgname::text as name,
    f.proname::text as function,
    g.tgtype::int4 as type
from pg_catalog.pg_trigger g
join pg_catalog.pg_proc f on f.oid = g.tgfoid
where not g.tgisinternal and g.tgenabled in ('O', 'A')
