-- What makes each column of a relation, as SQL; what is the default of its type is null.
-- `is_local` is false for one that only comes from a parent.
select
    pg_catalog.quote_ident(a.attname) as name,
    a.attname::text as bare_name,
    pg_catalog.format_type(a.atttypid, a.atttypmod) as type,
    case when a.attcollation <> 0 and a.attcollation <> t.typcollation
        then pg_catalog.format('%I.%I', cn.nspname, co.collname) end as collation,
    pg_catalog.pg_get_expr(d.adbin, d.adrelid) as expression,
    a.attgenerated::text as generated,
    a.attidentity::text as identity,
    a.attnotnull as not_null,
    a.attislocal as is_local,
    case when a.attstorage <> t.typstorage then case a.attstorage
        when 'p' then 'PLAIN' when 'e' then 'EXTERNAL' when 'm' then 'MAIN' when 'x' then 'EXTENDED'
    end end as storage,
    case a.attcompression when 'p' then 'pglz' when 'l' then 'lz4' end as compression,
    nullif(a.attstattarget, -1) as statistics,
    coalesce(a.attoptions, '{}') as options,
    array(
        select pg_catalog.format('%I %L', o.option_name, o.option_value)
        from pg_catalog.pg_options_to_table(a.attfdwoptions) o
    ) as foreign_options,
    pg_catalog.col_description(a.attrelid, a.attnum) as comment
from pg_catalog.pg_attribute a
join pg_catalog.pg_type t on t.oid = a.atttypid
left join pg_catalog.pg_collation co on co.oid = a.attcollation
left join pg_catalog.pg_namespace cn on cn.oid = co.collnamespace
left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
where a.attrelid = :relation and a.attnum > 0 and not a.attisdropped
order by a.attnum
