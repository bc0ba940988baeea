-- What a relation needs to be there before it: the schema, and types, functions, relations and other
-- objects that it or its parts depend on, but for what is its own or the system's. For an enum and
-- a domain also the SQL that makes it. `by_keys` is what only its foreign keys need, `relation` the
-- oid of a relation.
with parts (classid, objid, is_key) as (
    select 'pg_catalog.pg_class'::pg_catalog.regclass, cast(:relation as oid), false
    union
    select 'pg_catalog.pg_attrdef'::pg_catalog.regclass, d.oid, false
    from pg_catalog.pg_attrdef d where d.adrelid = :relation
    union
    select 'pg_catalog.pg_constraint'::pg_catalog.regclass, c.oid, c.contype = 'f'
    from pg_catalog.pg_constraint c
    left join pg_catalog.pg_constraint p on p.oid = c.conparentid
    -- A foreign key to a partitioned table has copies for its partitions.
    where c.conrelid = :relation and p.conrelid is distinct from c.conrelid
    union
    select 'pg_catalog.pg_trigger'::pg_catalog.regclass, t.oid, false
    from pg_catalog.pg_trigger t where t.tgrelid = :relation and not t.tgisinternal
    union
    select 'pg_catalog.pg_rewrite'::pg_catalog.regclass, r.oid, false
    from pg_catalog.pg_rewrite r where r.ev_class = :relation
    union
    select 'pg_catalog.pg_policy'::pg_catalog.regclass, p.oid, false
    from pg_catalog.pg_policy p where p.polrelid = :relation
    union
    select 'pg_catalog.pg_class'::pg_catalog.regclass, i.indexrelid, false
    from pg_catalog.pg_index i where i.indrelid = :relation
),
needed as (
    -- An array comes with what it is of.
    select
        d.refclassid,
        coalesce(nullif(a.typelem, 0), d.refobjid) as refobjid,
        pg_catalog.bool_and(parts.is_key) as by_keys
    from parts
    join pg_catalog.pg_depend d on d.classid = parts.classid and d.objid = parts.objid
    left join pg_catalog.pg_type a
        on d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass and a.oid = d.refobjid
        and a.typcategory = 'A'
    where d.deptype in ('n', 'a')
      and not (
          d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
          and d.refobjid = pg_catalog.to_regnamespace('public')
      )
      and not exists (
          select from parts own where own.classid = d.refclassid and own.objid = d.refobjid
      )
      -- A sequence that a column owns is made with the relation.
      and not (
          d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and exists (
              select from pg_catalog.pg_depend o
              where o.classid = d.refclassid and o.objid = d.refobjid and o.deptype in ('a', 'i')
                and o.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
                and o.refobjid = :relation
          )
      )
    group by 1, 2
)
select
    i.type,
    i.identity,
    needed.by_keys,
    case when needed.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
        then needed.refobjid end as relation,
    case t.typtype
        when 'e' then pg_catalog.format(
            'CREATE TYPE %s AS ENUM (%s);', i.identity, (
                select pg_catalog.string_agg(
                    pg_catalog.quote_literal(l.enumlabel), ', ' order by l.enumsortorder
                ) from pg_catalog.pg_enum l where l.enumtypid = t.oid
            )
        )
        when 'd' then pg_catalog.format(
            'CREATE DOMAIN %s AS %s%s%s%s;', i.identity,
            pg_catalog.format_type(t.typbasetype, t.typtypmod),
            ' DEFAULT ' || t.typdefault,
            case when t.typnotnull then ' NOT NULL' end, (
                select pg_catalog.string_agg(
                    pg_catalog.format(
                        ' CONSTRAINT %I %s', k.conname, pg_catalog.pg_get_constraintdef(k.oid)
                    ), '' order by k.conname
                ) from pg_catalog.pg_constraint k where k.contypid = t.oid and k.contype = 'c'
            )
        )
    end as definition
from needed
cross join lateral pg_catalog.pg_identify_object(needed.refclassid, needed.refobjid, 0) i
left join pg_catalog.pg_type t
    on needed.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass and t.oid = needed.refobjid
-- An index comes with its table.
where i.type <> 'index'
order by i.type = 'schema' desc, i.type, i.identity
