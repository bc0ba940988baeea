-- Indexes that no query uses. The index of a partitioned table ('I') is invalid until every partition
-- has its own: that is no fault. An index is `busy` while another session may be building it; who
-- builds what, only some roles may see, but everybody sees the lock on the table.
select indexed.indexrelid::bigint as oid,
       indexed.indrelid::bigint as table_oid,
       pg_catalog.format('%I.%I', namespace.nspname, index.relname) as name,
       index.relname::text as short_name,
       exists (
           select from pg_catalog.pg_locks as held
           where held.relation = indexed.indrelid
             and held.database = (
                 select oid from pg_catalog.pg_database where datname = pg_catalog.current_database()
             )
             and held.mode = 'ShareUpdateExclusiveLock'
             and held.granted
             and held.pid <> pg_catalog.pg_backend_pid()
       ) as busy
from pg_catalog.pg_index as indexed
join pg_catalog.pg_class as index on index.oid = indexed.indexrelid
join pg_catalog.pg_namespace as namespace on namespace.oid = index.relnamespace
where not indexed.indisvalid
  and index.relkind = 'i'
  and namespace.nspname not like 'pg\_%'
order by 3
