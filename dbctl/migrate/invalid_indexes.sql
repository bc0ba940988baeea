-- Indexes that no query uses, but for those that a session builds at this moment. The index of a
-- partitioned table ('I') is invalid until every partition has its own: that is no fault.
select indexed.indexrelid::bigint as oid,
       format('%I.%I', namespace.nspname, index.relname) as name,
       index.relname as short_name
from pg_catalog.pg_index as indexed
join pg_catalog.pg_class as index on index.oid = indexed.indexrelid
join pg_catalog.pg_namespace as namespace on namespace.oid = index.relnamespace
where not indexed.indisvalid
  and index.relkind = 'i'
  and namespace.nspname not like 'pg\_%'
  and not exists (
      select from pg_catalog.pg_stat_progress_create_index as built
      where built.index_relid = indexed.indexrelid
  )
order by 2
