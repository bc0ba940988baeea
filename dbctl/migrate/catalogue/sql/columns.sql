-- The columns of tables, with what depends on their type. The text of a CHECK is not asked for, which
-- would lock the table: its tree shows that it proves a column NOT NULL, and does so for sure.
select
    a.attrelid::int8 as table_oid,
    a.attname::text as name,
    a.atttypid::int8 as type_oid,
    a.atttypmod as typmod,
    l.collname::text as collation,
    a.attnotnull or exists (
        select from pg_catalog.pg_constraint k
        where k.conrelid = a.attrelid and k.contype = 'c' and k.convalidated
          and k.conbin::text !~ '.boolop (or|not) '
          and k.conbin::text ~ pg_catalog.format(
              '^[{](NULLTEST|BOOLEXPR .boolop and ).*.arg [{]VAR .varno 1 .varattno %s [^{}]*[}]'
              ' .nulltesttype 1 ', a.attnum
          )
    ) as is_not_null,
    a.attgenerated::text as generated,
    array(
        select x.relname::text
        from pg_catalog.pg_index i
        join pg_catalog.pg_class x on x.oid = i.indexrelid
        where i.indrelid = a.attrelid and a.attnum = any (i.indkey::int2[])
        order by x.relname
    ) as indexes,
    array(
        select x.relname::text
        from pg_catalog.pg_index i
        join pg_catalog.pg_class x on x.oid = i.indexrelid
        join pg_catalog.pg_depend d
            on d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = i.indexrelid
            and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
            and d.refobjid = a.attrelid and d.refobjsubid = a.attnum
        where i.indrelid = a.attrelid and (i.indexprs is not null or i.indpred is not null)
        order by x.relname
    ) as computed_indexes,
    array(
        select k.conname::text from pg_catalog.pg_constraint k
        where k.conrelid = a.attrelid and k.contype = 'c' and k.convalidated
          and a.attnum = any (k.conkey)
        order by k.conname
    ) as checks
from pg_catalog.pg_attribute a
left join pg_catalog.pg_collation l on l.oid = a.attcollation
where a.attrelid = any (:tables::oid[]) and a.attnum > 0 and not a.attisdropped
