-- The tables with many rows, dead or alive, as the statistics count them, the deadest first. One
-- that is not `known` to the planner was never vacuumed or analysed.
select
    pg_catalog.format('%I.%I', n.nspname, c.relname) as table,
    s.dead,
    s.live,
    100.0 * s.dead / greatest(s.dead + s.live, 1)::float8 as percent,
    c.reltuples >= 0 as known,
    coalesce((
        select not o.option_value::bool from pg_catalog.pg_options_to_table(c.reloptions) o
        where o.option_name = 'autovacuum_enabled'
    ), false) as autovacuum_off,
    greatest(
        pg_catalog.pg_stat_get_last_vacuum_time(c.oid),
        pg_catalog.pg_stat_get_last_autovacuum_time(c.oid)
    ) as vacuumed_at
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
cross join lateral (
    select
        pg_catalog.pg_stat_get_dead_tuples(c.oid) as dead,
        pg_catalog.pg_stat_get_live_tuples(c.oid) as live
) s
where c.relkind in ('r', 'm') and c.relpersistence <> 't'
    and n.nspname not like 'pg\_%' and n.nspname <> 'information_schema'
    and s.dead + s.live >= cast(:rows as int8)
order by percent desc, 1
