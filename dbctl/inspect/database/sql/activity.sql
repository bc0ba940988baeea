-- Every process of the server but our own, and who keeps it waiting for a lock. Only what waits for
-- one is asked about: the answer holds up the lock manager for a moment. What this role may not see
-- has no backend_start: its query is a placeholder.
select
    a.pid,
    case when a.wait_event_type = 'Lock'
        then pg_catalog.pg_blocking_pids(a.pid) else '{}'::int4[] end as blocked_by,
    coalesce(a.backend_type, 'client backend') as kind,
    a.usename::text as "user",
    a.datname::text as database,
    nullif(a.application_name, '') as application,
    case when a.client_addr is null
        then case when a.client_port = -1 then 'socket' end
        else pg_catalog.host(a.client_addr) end as client,
    a.state,
    extract(epoch from pg_catalog.clock_timestamp() - a.xact_start)::float8 as transaction_seconds,
    extract(epoch from pg_catalog.clock_timestamp() - a.state_change)::float8 as state_seconds,
    extract(epoch from pg_catalog.clock_timestamp() - (
        select min(l.waitstart) from pg_catalog.pg_locks l where l.pid = a.pid and not l.granted
    ))::float8 as waiting_seconds,
    a.wait_event_type,
    a.wait_event,
    nullif(a.query, '') as query,
    a.backend_type is null as hidden
from pg_catalog.pg_stat_activity a
where a.pid <> pg_catalog.pg_backend_pid()
  and a.leader_pid is distinct from pg_catalog.pg_backend_pid()
order by a.xact_start nulls last, a.backend_start nulls last, a.pid
