-- The clients of the whole server. Without pg_monitor, a backend's type is hidden; background
-- processes are told by their having no user.
select
    (
        select count(*) from pg_catalog.pg_stat_activity a
        where a.usesysid is not null and coalesce(a.backend_type, 'client backend') = 'client backend'
    ) as used,
    pg_catalog.current_setting('max_connections')::int as maximum,
    pg_catalog.current_setting('superuser_reserved_connections')::int
        + coalesce(pg_catalog.current_setting('reserved_connections', true), '0')::int as reserved
