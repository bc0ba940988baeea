-- The sequences that give values to columns of the relation $1: those that a column owns (serial,
-- identity; that of a partition may be its root's) and those that its default asks.
with owned as (
    select a.attname, d.objid as sequence
    from pg_catalog.pg_attribute a
    join pg_catalog.pg_attribute same on same.attname = a.attname
        and same.attrelid in (a.attrelid, pg_catalog.pg_partition_root(a.attrelid))
    join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        and d.refclassid = d.classid and d.refobjid = same.attrelid
        and d.refobjsubid = same.attnum and d.deptype in ('a', 'i')
    where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped
),
asked as (
    select a.attname, d.refobjid as sequence
    from pg_catalog.pg_attribute a
    join pg_catalog.pg_attrdef e on e.adrelid = a.attrelid and e.adnum = a.attnum
    join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
        and d.objid = e.oid and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
)
select
    used.attname::text as column,
    pg_catalog.format('%I.%I', n.nspname, c.relname) as sequence,
    s.seqincrement > 0 as ascending,
    s.seqmin::int8 as minimum,
    s.seqmax::int8 as maximum,
    pg_catalog.has_sequence_privilege(c.oid, 'SELECT')
        and pg_catalog.has_sequence_privilege(c.oid, 'UPDATE')
        and pg_catalog.has_schema_privilege(n.oid, 'USAGE')
        and pg_catalog.has_column_privilege($1::oid, used.attname::text, 'SELECT') as permitted
from (table owned union table asked) used
join pg_catalog.pg_class c on c.oid = used.sequence and c.relkind = 'S'
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_sequence s on s.seqrelid = c.oid
order by 2, 1
