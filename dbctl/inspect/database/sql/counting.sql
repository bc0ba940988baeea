-- Since when this database's statistics count, and whether they are a standby's own. Where no reset is
-- known they may be as young as the server's start: some lose them then.
with since as (
    select coalesce(s.stats_reset, pg_catalog.pg_postmaster_start_time()) as counted_since
    from pg_catalog.pg_stat_database s
    where s.datname = pg_catalog.current_database()
)
select
    counted_since,
    counted_since <= pg_catalog.now() - pg_catalog.make_interval(secs => :seconds) as counted_long,
    pg_catalog.pg_is_in_recovery() as standby
from since
