-- Every relation that is not the system's, as of the last VACUUM or ANALYZE: nothing is locked.
select
    c.oid::int8 as oid,
    n.nspname::text as schema,
    c.relname::text as name,
    c.relkind::text as kind,
    c.relispartition as is_partition,
    c.relpersistence::text as persistence,
    coalesce(t.spcname, d.spcname)::text as tablespace,
    m.amname::text as method,
    i.indrelid::int8 as table_oid,
    p.partdefid::int8 as default_partition,
    c.reloftype::int8 as of_type
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_database b on b.datname = pg_catalog.current_database()
join pg_catalog.pg_tablespace d on d.oid = b.dattablespace
left join pg_catalog.pg_tablespace t on t.oid = c.reltablespace
left join pg_catalog.pg_am m on m.oid = c.relam
left join pg_catalog.pg_index i on i.indexrelid = c.oid
left join pg_catalog.pg_partitioned_table p on p.partrelid = c.oid
where c.relkind in ('r', 'p', 'v', 'm', 'f', 'i', 'I', 'S')
  and n.nspname not like 'pg\_%' and n.nspname <> 'information_schema'
