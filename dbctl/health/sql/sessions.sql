-- The clients of the whole server by application and state, the most numerous first. `state` is null
-- where this role may not see it; the type of a backend is, too (see db/sql/connections.sql).
select
    coalesce(a.application_name, '') as application,
    a.state,
    count(*) as connections
from pg_catalog.pg_stat_activity a
where a.usesysid is not null
    and coalesce(a.backend_type = 'client backend', a.datid is not null)
group by 1, 2
order by 3 desc, 1, 2
