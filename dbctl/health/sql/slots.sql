-- The replication slots, and the WAL that the server keeps for each.
select
    s.slot_name as slot,
    s.slot_type as type,
    s.active,
    s.active_pid as pid,
    s.wal_status,
    pg_catalog.pg_wal_lsn_diff(
        case
            when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn()
            else pg_catalog.pg_current_wal_lsn()
        end,
        s.restart_lsn
    )::bigint as retained_bytes,
    -- -1 is no limit.
    (
        select l.setting::bigint * 1048576 from pg_catalog.pg_settings l
        where l.name = 'max_slot_wal_keep_size'
    ) as limit_bytes
from pg_catalog.pg_replication_slots s
order by retained_bytes desc nulls last, s.slot_name
