-- The columns of a relation, and what their types come down to: `base` is the type below every
-- domain, `leaf` the one below the first array too. `comparable` tells whether `base` has an `=`
-- that means equality: some types have none (json, xml, point), box compares areas.
with recursive chain as (
    select
        a.attnum, a.atttypid as type_id, false as in_array, 0 as depth
    from pg_catalog.pg_attribute a
    where a.attrelid = :relation and a.attnum > 0 and not a.attisdropped
    union all
    select
        chain.attnum,
        case when t.typtype = 'd' then t.typbasetype else e.oid end,
        chain.in_array or t.typtype <> 'd',
        chain.depth + 1
    from chain
    join pg_catalog.pg_type t on t.oid = chain.type_id
    left join pg_catalog.pg_type e on e.typarray = t.oid and e.oid = t.typelem
    where t.typtype = 'd' or (e.oid is not null and not chain.in_array)
),
base as (
    select distinct on (attnum) attnum, type_id
    from chain where not in_array order by attnum, depth desc
),
leaf as (
    select distinct on (attnum) attnum, type_id, in_array
    from chain order by attnum, depth desc
)
select
    a.attname::text as name,
    pg_catalog.format_type(a.atttypid, a.atttypmod) as type,
    bn.nspname::text as base_schema,
    bt.typname::text as base_name,
    case when ln.nspname = 'pg_catalog' then lt.typname::text else '' end as leaf,
    leaf.in_array as is_array,
    lt.typtype in ('e', 'r', 'm') or exists (
        select from pg_catalog.pg_opclass o
        join pg_catalog.pg_am m on m.oid = o.opcmethod
        where m.amname in ('btree', 'hash') and o.opcdefault and (
            o.opcintype = lt.oid or exists (
                select from pg_catalog.pg_cast k
                where k.castsource = lt.oid and k.casttarget = o.opcintype
                  and k.castmethod = 'b' and k.castcontext = 'i'
            )
        )
    ) as comparable,
    array(
        select l.enumlabel::text from pg_catalog.pg_enum l
        where l.enumtypid = lt.oid order by l.enumsortorder
    ) as labels,
    not a.attnotnull as nullable,
    pg_catalog.pg_get_expr(d.adbin, d.adrelid) as expression,
    case a.attidentity when 'a' then 'always' when 'd' then 'by default' end as identity,
    case a.attgenerated when 's' then 'stored' when 'v' then 'virtual' end as generated,
    pg_catalog.col_description(a.attrelid, a.attnum) as comment,
    pg_catalog.array_position(p.conkey, a.attnum) as key_position
from pg_catalog.pg_attribute a
join base on base.attnum = a.attnum
join pg_catalog.pg_type bt on bt.oid = base.type_id
join pg_catalog.pg_namespace bn on bn.oid = bt.typnamespace
join leaf on leaf.attnum = a.attnum
join pg_catalog.pg_type lt on lt.oid = leaf.type_id
join pg_catalog.pg_namespace ln on ln.oid = lt.typnamespace
left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
left join pg_catalog.pg_constraint p on p.conrelid = a.attrelid and p.contype = 'p'
where a.attrelid = :relation and a.attnum > 0 and not a.attisdropped
order by a.attnum
