-- Who holds the advisory lock :key of this database; what the role may not see is null.
select activity.pid,
       coalesce(activity.application_name, '') as application,
       activity.usename as role,
       activity.xact_start as since,
       extract(epoch from clock_timestamp() - activity.xact_start)::float8 as seconds
from pg_catalog.pg_locks as held
join pg_catalog.pg_stat_activity as activity using (pid)
where held.locktype = 'advisory'
  and held.granted
  and held.database = (select oid from pg_catalog.pg_database where datname = current_database())
  and (held.classid::bigint << 32 | held.objid::bigint) = cast(:key as bigint)
  and held.objsubid = 1
limit 1
