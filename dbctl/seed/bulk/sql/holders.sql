-- The sessions whose locks keep SHARE ROW EXCLUSIVE on the relation $1 from this one.
select array(
    select distinct l.pid
    from pg_catalog.pg_locks l
    where l.relation = $1 and l.granted and l.pid <> pg_catalog.pg_backend_pid()
      and l.database = (select oid from pg_catalog.pg_database
                        where datname = pg_catalog.current_database())
      and l.mode not in ('AccessShareLock', 'RowShareLock')
    order by l.pid
)
