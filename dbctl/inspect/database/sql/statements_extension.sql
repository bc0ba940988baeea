-- Where pg_stat_statements is: the schema that it was created in, or whether it could be.
select
    pg_catalog.max(n.nspname)::text as schema,
    pg_catalog.max(e.extversion) as version,
    exists (
        select from pg_catalog.pg_available_extensions a where a.name = 'pg_stat_statements'
    ) as available,
    pg_catalog.current_setting('track_io_timing')::bool as io_timing,
    pg_catalog.current_setting('neon.timeline_id', true) is not null as neon
from pg_catalog.pg_extension e
join pg_catalog.pg_namespace n on n.oid = e.extnamespace
where e.extname = 'pg_stat_statements'
