-- What the sessions of the pids do, or did last; null is what this role may not see, `hidden`.
select
    a.pid,
    a.usename::text as role,
    nullif(a.application_name, '') as application,
    a.state,
    nullif(a.query, '') as query,
    extract(epoch from pg_catalog.clock_timestamp() - a.xact_start)::float8 as seconds,
    a.backend_type is null as hidden
from pg_catalog.pg_stat_activity a
where a.pid = any(cast(:pids as int4[]))
