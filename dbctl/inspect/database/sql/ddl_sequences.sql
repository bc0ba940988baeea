-- The sequences that columns of a relation own: of serial columns, and of identity ones.
select
    pg_catalog.format('%I.%I', n.nspname, c.relname) as name,
    c.relname::text as bare_name,
    n.nspname::text as schema,
    a.attname::text as bare_column,
    pg_catalog.quote_ident(a.attname) as column,
    d.deptype = 'i' as is_identity,
    pg_catalog.format_type(s.seqtypid, null) as type,
    s.seqstart as start,
    s.seqincrement as increment,
    s.seqmin as minimum,
    s.seqmax as maximum,
    s.seqcache as cache,
    s.seqcycle as cycles,
    c.relpersistence = 'u' as is_unlogged,
    pg_catalog.obj_description(c.oid, 'pg_class') as comment
from pg_catalog.pg_depend d
join pg_catalog.pg_class c on c.oid = d.objid and c.relkind = 'S'
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_sequence s on s.seqrelid = c.oid
join pg_catalog.pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
  and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
  and d.refobjid = :relation and d.refobjsubid > 0 and d.deptype in ('a', 'i')
order by c.relname
