select
    d.oid::int8 as oid,
    d.datname::text as name,
    pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'execute') as in_full
from pg_catalog.pg_database d
where d.datname = pg_catalog.current_database()
