-- Whether autovacuum can run at all: it needs the statistics.
select
    pg_catalog.current_setting('autovacuum')::bool as autovacuum,
    pg_catalog.current_setting('track_counts')::bool as track_counts
