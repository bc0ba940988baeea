-- Who keeps the database `:database` from being copied or replaced, the oldest first.
select a.pid,
       a.application_name as application,
       a.usename as role,
       a.state,
       a.backend_start as since
from pg_catalog.pg_stat_activity a
where a.datname operator(pg_catalog.=) cast(:database as pg_catalog.name)
    and a.backend_type operator(pg_catalog.=) 'client backend'
    and a.pid operator(pg_catalog.<>) pg_catalog.pg_backend_pid()
union all
select 0, '', x.owner, 'prepared transaction ' operator(pg_catalog.||) x.gid, x.prepared
from pg_catalog.pg_prepared_xacts x
where x.database operator(pg_catalog.=) cast(:database as pg_catalog.name)
order by since, pid
