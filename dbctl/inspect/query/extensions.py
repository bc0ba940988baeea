"""What the functions of extensions may do in a transaction that is read-only.

Their code cannot be read. A volatile one is refused unless it is listed here, and so are those that
run SQL of their own although they are not marked as volatile. Source: PostgreSQL's contrib folder.
"""

from dbctl.sqltokens import words

# By extension: the volatile functions that only compute or read, and keep nobody from writing; None
# stands for all of them.
_HARMLESS: dict[str, frozenset[str] | None] = {
    "amcheck": words("bt_index_check gin_index_check verify_heapam"),
    "fuzzystrmatch": None,
    "pageinspect": words(
        "brin_metapage_info brin_page_items brin_page_type brin_revmap_data bt_metap"
        " bt_multi_page_stats bt_page_stats fsm_page_contents gin_leafpage_items gin_metapage_info"
        " gin_page_opaque_info gist_page_opaque_info hash_bitmap_info hash_metapage_info"
        " hash_page_stats hash_page_type page_checksum page_header"
    ),
    "pg_buffercache": words(
        "pg_buffercache_pages pg_buffercache_summary pg_buffercache_usage_counts"
    ),
    "pg_freespacemap": None,
    "pg_stat_statements": words("pg_stat_statements pg_stat_statements_info"),
    "pg_visibility": words(
        "pg_visibility pg_visibility_map pg_visibility_map_summary pg_check_frozen pg_check_visible"
    ),
    "pg_walinspect": words(
        "pg_get_wal_record_info pg_get_wal_records_info pg_get_wal_records_info_till_end_of_wal"
        " pg_get_wal_stats pg_get_wal_stats_till_end_of_wal"
    ),
    "pgcrypto": None,
    "pgrowlocks": None,
    "pgstattuple": None,
    "postgres_fdw": words("postgres_fdw_get_connections"),
    "sslinfo": None,
    "tablefunc": words("normal_rand"),
    "uuid-ossp": None,
    "vector": None,
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
    "pg_get_wal_block_info": "reads whole pages, past the masks",
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
    harmless = _HARMLESS.get(extension, frozenset())
    if harmless is None or name in harmless:
        return None
    return f"belongs to {extension} and is not known to be harmless"
