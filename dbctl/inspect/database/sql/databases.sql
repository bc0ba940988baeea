-- The databases of the server; one that this role may not connect to has no size for it.
select
    d.datname::text as name,
    case
        when pg_catalog.has_database_privilege(d.oid, 'CONNECT')
            or pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE')
            then pg_catalog.pg_database_size(d.oid)
    end as bytes
from pg_catalog.pg_database d
where d.datallowconn and not d.datistemplate
order by 2 desc nulls last, 1
