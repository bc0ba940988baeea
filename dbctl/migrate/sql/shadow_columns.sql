-- The columns of tables and of the temporary tables of the same names: the type as DDL, the
-- collation where it is not that of the type, and where values come from that no INSERT gives.
select
    pair.oid,
    a.attrelid operator(pg_catalog.<>) pair.oid as modelled,
    a.attname::text as name,
    pg_catalog.format_type(a.atttypid, a.atttypmod) as type,
    case
        when a.attcollation operator(pg_catalog.<>) t.typcollation
            then pg_catalog.quote_ident(l.nspname) || '.' || pg_catalog.quote_ident(c.collname)
    end as collation,
    case
        when a.attcollation operator(pg_catalog.<>) t.typcollation then c.collname::text
    end as collation_name,
    a.attgenerated::text as generated,
    a.attidentity::text as identity,
    pg_catalog.pg_get_expr(d.adbin, d.adrelid) as expression,
    case
        when a.attidentity operator(pg_catalog.<>) ''
            then pg_catalog.format(
                'START %s INCREMENT %s MINVALUE %s MAXVALUE %s CACHE %s%s',
                s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache,
                case when s.seqcycle then ' CYCLE' end
            )
    end as sequence
from pg_catalog.unnest(cast(:oids as oid[])) as pair (oid)
join pg_catalog.pg_class real on real.oid operator(pg_catalog.=) pair.oid
left join
    pg_catalog.pg_class copy
    on copy.relname operator(pg_catalog.=) real.relname
    and copy.relnamespace operator(pg_catalog.=) pg_catalog.pg_my_temp_schema()
join
    pg_catalog.pg_attribute a
    on a.attrelid operator(pg_catalog.=) real.oid or a.attrelid operator(pg_catalog.=) copy.oid
join pg_catalog.pg_type t on t.oid operator(pg_catalog.=) a.atttypid
left join pg_catalog.pg_collation c on c.oid operator(pg_catalog.=) a.attcollation
left join pg_catalog.pg_namespace l on l.oid operator(pg_catalog.=) c.collnamespace
left join
    pg_catalog.pg_attrdef d
    on d.adrelid operator(pg_catalog.=) a.attrelid and d.adnum operator(pg_catalog.=) a.attnum
left join
    pg_catalog.pg_depend p
    on a.attidentity operator(pg_catalog.<>) ''
    and p.classid operator(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::oid
    and p.refclassid operator(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::oid
    and p.refobjid operator(pg_catalog.=) a.attrelid
    and p.refobjsubid operator(pg_catalog.=) a.attnum::integer
    and p.deptype operator(pg_catalog.=) 'i'
left join pg_catalog.pg_sequence s on s.seqrelid operator(pg_catalog.=) p.objid
where a.attnum operator(pg_catalog.>) 0::int2 and not a.attisdropped
