-- The columns of the relations that a plan reads, or of all with a name where the schema is null.
-- Each comes also under the names of what its relation is a partition or a child of: what hides a
-- column of a table hides it in its partitions. A generated column comes also with each that
-- it is made of, as its `origin`, and what makes it, `expression`. `kept` is the oid of a materialized view.
with recursive read as (
    select c.oid, c.relkind = 'm' as is_kept, n.nspname::pg_catalog.text as schema, c.relname::pg_catalog.text as name
    from rows from (
        pg_catalog.unnest(:schemas::pg_catalog.text[]), pg_catalog.unnest(:names::pg_catalog.text[])
    ) r (schema, name)
    join pg_catalog.pg_class c on c.relname = r.name
    join pg_catalog.pg_namespace n
        on n.oid = c.relnamespace and n.nspname = coalesce(r.schema, n.nspname)
),
line as (
    select read.oid, read.oid as ancestor from read
    union
    select line.oid, i.inhparent from line
    join pg_catalog.pg_inherits i on i.inhrelid = line.ancestor
)
select
    case when read.is_kept then read.oid end as kept,
    read.schema,
    read.name,
    a.attname::pg_catalog.text as column,
    origin.attname::pg_catalog.text as origin,
    {shown_type origin.atttypid, null} as type,
    origin.atttypid::pg_catalog.int8 as type_id,
    (
        select pg_catalog.pg_get_expr(f.adbin, f.adrelid) from pg_catalog.pg_attrdef f
        where a.attgenerated <> '' and f.adrelid = a.attrelid and f.adnum = a.attnum
    ) as expression,
    n.nspname::pg_catalog.text as ancestor_schema,
    c.relname::pg_catalog.text as ancestor
from read
join line on line.oid = read.oid
join pg_catalog.pg_class c on c.oid = line.ancestor
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_attribute a on a.attrelid = read.oid and a.attnum > 0 and not a.attisdropped
join pg_catalog.pg_attribute origin
    on origin.attrelid = a.attrelid and (
        origin.attnum = a.attnum
        or a.attgenerated <> '' and exists (
            -- Before PostgreSQL 15 the column depends on the others, since then its expression.
            select from pg_catalog.pg_depend d
            left join pg_catalog.pg_attrdef f
                on d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass and d.objid = f.oid
            where (
                (f.adrelid = a.attrelid and f.adnum = a.attnum)
                or (
                    d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                    and d.objid = a.attrelid and d.objsubid = a.attnum
                )
              )
              and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
              and d.refobjid = a.attrelid and d.refobjsubid = origin.attnum
        )
    )
order by 2, 3, a.attnum, line.ancestor
