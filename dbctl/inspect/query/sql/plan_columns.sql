-- The columns of the relations that a plan reads, or of all with a name where the schema is null.
-- Each comes also under the names of what its relation is a partition or a child of: what hides a
-- column of a table hides it in its partitions.
with recursive read as (
    select c.oid, n.nspname::pg_catalog.text as schema, c.relname::pg_catalog.text as name
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
    read.schema,
    read.name,
    a.attname::pg_catalog.text as column,
    pg_catalog.format_type(a.atttypid, null) as type,
    n.nspname::pg_catalog.text as ancestor_schema,
    c.relname::pg_catalog.text as ancestor
from read
join line on line.oid = read.oid
join pg_catalog.pg_class c on c.oid = line.ancestor
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_attribute a on a.attrelid = read.oid and a.attnum > 0 and not a.attisdropped
order by 1, 2, a.attnum, line.ancestor
