-- What else belongs to a relation as SQL: its rules, and its extended statistics.
select r.rulename::text as name, pg_catalog.pg_get_ruledef(r.oid) as definition,
    null as statistics_target,
    pg_catalog.format('RULE %I ON ', r.rulename) as subject,
    pg_catalog.obj_description(r.oid, 'pg_rewrite') as comment
from pg_catalog.pg_rewrite r
where r.ev_class = :relation and r.rulename <> '_RETURN'
union all
select s.stxname::text, pg_catalog.pg_get_statisticsobjdef(s.oid) || ';',
    nullif(s.stxstattarget, -1),
    pg_catalog.format('STATISTICS %I.%I', n.nspname, s.stxname),
    pg_catalog.obj_description(s.oid, 'pg_statistic_ext')
from pg_catalog.pg_statistic_ext s
join pg_catalog.pg_namespace n on n.oid = s.stxnamespace
where s.stxrelid = :relation
order by 1
