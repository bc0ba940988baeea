-- The functions that a text may call: by the names in it, each with a qualifier or null; through
-- operators and what belongs to them; as parts of an aggregate. Where :ambient, also those that
-- need no word, but for those of extensions: casts, and how values of a type are compared. What they
-- do themselves is in definition.
with wanted as (
    select w.name::pg_catalog.name as name, w.qualifier::pg_catalog.name as qualifier
    from rows from (
        pg_catalog.unnest(:names::pg_catalog.text[]),
        pg_catalog.unnest(:qualifiers::pg_catalog.text[])
    ) w (name, qualifier)
),
called as (
    select p.oid from pg_catalog.pg_proc p
    join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    join wanted w on w.name = p.proname and (w.qualifier is null or w.qualifier = n.nspname)
    union
    select o.oprcode from pg_catalog.pg_operator o
    where o.oid >= 16384 and o.oprname::pg_catalog.text = any (:operators::pg_catalog.text[])
),
silent as (
    select c.castfunc::pg_catalog.oid as oid from pg_catalog.pg_cast c where c.oid >= 16384
    union
    select a.amproc from pg_catalog.pg_amproc a where a.oid >= 16384
),
parts as (
    select oid::pg_catalog.oid as oid from called
    union
    select oid from silent where :ambient::pg_catalog.bool and not exists (
        select from pg_catalog.pg_depend d
        where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = silent.oid
          and d.deptype = 'e'
    )
    union
    select part from called
    join pg_catalog.pg_aggregate a on a.aggfnoid = called.oid
    cross join pg_catalog.unnest(array[
        a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn,
        a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn
    ]::pg_catalog.oid[]) part
)
select
    p.oid::pg_catalog.int8 as oid,
    n.nspname::pg_catalog.text as schema,
    p.proname::pg_catalog.text as name,
    p.oid < 16384 as is_builtin,
    p.provolatile::pg_catalog.text as volatility,
    p.prokind = 'a' as is_aggregate,
    l.lanname::pg_catalog.text as language,
    (
        select e.extname::pg_catalog.text from pg_catalog.pg_depend d
        join pg_catalog.pg_extension e on e.oid = d.refobjid
        where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = p.oid
          and d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass and d.deptype = 'e'
    ) as extension,
    pg_catalog.concat_ws(
        E'\n;\n',
        p.prosrc,
        pg_catalog.pg_get_function_sqlbody(p.oid),
        pg_catalog.pg_get_expr(p.proargdefaults, 0)
    ) as definition
from parts
join pg_catalog.pg_proc p on p.oid = parts.oid
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
join pg_catalog.pg_language l on l.oid = p.prolang
order by 2, 3, 1
