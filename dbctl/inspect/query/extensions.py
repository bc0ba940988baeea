"""What the functions of extensions may do in a transaction that is read-only.

Their code cannot be read. A volatile one is refused unless it is listed here, and so are those that
run SQL of their own although they are not marked as volatile. Source: PostgreSQL's contrib folder.
"""

from dbctl.sqltokens import words

# By extension: the volatile functions that only compute or read, and keep nobody from writing.
_HARMLESS = {
    "amcheck": words("bt_index_check gin_index_check verify_heapam"),
    "pageinspect": words(
        "brin_metapage_info brin_page_items brin_page_type brin_revmap_data bt_metap"
        " bt_multi_page_stats bt_page_stats fsm_page_contents gin_leafpage_items gin_metapage_info"
        " gin_page_opaque_info gist_page_opaque_info hash_bitmap_info hash_metapage_info"
        " hash_page_stats hash_page_type heap_tuple_infomask_flags page_checksum page_header"
    ),
    "pg_buffercache": words(
        "pg_buffercache_numa_pages pg_buffercache_pages pg_buffercache_summary"
        " pg_buffercache_usage_counts"
    ),
    "pg_freespacemap": words("pg_freespace"),
    "pg_logicalinspect": words("pg_get_logical_snapshot_info pg_get_logical_snapshot_meta"),
    "pg_stat_statements": words("pg_stat_statements pg_stat_statements_info"),
    "pg_visibility": words(
        "pg_visibility pg_visibility_map pg_visibility_map_summary pg_check_frozen pg_check_visible"
    ),
    "pg_walinspect": words(
        "pg_get_wal_record_info pg_get_wal_records_info pg_get_wal_records_info_till_end_of_wal"
        " pg_get_wal_stats pg_get_wal_stats_till_end_of_wal"
    ),
    "pgcrypto": words(
        "fips_mode gen_random_bytes gen_random_uuid gen_salt pgp_pub_encrypt pgp_pub_encrypt_bytea"
        " pgp_sym_encrypt pgp_sym_encrypt_bytea"
    ),
    "pgrowlocks": words("pgrowlocks"),
    "pgstattuple": words(
        "pg_relpages pgstatginindex pgstathashindex pgstatindex pgstattuple pgstattuple_approx"
    ),
    "postgres_fdw": words("postgres_fdw_get_connections"),
    "sslinfo": words(
        "ssl_cipher ssl_client_cert_present ssl_client_dn ssl_client_dn_field ssl_client_serial"
        " ssl_extension_info ssl_is_used ssl_issuer_dn ssl_issuer_field ssl_version"
    ),
    "tablefunc": words("normal_rand"),
    "uuid-ossp": words("uuid_generate_v1 uuid_generate_v1mc uuid_generate_v4"),
}
_DEEDS = {
    "dblink": "runs SQL on another connection",
    "crosstab": "runs SQL of its own, past this check",
    "connectby": "runs SQL of its own, past this check",
    "xpath_table": "runs SQL of its own, past this check",
    "xslt_process": "may read files of the server",
    "get_raw_page": "reads whole pages, past the masks",
    "bt_page_items": "reads whole pages, past the masks",
    "gist_page_items": "reads whole pages, past the masks",
    "hash_page_items": "reads whole pages, past the masks",
    "heap_page_item": "reads whole pages, past the masks",
    "tuple_data_split": "reads whole pages, past the masks",
    "pg_get_wal_block_info": "reads whole pages, past the masks",
    "isn_weak": "changes a setting",
    "set_limit": "changes a setting",
    "bt_index_parent_check": "locks a table against writing",
    "pg_truncate_visibility_map": "locks a table, and writes",
    "pg_prewarm": "fills the server's memory",
    "autoprewarm": "fills the server's memory",
    "pg_buffercache_evict": "empties the server's memory",
    "pg_buffercache_mark_dirty": "has the server write",
    "heap_force_": "changes rows",
    "postgres_fdw_disconnect": "ends connections to other servers",
    "pg_stat_statements_reset": "resets statistics",
}


def deed(extension: str, name: str, volatility: str) -> str | None:
    """Say what a function of an extension does that inspect does not; None if nothing."""
    for begin, what in _DEEDS.items():
        if name.startswith(begin):
            return what
    if volatility != "v":
        return None
    if name in _HARMLESS.get(extension, ()):
        return None
    return f"belongs to {extension} and is not known to be harmless"
