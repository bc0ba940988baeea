-- The columns of a relation, and what their types come down to: `base` is the type below every
-- domain, `leaf` the one below the first array too. `comparable` tells whether `base` has an `=`
-- that means equality: some types have none (json, xml, point), box compares areas. Those by which
-- an index sorts `base` are in `operator_schema`: citext has its own. The first type
-- modifier from the top holds: a domain over varchar(5) takes five characters.
with recursive chain as (
    select
        a.attnum, a.atttypid as type_id, a.atttypmod as modifier, false as in_array, 0 as depth
    from pg_catalog.pg_attribute a
    where a.attrelid = :relation and a.attnum > 0 and not a.attisdropped
    union all
    select
        chain.attnum,
        case when t.typtype = 'd' then t.typbasetype else e.oid end,
        case when chain.modifier = -1 and t.typtype = 'd' then t.typtypmod else chain.modifier end,
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
    select distinct on (attnum) attnum, type_id, modifier, in_array
    from chain order by attnum, depth desc
)
select
    a.attname::text as name,
    {shown_type a.atttypid, a.atttypmod} as type,
    pg_catalog.format_type(a.atttypid, a.atttypmod) as sql_type,
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
    coalesce((
        select qn.nspname::text from pg_catalog.pg_opclass o
        join pg_catalog.pg_am m on m.oid = o.opcmethod and m.amname = 'btree'
        join pg_catalog.pg_amop x on x.amopfamily = o.opcfamily and x.amopstrategy = 3
            and x.amoplefttype = bt.oid and x.amoprighttype = bt.oid
        join pg_catalog.pg_operator q on q.oid = x.amopopr
        join pg_catalog.pg_namespace qn on qn.oid = q.oprnamespace
        where o.opcintype = bt.oid and o.opcdefault
    ), 'pg_catalog') as operator_schema,
    array(
        select l.enumlabel::text from pg_catalog.pg_enum l
        where l.enumtypid = lt.oid order by l.enumsortorder
    ) as labels,
    case
        when leaf.modifier < 0 then null
        when lt.typname in ('varchar', 'bpchar') then leaf.modifier - 4
        when lt.typname in ('bit', 'varbit') then leaf.modifier
    end as length,
    case when lt.typname = 'numeric' and leaf.modifier >= 4
        then ((leaf.modifier - 4) >> 16) & 65535 end as precision,
    case when lt.typname = 'numeric' and leaf.modifier >= 4
        then (((leaf.modifier - 4) & 2047) # 1024) - 1024 end as scale,
    (
        select s.typname::text from pg_catalog.pg_range r
        join pg_catalog.pg_type s on s.oid = r.rngsubtype
        where lt.oid in (r.rngtypid, r.rngmultitypid)
    ) as subtype,
    array(
        select pg_catalog.pg_get_constraintdef(k.oid, true) from chain
        join pg_catalog.pg_constraint k on k.contypid = chain.type_id and k.contype = 'c'
        where chain.attnum = a.attnum order by k.conname
    ) as domain_checks,
    not a.attnotnull and not exists (
        select from chain join pg_catalog.pg_type t on t.oid = chain.type_id
        where chain.attnum = a.attnum and not chain.in_array and t.typnotnull
    ) as nullable,
    pg_catalog.pg_get_expr(d.adbin, d.adrelid) as expression,
    case a.attidentity when 'a' then 'always' when 'd' then 'by default' end as identity,
    case a.attgenerated when 's' then 'stored' when 'v' then 'virtual' end as generated,
    case when c.relkind in ('r', 'p') then pg_catalog.pg_get_serial_sequence(
        pg_catalog.format('%I.%I', n.nspname, c.relname), a.attname
    ) end as sequence,
    pg_catalog.col_description(a.attrelid, a.attnum) as comment,
    pg_catalog.array_position(p.conkey, a.attnum) as key_position,
    a.attinhcount > 0 as inherited,
    coalesce(co.collisdeterministic, true) as deterministic
from pg_catalog.pg_attribute a
join pg_catalog.pg_class c on c.oid = a.attrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join base on base.attnum = a.attnum
join pg_catalog.pg_type bt on bt.oid = base.type_id
join pg_catalog.pg_namespace bn on bn.oid = bt.typnamespace
join leaf on leaf.attnum = a.attnum
join pg_catalog.pg_type lt on lt.oid = leaf.type_id
join pg_catalog.pg_namespace ln on ln.oid = lt.typnamespace
left join pg_catalog.pg_collation co on co.oid = a.attcollation
left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
left join pg_catalog.pg_constraint p on p.conrelid = a.attrelid and p.contype = 'p'
where a.attrelid = :relation and a.attnum > 0 and not a.attisdropped
order by a.attnum
