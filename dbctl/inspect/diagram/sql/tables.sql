-- Every table with its columns, keys and foreign keys, as JSON in the columns' order. Partitions and
-- the tables of extensions are no part of the model; nor are keys that a partition has a copy of.
select
    n.nspname::text as schema,
    c.relname::text as name,
    (
        select pg_catalog.json_agg(
            pg_catalog.json_build_array(
                a.attname, {shown_type a.atttypid, a.atttypmod}, not a.attnotnull
            ) order by a.attnum
        )
        from pg_catalog.pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    )::text as columns,
    (
        select pg_catalog.json_agg(
            pg_catalog.json_build_array(i.indisprimary, (
                select pg_catalog.json_agg(a.attname order by k.at)
                from pg_catalog.unnest(i.indkey::int2[]) with ordinality k (attnum, at)
                join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum
                where k.at <= i.indnkeyatts
            )) order by i.indexrelid
        )
        from pg_catalog.pg_index i
        where i.indrelid = c.oid and i.indisunique and i.indisvalid
          and i.indpred is null and i.indexprs is null
    )::text as keys,
    (
        select pg_catalog.json_agg(
            pg_catalog.json_build_array(
                (
                    select pg_catalog.json_agg(a.attname order by k.at)
                    from pg_catalog.unnest(f.conkey) with ordinality k (attnum, at)
                    join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum
                ),
                tn.nspname,
                t.relname,
                (
                    select pg_catalog.json_agg(a.attname order by k.at)
                    from pg_catalog.unnest(f.confkey) with ordinality k (attnum, at)
                    join pg_catalog.pg_attribute a on a.attrelid = t.oid and a.attnum = k.attnum
                )
            ) order by f.oid
        )
        from pg_catalog.pg_constraint f
        join pg_catalog.pg_class t on t.oid = f.confrelid
        join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
        where f.conrelid = c.oid and f.contype = 'f' and f.conparentid = 0
    )::text as foreign_keys
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and not c.relispartition
  and n.nspname not like 'pg\_%' and n.nspname <> 'information_schema'
  and not exists (
      select from pg_catalog.pg_depend d
      where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        and d.objid = c.oid and d.deptype = 'e'
  )
order by n.nspname, c.relname
