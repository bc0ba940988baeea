-- The clients of the whole server. Without pg_monitor, the type of another role's backend is hidden;
-- what is no client is told by its having no user or, the replication launcher, no database.
select
    (
        select count(*) from pg_catalog.pg_stat_activity a
        where a.usesysid is not null
            and coalesce(a.backend_type = 'client backend', a.datid is not null)
    ) as used,
    pg_catalog.current_setting('max_connections')::int as maximum,
    -- PostgreSQL 16 and later have reserved_connections.
    pg_catalog.current_setting('superuser_reserved_connections')::int
        + coalesce(pg_catalog.current_setting('reserved_connections', true), '0')::int as reserved
