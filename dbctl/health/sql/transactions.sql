-- The transactions that are open in this database, the oldest first, prepared ones with their name.
-- Everybody sees from the locks that a session is in one; since when, only some roles (`hidden`).
-- VACUUM and the building of an index hold up nobody's vacuum, however long they take.
select
    a.pid,
    null::text as prepared,
    a.usename::text as role,
    nullif(a.application_name, '') as application,
    a.state,
    nullif(a.query, '') as query,
    extract(epoch from pg_catalog.clock_timestamp() - a.xact_start)::float8 as seconds,
    case when a.state like 'idle in transaction%'
        then extract(epoch from pg_catalog.clock_timestamp() - a.state_change)::float8
    end as idle_seconds,
    a.backend_type is null as hidden
from pg_catalog.pg_stat_activity a
where a.datname = pg_catalog.current_database()
    and a.usesysid is not null
    and a.pid <> pg_catalog.pg_backend_pid()
    and a.leader_pid is null
    and coalesce(a.backend_type = 'client backend', true)
    and case when a.backend_type is not null then a.xact_start is not null
        else a.pid in (
            select l.pid from pg_catalog.pg_locks l
            where l.locktype = 'virtualxid' and l.granted and l.mode = 'ExclusiveLock'
        )
    end
    and a.pid not in (select v.pid from pg_catalog.pg_stat_progress_vacuum v)
    and a.pid not in (select i.pid from pg_catalog.pg_stat_progress_create_index i)
union all
select
    null, p.gid, p.owner::text, null, 'prepared', null,
    extract(epoch from pg_catalog.clock_timestamp() - p.prepared)::float8, null, false
from pg_catalog.pg_prepared_xacts p
where p.database = pg_catalog.current_database()
order by 7 desc nulls last, 1
