-- Who keeps the session $1 waiting for a lock, directly; age is that of the transaction, in seconds.
select blocker.pid,
       coalesce(nullif(activity.application_name, ''), activity.backend_type, '') as application,
       activity.usename as role,
       activity.state,
       extract(epoch from pg_catalog.clock_timestamp()
               - coalesce(activity.xact_start, activity.query_start, activity.backend_start)
       )::float8 as seconds,
       coalesce(activity.query, '') as query
from pg_catalog.unnest(pg_catalog.pg_blocking_pids($1)) as blocker (pid)
left join pg_catalog.pg_stat_activity as activity on activity.pid = blocker.pid
order by activity.xact_start nulls last
