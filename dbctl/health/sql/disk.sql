-- How much of the disk the database takes, what it spilled into temporary files, and the limit that
-- Neon sets. Who may not connect to a database may not ask for its size.
select
    pg_catalog.pg_database_size(d.oid) as database_bytes,
    t.spcname as tablespace,
    s.temp_files,
    s.temp_bytes,
    extract(
        epoch from pg_catalog.clock_timestamp()
            - coalesce(s.stats_reset, pg_catalog.pg_postmaster_start_time())
    )::float8 as counted_seconds,
    pg_catalog.has_function_privilege('pg_catalog.pg_ls_waldir()', 'EXECUTE') as sees_wal,
    -- Zero and less is no limit.
    pg_catalog.pg_size_bytes(
        nullif(pg_catalog.current_setting('neon.max_cluster_size', true), '')
    ) as limit_bytes
from pg_catalog.pg_database d
join pg_catalog.pg_tablespace t on t.oid = d.dattablespace
left join pg_catalog.pg_stat_database s on s.datid = d.oid
where d.datname = pg_catalog.current_database()
