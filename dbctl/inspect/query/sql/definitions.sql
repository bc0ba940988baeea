-- What runs when something with one of these names is read or planned, or one of these relations, or
-- the table of an index:
-- the query of a view, the policies of a table, and of all its partitions and children, too, the
-- expressions that the planner simplifies: constraints, indexes, extended statistics, what
-- partitions by, virtual columns. Of a foreign table, what stands in its options or with its owner.
-- Those of the names `alone` are read without children. PostgreSQL's own are left out.
--
-- With them, the types that values may have: those of these names, of the columns, of `types`, and
-- what these are made of or become without a cast being written; of the domains, the checks.
-- With `everything`, those of all types, and the expressions of all relations.
with recursive named as (
    select c.oid, c.reltype from pg_catalog.pg_class c
    where c.oid >= 16384 and (
        c.relname = any (:names::pg_catalog.text[]::pg_catalog.name[])
        or c.oid = any (:relations::pg_catalog.oid[])
        or c.oid in (
            select i.indrelid from pg_catalog.pg_index i
            join pg_catalog.pg_class own on own.oid = i.indexrelid
            where own.relname = any (:names::pg_catalog.text[]::pg_catalog.name[])
        )
    )
),
descended (oid, has_children) as (
    select
        c.oid,
        c.relname <> all (:alone::pg_catalog.text[]::pg_catalog.name[])
        or c.oid = any (:relations::pg_catalog.oid[])
    from named
    join pg_catalog.pg_class c on c.oid = named.oid
    union
    select i.inhrelid, true from descended
    join pg_catalog.pg_inherits i on i.inhparent = descended.oid and descended.has_children
),
planned as (
    select distinct descended.oid from descended
),
bounding as (
    select planned.oid from planned
    union
    select c.oid from pg_catalog.pg_class c where c.oid >= 16384 and :everything::pg_catalog.bool
    union
    select i.inhparent from bounding join pg_catalog.pg_inherits i on i.inhrelid = bounding.oid
),
reached as (
    select t.oid from pg_catalog.pg_type t
    where t.oid >= 16384 and (
        t.typname = any (:names::pg_catalog.text[]::pg_catalog.name[])
        or t.oid = any (:types::pg_catalog.oid[])
        or t.oid in (select named.reltype from named)
        or :everything::pg_catalog.bool
        or exists (
            select from pg_catalog.pg_cast c
            where c.casttarget = t.oid and c.castcontext = 'i' and c.castsource < 16384
        )
    )
    union
    select part.oid from reached
    join pg_catalog.pg_type t on t.oid = reached.oid
    cross join lateral (
        select t.typbasetype
        union all
        select t.typelem
        union all
        select a.atttypid from pg_catalog.pg_attribute a
        where t.typrelid <> 0 and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
        union all
        select pg_catalog.unnest(array[r.rngtypid, r.rngmultitypid, r.rngsubtype])
        from pg_catalog.pg_range r where t.oid in (r.rngtypid, r.rngmultitypid)
        union all
        select c.casttarget from pg_catalog.pg_cast c
        where c.castsource = t.oid and c.castcontext = 'i'
    ) part (oid)
    where part.oid >= 16384
),
labelled as (
    select
        c.oid,
        c.relkind,
        c.relowner,
        c.relname::pg_catalog.text as name,
        pg_catalog.format('%I.%I', n.nspname, c.relname) as label,
        c.oid in (select named.oid from named) as is_named,
        c.oid in (select planned.oid from planned) as is_planned,
        :everything::pg_catalog.bool or c.oid in (select planned.oid from planned) as is_simplified
    from bounding
    join pg_catalog.pg_class c on c.oid = bounding.oid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
)
select 'view' as kind, name, label, pg_catalog.pg_get_viewdef(oid) as definition
from labelled where relkind = 'v' and is_planned
union all
select 'policy of', name, label, pg_catalog.pg_get_expr(p.polqual, p.polrelid)
from labelled
join pg_catalog.pg_policy p on p.polrelid = labelled.oid and p.polqual is not null
where is_named
union all
select 'constraint of', name, label, pg_catalog.pg_get_constraintdef(k.oid)
from labelled join pg_catalog.pg_constraint k on k.conrelid = labelled.oid and k.contype = 'c'
where is_simplified
union all
select
    'index of',
    name,
    label,
    pg_catalog.concat_ws(
        ' ', pg_catalog.pg_get_expr(i.indexprs, i.indrelid), pg_catalog.pg_get_expr(i.indpred, i.indrelid)
    )
from labelled
join pg_catalog.pg_index i
    on i.indrelid = labelled.oid and (i.indexprs is not null or i.indpred is not null)
where is_simplified
union all
select 'extended statistics of', name, label, pg_catalog.pg_get_expr(s.stxexprs, s.stxrelid)
from labelled
join pg_catalog.pg_statistic_ext s on s.stxrelid = labelled.oid and s.stxexprs is not null
where is_simplified
union all
select 'partition key of', name, label, pg_catalog.pg_get_expr(p.partexprs, p.partrelid)
from labelled
join pg_catalog.pg_partitioned_table p
    on p.partrelid = labelled.oid and p.partexprs is not null
union all
select 'generated column of', name, label, pg_catalog.pg_get_expr(f.adbin, f.adrelid)
from labelled
join pg_catalog.pg_attribute a on a.attrelid = labelled.oid and a.attgenerated = 'v'
join pg_catalog.pg_attrdef f on f.adrelid = a.attrelid and f.adnum = a.attnum
where is_simplified
union all
select 'program', name, label, ''
from labelled
join pg_catalog.pg_foreign_table f on f.ftrelid = labelled.oid
cross join pg_catalog.pg_options_to_table(f.ftoptions) o
where is_planned and o.option_name = 'program'
union all
-- A foreign server lets a superuser in without a password: who made the table says as whom.
select 'borrowed', name, label, r.rolname::pg_catalog.text
from labelled
join pg_catalog.pg_foreign_table f on f.ftrelid = labelled.oid
join pg_catalog.pg_foreign_server s on s.oid = f.ftserver
join pg_catalog.pg_roles r on r.oid in (labelled.relowner, s.srvowner) and not r.rolsuper
join pg_catalog.pg_roles own on own.rolname = current_user and own.rolsuper
where is_planned
union all
select
    'domain',
    t.typname::pg_catalog.text,
    pg_catalog.format('%I.%I', n.nspname, t.typname),
    pg_catalog.pg_get_constraintdef(k.oid)
from reached
join pg_catalog.pg_type t on t.oid = reached.oid
join pg_catalog.pg_namespace n on n.oid = t.typnamespace
join pg_catalog.pg_constraint k on k.contypid = t.oid and k.contype = 'c'
union all
select 'type', t.typname::pg_catalog.text, '', t.oid::pg_catalog.text
from reached join pg_catalog.pg_type t on t.oid = reached.oid
order by 1, 3, 4
