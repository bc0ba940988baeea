-- The extended statistics of a relation as SQL. That their target is the ordinary one is -1 until
-- PostgreSQL 16, and null since.
select
    pg_catalog.format('%I.%I', n.nspname, s.stxname) as name,
    pg_catalog.pg_get_statisticsobjdef(s.oid) || ';' as definition,
    case when s.stxstattarget >= 0 then pg_catalog.format(
        'ALTER STATISTICS %I.%I SET STATISTICS %s;', n.nspname, s.stxname, s.stxstattarget
    ) end as target_definition,
    pg_catalog.obj_description(s.oid, 'pg_statistic_ext') as comment
from pg_catalog.pg_statistic_ext s
join pg_catalog.pg_namespace n on n.oid = s.stxnamespace
where s.stxrelid = :relation
order by n.nspname, s.stxname
