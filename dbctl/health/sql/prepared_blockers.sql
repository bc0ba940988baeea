-- The prepared transactions that hold what the sessions of the pids wait for: their locks have no
-- pid, and one lock each is on their own transaction id.
select wanted.pid, p.gid, p.owner::text as role,
    extract(epoch from pg_catalog.clock_timestamp() - p.prepared)::float8 as seconds
from pg_catalog.pg_locks wanted
join pg_catalog.pg_locks held on held.granted and held.pid is null
    and held.locktype = wanted.locktype
    and held.database is not distinct from wanted.database
    and held.relation is not distinct from wanted.relation
    and held.page is not distinct from wanted.page
    and held.tuple is not distinct from wanted.tuple
    and held.transactionid is not distinct from wanted.transactionid
    and held.classid is not distinct from wanted.classid
    and held.objid is not distinct from wanted.objid
    and held.objsubid is not distinct from wanted.objsubid
join pg_catalog.pg_locks own on own.pid is null and own.locktype = 'transactionid' and own.granted
    and own.virtualtransaction = held.virtualtransaction
join pg_catalog.pg_prepared_xacts p on p.transaction = own.transactionid
where not wanted.granted and wanted.pid = any(cast(:pids as int4[]))
order by 1, 2
