-- The marker counts in whichever schema it is: a role may have another search_path.
select n.nspname::text
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relname = 'dbctl_seed_marker' and c.relkind = 'r'
  and n.nspname not like 'pg\_%' and n.nspname <> 'information_schema'
order by 1
