-- About how many rows a table has, as the planner estimates it: by the rows to a page at the last
-- ANALYZE; -1 where there was none.
select
    n.nspname::text as schema,
    c.relname::text as name,
    case
        when pg_catalog.pg_relation_size(c.oid) = 0 then 0
        when c.reltuples > 0 and c.relpages > 0
            then (c.reltuples / c.relpages * pg_catalog.pg_relation_size(c.oid)
                  / pg_catalog.current_setting('block_size')::int4)::int8
        else -1
    end as rows
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.oid = :oid::oid
