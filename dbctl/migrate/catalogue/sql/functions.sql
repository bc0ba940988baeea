-- Whether a function of these names is volatile, whatever its arguments.
select f.proname::text as name, pg_catalog.bool_or(f.provolatile = 'v') as is_volatile
from pg_catalog.pg_proc f
where f.proname::text = any (:functions::text[])
group by f.proname
