-- The tables that have a column of domains with these names, or of a domain over one.
with recursive used as (
    select t.oid as domain, t.oid
    from pg_catalog.pg_type t where t.typtype = 'd' and t.typname::text = any (:type_names::text[])
    union
    select used.domain, t.oid
    from used join pg_catalog.pg_type t on t.typbasetype = used.oid
)
select distinct used.domain::int8 as type_oid, a.attrelid::int8 as table_oid
from used
join pg_catalog.pg_attribute a on a.atttypid = used.oid and a.attnum > 0 and not a.attisdropped
join pg_catalog.pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'm', 'p')
