"""What PostgreSQL's own functions may do in a transaction that is read-only.

Only volatile ones can do more than compute and read. Of these, the harmless are listed, so that one
which a newer PostgreSQL adds is refused until somebody has looked at it.
Source: pg_proc of PostgreSQL 14 to 18, and its documentation, chapter 9.
"""

from dbctl.sqltokens import words

# Volatile, and only telling something: time, chance, sizes, counters, the state of the server.
HARMLESS = words(
    """
    array_sample array_shuffle clock_timestamp current_query gen_random_uuid random random_normal
    timeofday uuidv4 uuidv7 currval lastval pg_sequence_last_value pg_get_sequence_data
    bernoulli system amvalidate pg_sleep pg_sleep_for pg_sleep_until
    pg_database_size pg_indexes_size pg_relation_size pg_table_size pg_tablespace_size
    pg_total_relation_size pg_partition_ancestors pg_partition_tree
    pg_blocking_pids pg_safe_snapshot_blocking_pids pg_isolation_test_session_is_blocked
    pg_lock_status pg_prepared_xact pg_notification_queue_usage pg_get_wait_events
    pg_collation_actual_version pg_database_collation_actual_version pg_jit_available
    pg_control_checkpoint pg_control_init pg_control_recovery pg_control_system
    pg_current_logfile pg_hba_file_rules pg_ident_file_mappings pg_show_all_file_settings
    pg_current_wal_flush_lsn pg_current_wal_insert_lsn pg_current_wal_lsn pg_is_in_recovery
    pg_is_wal_replay_paused pg_get_wal_replay_pause_state pg_last_wal_receive_lsn
    pg_last_wal_replay_lsn pg_last_xact_replay_timestamp pg_get_wal_resource_managers
    pg_get_wal_summarizer_state pg_available_wal_summaries pg_wal_summary_contents
    pg_last_committed_xact pg_xact_commit_timestamp pg_xact_commit_timestamp_origin pg_xact_status
    txid_status pg_get_multixact_members pg_replication_origin_progress
    pg_replication_origin_session_is_setup pg_replication_origin_session_progress
    pg_show_replication_origin_status pg_get_aios pg_get_backend_memory_contexts
    pg_get_loaded_modules pg_get_shmem_allocations pg_get_shmem_allocations_numa
    pg_is_in_backup timezone
    pg_stat_have_stats pg_stat_clear_snapshot pg_stat_force_next_flush lo_get
    """
)
_HARMLESS_PREFIX = "pg_stat_get_"

# Not volatile, but they read whole tables by a name or a text of SQL, where nothing is masked.
_READS_ANYTHING = words(
    """
    table_to_xml table_to_xml_and_xmlschema schema_to_xml schema_to_xml_and_xmlschema
    database_to_xml database_to_xml_and_xmlschema query_to_xml query_to_xml_and_xmlschema
    query_to_xmlschema cursor_to_xml cursor_to_xmlschema ts_stat ts_rewrite
    """
)

# What the others do, by how their names begin.
_DEEDS = {
    "pg_advisory_": "takes or releases an advisory lock",
    "pg_try_advisory_": "takes an advisory lock",
    "lo_": "opens or changes a large object",
    "loread": "reads an open large object",
    "lowrite": "writes a large object",
    "pg_terminate_backend": "ends another session",
    "pg_cancel_backend": "cancels what another session does",
    "pg_reload_conf": "signals the server",
    "pg_rotate_logfile": "signals the server",
    "pg_log_": "writes to the server's log or WAL",
    "pg_promote": "ends the recovery of a standby",
    "pg_switch_wal": "changes the server's WAL",
    "pg_wal_replay_": "pauses or resumes a standby",
    "pg_create_restore_point": "writes to the server's WAL",
    "pg_logical_emit_message": "writes to the server's WAL",
    "pg_backup_": "begins or ends a backup",
    "pg_start_backup": "begins or ends a backup",
    "pg_stop_backup": "begins or ends a backup",
    "pg_create_": "creates a replication slot",
    "pg_copy_": "copies a replication slot",
    "pg_drop_": "drops a replication slot",
    "pg_logical_slot_": "reads from a replication slot, which moves or holds it",
    "pg_replication_slot_": "moves a replication slot",
    "pg_sync_replication_slots": "changes replication slots",
    "pg_replication_origin_": "changes a replication origin",
    "pg_stat_reset": "resets statistics",
    "pg_clear_": "changes statistics",
    "pg_restore_": "changes statistics",
    "pg_read_": "reads a file of the server",
    "pg_ls_": "lists a folder of the server",
    "pg_stat_file": "looks at a file of the server",
    "pg_file_": "changes a file of the server",
    "pg_export_snapshot": "keeps a snapshot for other sessions",
    "pg_import_system_collations": "changes the catalogue",
    "pg_extension_config_dump": "changes the catalogue",
    "pg_nextoid": "uses up object ids",
    "pg_stop_making_pinned_objects": "changes the catalogue",
    "pg_notify": "sends a notification",
    "set_config": "changes a setting",
    "setseed": "sets the seed of random(), which outlives the transaction",
    "setval": "changes a sequence",
    "nextval": "changes a sequence",
    "brin_": "changes an index",
    "gin_clean_pending_list": "changes an index",
    "binary_upgrade_": "is for pg_upgrade alone",
    "currtid2": "is internal",
}


def deed(name: str, volatility: str) -> str | None:
    """Say what one of PostgreSQL's own functions does that inspect does not; None if nothing.

    `volatility` is pg_proc's: i, s or v.
    """
    if name in _READS_ANYTHING:
        return "reads whole tables or runs SQL of its own, past the masks and this check"
    if volatility != "v" or name in HARMLESS or name.startswith(_HARMLESS_PREFIX):
        return None
    known = (what for begin, what in _DEEDS.items() if name.startswith(begin))
    return next(known, "is not known to be harmless")
