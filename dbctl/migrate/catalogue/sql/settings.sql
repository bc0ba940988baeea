-- What decides how the server does the work of a statement, and where a session looks for names.
select
    pg_catalog.current_setting('server_version_num')::int4 as version,
    pg_catalog.current_setting('TimeZone') as time_zone,
    ({session_schemas})::text[] as schemas
