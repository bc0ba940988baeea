-- The relations that another session locks exclusively, or waits to, itself or a partition or child of
-- it: to look into them would wait behind that.
with recursive part (root, oid) as (
    select r.oid, r.oid from pg_catalog.unnest(:relations::pg_catalog.oid[]) r (oid)
    union
    select part.root, i.inhrelid from part
    join pg_catalog.pg_inherits i on i.inhparent = part.oid
)
select distinct part.root::pg_catalog.int8 as oid
from part
join pg_catalog.pg_locks l on l.relation = part.oid
join pg_catalog.pg_database d
    on d.oid = l.database and d.datname = pg_catalog.current_database()
where l.locktype = 'relation' and l.mode = 'AccessExclusiveLock'
  and l.pid <> pg_catalog.pg_backend_pid()
