-- Who waits for a lock in this database, for how many seconds, and for whom: a row for each that is
-- waited for. Every role sees the locks. `advisory` ones are the application's own: who wants to be
-- the leader waits for ever. No arrays: for them the driver asks the catalogue first.
select
    w.pid,
    b.pid as blocked_by,
    w.seconds,
    w.advisory
from (
    select
        l.pid,
        coalesce(
            extract(epoch from pg_catalog.clock_timestamp() - min(l.waitstart)), 0
        )::float8 as seconds,
        pg_catalog.bool_and(l.locktype = 'advisory') as advisory
    from pg_catalog.pg_locks l
    where not l.granted and l.pid in (
        select a.pid from pg_catalog.pg_stat_activity a
        where a.datname = pg_catalog.current_database()
    )
    group by l.pid
) w
left join lateral unnest(pg_catalog.pg_blocking_pids(w.pid)) b (pid) on true
order by w.seconds desc, w.pid
