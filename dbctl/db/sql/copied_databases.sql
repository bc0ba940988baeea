-- The databases of an embedded server that dbctl made, with what their comment says of them.
select d.datname as database,
       pg_catalog.shobj_description(d.oid, 'pg_database') as comment,
       pg_catalog.pg_database_size(d.oid) as size_bytes,
       (select count(*)
        from pg_catalog.pg_stat_activity a
        where a.datid operator(pg_catalog.=) d.oid
            and a.backend_type operator(pg_catalog.=) 'client backend') as sessions
from pg_catalog.pg_database d
where not d.datistemplate
order by d.oid
