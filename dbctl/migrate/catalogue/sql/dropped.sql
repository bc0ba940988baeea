-- What goes with what is dropped, and the tables that are locked for it.
-- Source: findDependentObjects() in src/backend/catalog/dependency.c, and the functions it calls.
with recursive asked as (
    select * from rows from (
        pg_catalog.unnest(:numbers::int4[]), pg_catalog.unnest(:kinds::text[]),
        pg_catalog.unnest(:drop_oids::oid[]), pg_catalog.unnest(:drop_schemas::text[]),
        pg_catalog.unnest(:drop_names::text[]), pg_catalog.unnest(:drop_parts::text[]),
        pg_catalog.unnest(:cascades::bool[])
    ) a (number, kind, oid, schema, name, part, cascades)
),
place as (
    select p.schema, p.place
    from unnest(array['pg_catalog'] || :path::text[]) with ordinality p (schema, place)
),
roots as (
    select a.number, a.cascades, r.classid, r.objid, r.objsubid
    from asked a
    cross join lateral (
        select 'pg_catalog.pg_class'::pg_catalog.regclass::oid, a.oid, 0 where a.kind = 'relation'
        union all
        select 'pg_catalog.pg_class'::pg_catalog.regclass::oid, a.oid, t.attnum::int4
        from pg_catalog.pg_attribute t
        where a.kind = 'column' and t.attrelid = a.oid and t.attname::text = a.part
        union all
        select 'pg_catalog.pg_constraint'::pg_catalog.regclass::oid, k.oid, 0
        from pg_catalog.pg_constraint k
        where a.kind = 'constraint' and k.conrelid = a.oid and k.conname::text = a.part
        union all
        select 'pg_catalog.pg_trigger'::pg_catalog.regclass::oid, g.oid, 0
        from pg_catalog.pg_trigger g
        where a.kind = 'trigger' and g.tgrelid = a.oid and g.tgname::text = a.part
        union all
        select 'pg_catalog.pg_rewrite'::pg_catalog.regclass::oid, r.oid, 0
        from pg_catalog.pg_rewrite r
        where a.kind = 'rule' and r.ev_class = a.oid and r.rulename::text = a.part
        union all
        select 'pg_catalog.pg_policy'::pg_catalog.regclass::oid, p.oid, 0
        from pg_catalog.pg_policy p
        where a.kind = 'policy' and p.polrelid = a.oid and p.polname::text = a.part
        union all
        select 'pg_catalog.pg_namespace'::pg_catalog.regclass::oid, n.oid, 0
        from pg_catalog.pg_namespace n where a.kind = 'schema' and n.nspname::text = a.name
        union all
        select 'pg_catalog.pg_extension'::pg_catalog.regclass::oid, e.oid, 0
        from pg_catalog.pg_extension e where a.kind = 'extension' and e.extname::text = a.name
        union all
        select d.classid, d.objid, d.objsubid
        from pg_catalog.pg_shdepend d
        join pg_catalog.pg_roles o on o.oid = d.refobjid
        join pg_catalog.pg_database b on b.oid = d.dbid
        where a.kind = 'role' and o.rolname::text = a.name and d.deptype = 'o'
          and d.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass
          and b.datname = pg_catalog.current_database()
        union all
        (
            select named.classid, named.oid, 0
            from (
                select
                    'pg_catalog.pg_type'::pg_catalog.regclass::oid as classid,
                    t.oid,
                    t.typnamespace as namespace
                from pg_catalog.pg_type t where a.kind = 'type' and t.typname::text = a.name
                union all
                select 'pg_catalog.pg_proc'::pg_catalog.regclass::oid, f.oid, f.pronamespace
                from pg_catalog.pg_proc f where a.kind = 'function' and f.proname::text = a.name
                union all
                select 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass::oid, s.oid, s.stxnamespace
                from pg_catalog.pg_statistic_ext s
                where a.kind = 'statistics' and s.stxname::text = a.name
            ) named
            join pg_catalog.pg_namespace n on n.oid = named.namespace
            left join place on place.schema = n.nspname::text
            where n.nspname::text = a.schema or (a.schema is null and place.place is not null)
        )
    ) r (classid, objid, objsubid)
),
doomed as (
    select number, cascades, classid, objid, objsubid, true as is_root from roots
    union
    select d.number, d.cascades, n.classid, n.objid, n.objsubid, false
    from doomed d
    cross join lateral (
        select p.classid, p.objid, p.objsubid
        from pg_catalog.pg_depend p
        where p.refclassid = d.classid and p.refobjid = d.objid
          and (d.objsubid = 0 or p.refobjsubid = d.objsubid)
          and (d.cascades or p.deptype <> 'n')
        union all
        -- What is a part of something else goes with the whole of it.
        select p.refclassid, p.refobjid, p.refobjsubid
        from pg_catalog.pg_depend p
        where not d.is_root and p.classid = d.classid and p.objid = d.objid
          and p.objsubid = d.objsubid and p.deptype = 'i'
    ) n (classid, objid, objsubid)
),
gone as (
    select distinct number, classid, objid, objsubid, is_root from doomed
)
select g.number, l.table_oid::int8 as table_oid, l.what, l.part, g.is_root
from gone g
cross join lateral (
    select null::oid, 'found', null::text where g.is_root
    union all
    select c.oid, 'relation', null
    from pg_catalog.pg_class c
    where g.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and c.oid = g.objid
      and g.objsubid = 0 and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    union all
    select a.attrelid, 'column', a.attname::text
    from pg_catalog.pg_attribute a
    where g.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and a.attrelid = g.objid
      and a.attnum = g.objsubid and g.objsubid > 0
    union all
    select i.indrelid, 'index', c.relname::text
    from pg_catalog.pg_index i
    join pg_catalog.pg_class c on c.oid = i.indexrelid
    where g.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and i.indexrelid = g.objid
    union all
    select k.conrelid, 'constraint', k.conname::text
    from pg_catalog.pg_constraint k
    where g.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass and k.oid = g.objid
      and k.conrelid <> 0
    union all
    select t.tgrelid, case when t.tgisinternal then 'foreign key' else 'trigger' end,
        coalesce(k.conname, t.tgname)::text
    from pg_catalog.pg_trigger t
    left join pg_catalog.pg_constraint k on k.oid = t.tgconstraint
    where g.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass and t.oid = g.objid
    union all
    select r.ev_class, 'rule', r.rulename::text
    from pg_catalog.pg_rewrite r
    where g.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and r.oid = g.objid
    union all
    select d.adrelid, 'default', a.attname::text
    from pg_catalog.pg_attrdef d
    join pg_catalog.pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
    where g.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass and d.oid = g.objid
    union all
    select p.polrelid, 'policy', p.polname::text
    from pg_catalog.pg_policy p
    where g.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass and p.oid = g.objid
    union all
    select s.stxrelid, 'statistics', s.stxname::text
    from pg_catalog.pg_statistic_ext s
    where g.classid = 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass and s.oid = g.objid
) l (table_oid, what, part)
