-- The tables that a relation is a partition or a child of, and what these are of: the nearest first.
with recursive line as (
    select cast(:relation as pg_catalog.oid) as oid, 0 as distance
    union
    select i.inhparent, line.distance + 1 from line
    join pg_catalog.pg_inherits i on i.inhrelid = line.oid
)
select n.nspname::text as schema, c.relname::text as name
from line
join pg_catalog.pg_class c on c.oid = line.oid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where line.distance > 0
order by line.distance, n.nspname, c.relname
