-- The tables of this database that have gone longest without being frozen, and how many are as `old`
-- as the limit; a TOAST table is vacuumed with its own. Temporary ones only their session can vacuum.
select
    a.table,
    a.temporary,
    a.xids,
    a.multixacts,
    count(*) filter (where greatest(a.xids, a.multixacts) >= cast(:limit as int8)) over () as old
from (
    select
        pg_catalog.format('%I.%I', n.nspname, c.relname) as table,
        c.relpersistence = 't' as temporary,
        greatest(pg_catalog.age(c.relfrozenxid), pg_catalog.age(t.relfrozenxid))::int8 as xids,
        greatest(
            pg_catalog.mxid_age(c.relminmxid), pg_catalog.mxid_age(t.relminmxid)
        )::int8 as multixacts
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    left join pg_catalog.pg_class t on t.oid = c.reltoastrelid
    where c.relkind in ('r', 'm') and c.relfrozenxid <> '0'
) a
order by greatest(a.xids, a.multixacts) desc, 1
limit 5
