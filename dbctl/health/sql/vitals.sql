-- What this database has done since its statistics began; every role sees it. The counters begin
-- anew where `reset_at` changes, or the server was started again.
select
    s.stats_reset as reset_at,
    pg_catalog.pg_postmaster_start_time() as started_at,
    s.xact_commit as commits,
    s.xact_rollback as rollbacks,
    s.blks_hit as hits,
    s.blks_read as misses,
    s.tup_returned as rows_read,
    s.tup_inserted + s.tup_updated + s.tup_deleted as rows_written
from pg_catalog.pg_stat_database s
where s.datname = pg_catalog.current_database()
