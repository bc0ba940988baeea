-- Primary keys of one smallint or integer column that no sequence feeds and that refer to no other
-- table: what they have come to, only the largest of them tells. The largest tables come first. A
-- table is `locked` with any of its partitions. Names are quoted as SQL needs them.
with locked as materialized (
    select l.relation
    from pg_catalog.pg_locks l
    where l.locktype = 'relation' and l.mode = 'AccessExclusiveLock'
        and l.pid is distinct from pg_catalog.pg_backend_pid()
    union
    select a.relid
    from pg_catalog.pg_locks l
    cross join lateral pg_catalog.pg_partition_ancestors(l.relation) a
    where l.locktype = 'relation' and l.mode = 'AccessExclusiveLock'
        and l.pid is distinct from pg_catalog.pg_backend_pid()
        and l.database = (
            select b.oid from pg_catalog.pg_database b
            where b.datname = pg_catalog.current_database()
        )
),
fed as materialized (
    select d.refobjid as relation, d.refobjsubid as attribute
    from pg_catalog.pg_depend d
    join pg_catalog.pg_class s on s.oid = d.objid and s.relkind = 'S'
    where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        and d.refclassid = d.classid and d.deptype in ('a', 'i')
    union all
    select e.adrelid, e.adnum::int4
    from pg_catalog.pg_depend d
    join pg_catalog.pg_attrdef e on e.oid = d.objid
    join pg_catalog.pg_class s on s.oid = d.refobjid and s.relkind = 'S'
    where d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
        and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    union all
    select f.conrelid, pair.attribute::int4
    from pg_catalog.pg_constraint f
    cross join lateral unnest(f.conkey) as pair (attribute)
    where f.contype = 'f'
)
select
    pg_catalog.quote_ident(n.nspname) as schema,
    pg_catalog.format('%I.%I', n.nspname, c.relname) as table,
    pg_catalog.quote_ident(a.attname) as column,
    pg_catalog.format_type(a.atttypid, null) as type,
    case when a.atttypid = 'pg_catalog.int2'::pg_catalog.regtype
        then 32767 else 2147483647 end as bound,
    c.relkind = 'p' as partitioned,
    pg_catalog.has_schema_privilege(n.oid, 'USAGE') as reachable,
    pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT') as permitted,
    -- A policy may hide the largest key.
    pg_catalog.row_security_active(c.oid) as filtered,
    c.oid in (select locked.relation from locked) as locked
from pg_catalog.pg_constraint k
join pg_catalog.pg_class c on c.oid = k.conrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = k.conkey[1]
where k.contype = 'p'
    and pg_catalog.cardinality(k.conkey) = 1
    and a.atttypid in ('pg_catalog.int2'::pg_catalog.regtype, 'pg_catalog.int4'::pg_catalog.regtype)
    and a.attidentity = ''
    and not c.relispartition
    and c.relpersistence <> 't'
    and not (c.relpersistence = 'u' and pg_catalog.pg_is_in_recovery())
    and n.nspname not like 'pg\_%'
    and (c.oid, a.attnum::int4) not in (select fed.relation, fed.attribute from fed)
order by c.reltuples desc, 2
limit 50
