-- Whether this server is a standby, what it replayed when, and whom its commits wait for. Without
-- pg_read_all_stats the state of the WAL receiver is hidden, that one runs is not.
select
    r.standby,
    -- Neon's own storage is its synchronous standby, and no WAL sender tells of it.
    pg_catalog.current_setting('neon.timeline_id', true) is not null as neon,
    pg_catalog.current_setting('synchronous_standby_names') as synchronous_names,
    pg_catalog.current_setting('synchronous_commit') in ('on', 'remote_write', 'remote_apply')
        as commits_wait,
    w.pid is not null as receiving,
    w.status as receiver_status,
    case when r.standby then pg_catalog.pg_is_wal_replay_paused() else false end as paused,
    pg_catalog.pg_wal_lsn_diff(
        pg_catalog.pg_last_wal_receive_lsn(), pg_catalog.pg_last_wal_replay_lsn()
    )::bigint as behind_bytes,
    extract(
        epoch from pg_catalog.clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp()
    )::float8 as seconds_since_replay
from (select pg_catalog.pg_is_in_recovery() as standby) r
left join pg_catalog.pg_stat_wal_receiver w on true
