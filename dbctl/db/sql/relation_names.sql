-- What can be suggested in place of a name that is not there.
select
    n.nspname::text as schema,
    c.relname::text as name,
    n.nspname = any ({session_schemas}) as on_path
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f')
  and (
      n.nspname not like 'pg\_%' and n.nspname <> 'information_schema'
      or n.nspname = cast(:schema as text)
  )
order by n.nspname, c.relname
limit 10000
