-- Indexes that no query uses, but for those that are being built: who does, everybody sees from the
-- lock on the table. That of a partitioned table ('I') is invalid until every partition has its own.
select
    pg_catalog.format('%I.%I', n.nspname, c.relname) as index,
    pg_catalog.format('%I.%I', tn.nspname, t.relname) as table,
    i.indisunique as "unique",
    i.indislive as live,
    -- What REINDEX CONCURRENTLY leaves behind where it fails, beside the index itself.
    c.relname ~ '_cc(new|old)[0-9]*$' as transient
from pg_catalog.pg_index i
join pg_catalog.pg_class c on c.oid = i.indexrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_class t on t.oid = i.indrelid
join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
where not (i.indisvalid and i.indisready and i.indislive)
    and c.relkind = 'i'
    and n.nspname not like 'pg\_%'
    and not exists (
        select
        from pg_catalog.pg_stat_progress_create_index p
        join pg_catalog.pg_locks l on l.pid = p.pid
        where p.datname = pg_catalog.current_database()
            and l.locktype = 'relation' and l.relation = i.indrelid
            and l.database = p.datid
            and l.mode = 'ShareUpdateExclusiveLock' and l.granted
    )
order by 1
