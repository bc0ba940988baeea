-- What streams from this server, and how far it is behind. Without pg_read_all_stats all but the pid
-- is hidden. A standby that follows a standby lags behind what this one has replayed.
select
    s.pid,
    s.application_name,
    s.state,
    s.sync_state,
    pg_catalog.pg_wal_lsn_diff(
        case
            when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn()
            else pg_catalog.pg_current_wal_lsn()
        end,
        coalesce(s.replay_lsn, s.flush_lsn, s.write_lsn, s.sent_lsn)
    )::bigint as lag_bytes,
    extract(epoch from coalesce(s.replay_lag, s.flush_lag))::float8 as lag_seconds
from pg_catalog.pg_stat_replication s
where s.state is distinct from 'backup'
order by s.application_name, s.pid
