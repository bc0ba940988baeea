-- The functions that a text may call: by the names in it, each with a qualifier or null, and
-- whether it stands behind a dot, where only a function of one value is called; through operators,
-- also those that the planner puts in their place; as parts of an aggregate. With them those that
-- need no word: casts, how values of a type are compared, how ranges are measured, where values of
-- the `types` occur. What they do themselves is in definitions.
--
-- An operator for types of which no value is there is not the one that is meant, where another of
-- its name takes untyped literals: of two, those of text, else those of the type at the other side.
with recursive wanted as (
    select
        w.name::pg_catalog.name as name, w.qualifier::pg_catalog.name as qualifier, w.is_attribute
    from rows from (
        pg_catalog.unnest(:names::pg_catalog.text[]),
        pg_catalog.unnest(:qualifiers::pg_catalog.text[]),
        pg_catalog.unnest(:attributes::pg_catalog.text[]::pg_catalog.bool[])
    ) w (name, qualifier, is_attribute)
),
present as (
    select t.oid, t.typtype, t.typarray
    from pg_catalog.pg_type t where t.oid = any (:types::pg_catalog.oid[])
),
-- Every type of a value that there may be; of an array it is that of its elements.
occurs as (
    select present.oid from present
    union
    select present.typarray from present
),
-- A domain takes the literals that its base type does.
absent as materialized (
    select t.oid from pg_catalog.pg_type t
    where t.oid >= 16384 and t.typtype <> 'd' and not exists (
        select from occurs where occurs.oid = t.oid
    )
),
meant as (
    select o.oid from pg_catalog.pg_operator o
    where o.oprname::pg_catalog.text = any (:operators::pg_catalog.text[])
    union
    select other from meant
    join pg_catalog.pg_operator o on o.oid = meant.oid
    cross join pg_catalog.unnest(array[o.oprcom, o.oprnegate]) other
    where other <> 0
),
operator as materialized (
    select
        o.oprname, o.oprkind, o.oprleft, o.oprright, o.oprcode,
        l.oid is not null as lacks_left, r.oid is not null as lacks_right
    from meant
    join pg_catalog.pg_operator o on o.oid = meant.oid
    left join absent l on l.oid = o.oprleft
    left join absent r on r.oid = o.oprright
    where o.oid >= 16384
),
called as (
    select p.oid from pg_catalog.pg_proc p
    join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    join wanted w on w.name = p.proname and (w.qualifier is null or w.qualifier = n.nspname)
    where not w.is_attribute
        or p.provariadic <> 0 or 1 between p.pronargs - p.pronargdefaults and p.pronargs
    union
    select o.oprcode from operator o
    where not exists (
        select from pg_catalog.pg_operator own
        where own.oid < 16384 and own.oprname = o.oprname and own.oprkind = o.oprkind and case
            when o.lacks_left
                then o.lacks_right or own.oprleft = o.oprright and own.oprright = o.oprright
            when o.lacks_right
                then o.oprleft = 0 or own.oprleft = o.oprleft and own.oprright = o.oprleft
        end
    )
    union
    select c.castfunc from pg_catalog.pg_cast c
    where c.oid >= 16384 and c.castfunc <> 0 and (
        (c.castsource < 16384 and (
            c.casttarget < 16384 or c.casttarget in (select occurs.oid from occurs)
        ))
        or c.castsource in (select occurs.oid from occurs)
    )
    union
    select member.code from pg_catalog.pg_opfamily f
    cross join lateral (
        select a.amproclefttype, a.amprocrighttype, a.amproc::pg_catalog.oid
        from pg_catalog.pg_amproc a where a.oid >= 16384 and a.amprocfamily = f.oid
        union all
        select a.amoplefttype, a.amoprighttype, o.oprcode
        from pg_catalog.pg_amop a join pg_catalog.pg_operator o on o.oid = a.amopopr
        where a.oid >= 16384 and a.amopfamily = f.oid
    ) member (lefttype, righttype, code)
    where member.lefttype < 16384 and member.righttype < 16384
        or member.lefttype in (select occurs.oid from occurs)
        or member.righttype in (select occurs.oid from occurs)
    union
    select measure from pg_catalog.pg_range r
    cross join pg_catalog.unnest(array[r.rngcanonical, r.rngsubdiff]::pg_catalog.oid[]) measure
    where r.rngtypid in (select occurs.oid from occurs) and measure >= 16384
),
-- PostgreSQL's own functions, by their code.
twin as (
    select
        p.prosrc as code,
        pg_catalog.array_agg(
            distinct p.proname::pg_catalog.text || ' ' || p.provolatile::pg_catalog.text
        ) as names
    from pg_catalog.pg_proc p
    join pg_catalog.pg_language l on l.oid = p.prolang and l.lanname = 'internal'
    where p.oid < 16384
    group by p.prosrc
),
parts as (
    select oid::pg_catalog.oid as oid from called
    union
    select part from called
    join pg_catalog.pg_aggregate a on a.aggfnoid = called.oid
    left join pg_catalog.pg_operator o on o.oid = a.aggsortop
    cross join pg_catalog.unnest(array[
        a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn,
        a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn, o.oprcode
    ]::pg_catalog.oid[]) part
)
select
    p.oid::pg_catalog.int8 as oid,
    n.nspname::pg_catalog.text as schema,
    p.proname::pg_catalog.text as name,
    p.oid < 16384 as is_builtin,
    p.provolatile::pg_catalog.text as volatility,
    p.prokind = 'a' as is_aggregate,
    -- Its argument has a type that no value in SQL has: only TABLESAMPLE calls it.
    p.prorettype = 'pg_catalog.tsm_handler'::pg_catalog.regtype as is_sampling,
    l.lanname::pg_catalog.text as language,
    e.extname::pg_catalog.text as extension,
    coalesce(twin.names, '{}') as twins,
    array(
        select t from pg_catalog.unnest(
            p.proargtypes::pg_catalog.oid[] || p.proallargtypes || p.prorettype
        ) t where t >= 16384
    ) as types,
    coalesce(pg_catalog.array_to_string(p.proconfig, E'\n'), '') as settings,
    -- Apart: a quote or comment that one leaves open would hide the next.
    pg_catalog.array_remove(
        array[
            p.prosrc,
            pg_catalog.pg_get_function_sqlbody(p.oid),
            pg_catalog.pg_get_expr(p.proargdefaults, 0)
        ], null
    ) as definitions
from parts
join pg_catalog.pg_proc p on p.oid = parts.oid
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
join pg_catalog.pg_language l on l.oid = p.prolang
left join pg_catalog.pg_depend d
    on d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = p.oid
    and d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass and d.deptype = 'e'
left join pg_catalog.pg_extension e on e.oid = d.refobjid
left join twin on twin.code = p.prosrc and p.oid >= 16384 and l.lanname = 'internal'
order by 2, 3, 1
