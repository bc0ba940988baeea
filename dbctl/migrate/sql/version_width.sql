-- How many characters the version table of this name takes for the id of a revision; no row where it
-- is not there, null where there is no limit. A null schema means the search_path.
select
    case
        when a.atttypid operator(pg_catalog.=) any (
            '{varchar,bpchar}'::pg_catalog.regtype[]::pg_catalog.oid[]
        )
        and a.atttypmod operator(pg_catalog.>) 4
            then a.atttypmod operator(pg_catalog.-) 4
    end as width
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) c.relnamespace
join pg_catalog.pg_attribute a on a.attrelid operator(pg_catalog.=) c.oid
where
    case
        when cast(:version_schema as text) is null
            then n.nspname operator(pg_catalog.=) any ({session_schemas})
        else n.nspname operator(pg_catalog.=) cast(cast(:version_schema as text) as name)
    end
    and c.relname operator(pg_catalog.=) cast(cast(:version_table as text) as name)
    and a.attname operator(pg_catalog.=) 'version_num'
order by pg_catalog.array_position({session_schemas}, n.nspname)
limit 1
