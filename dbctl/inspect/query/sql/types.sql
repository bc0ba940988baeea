-- Types by their oids, in that order: the name PostgreSQL shows, the one that SQL takes, and the
-- built-in type below every domain and the first array, empty for one that is not built in.
with recursive chain as (
    select o.at, o.oid as type_id, false as in_array, 0 as depth
    from pg_catalog.unnest(:oids::pg_catalog.oid[]) with ordinality o (oid, at)
    union all
    select
        chain.at,
        case when t.typtype = 'd' then t.typbasetype else e.oid end,
        chain.in_array or t.typtype <> 'd',
        chain.depth + 1
    from chain
    join pg_catalog.pg_type t on t.oid = chain.type_id
    left join pg_catalog.pg_type e on e.typarray = t.oid and e.oid = t.typelem
    where t.typtype = 'd' or (e.oid is not null and not chain.in_array)
),
leaf as (
    select distinct on (at) at, type_id, in_array from chain order by at, depth desc
)
select
    t.oid::pg_catalog.int8 as oid,
    {shown_type t.oid, null} as type,
    pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(t.typname) as sql,
    case when ln.nspname = 'pg_catalog' then lt.typname::pg_catalog.text else '' end as leaf,
    leaf.in_array as is_array,
    t.typtype = 'p' as is_pseudo
from chain
join leaf on leaf.at = chain.at
join pg_catalog.pg_type t on t.oid = chain.type_id
join pg_catalog.pg_namespace n on n.oid = t.typnamespace
join pg_catalog.pg_type lt on lt.oid = leaf.type_id
join pg_catalog.pg_namespace ln on ln.oid = lt.typnamespace
where chain.depth = 0
order by chain.at
