-- What decides how the server does the work of a statement, and where a session looks for names:
-- `dbctl.schemas` keeps that while the path of dbctl's own statements is empty.
select
    pg_catalog.current_setting('server_version_num')::int4 as version,
    pg_catalog.current_setting('TimeZone') as time_zone,
    coalesce(
        nullif(pg_catalog.current_setting('dbctl.schemas', true), '')::name[],
        pg_catalog.current_schemas(false)
    )::text[] as schemas
