-- What keeps vacuum from freezing: the oldest transaction, slot and prepared transaction, by age.
select kind, name, pid, xids
from (
    select 'session' as kind, coalesce(a.application_name, '') as name, a.pid,
        greatest(
            pg_catalog.age(a.backend_xmin), pg_catalog.age(a.backend_xid)
        )::int8 as xids
    from pg_catalog.pg_stat_activity a
    where a.pid <> pg_catalog.pg_backend_pid()
    union all
    select 'replication slot', s.slot_name::text, null,
        greatest(pg_catalog.age(s.xmin), pg_catalog.age(s.catalog_xmin))::int8
    from pg_catalog.pg_replication_slots s
    union all
    select 'prepared transaction', p.gid, null, pg_catalog.age(p.transaction)::int8
    from pg_catalog.pg_prepared_xacts p
) held
where xids is not null
order by xids desc, kind, name
limit 5
