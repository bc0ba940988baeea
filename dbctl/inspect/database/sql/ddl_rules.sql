-- The rules of a relation as SQL, but for the one that makes it a view.
select
    pg_catalog.quote_ident(r.rulename) as quoted,
    pg_catalog.pg_get_ruledef(r.oid) as definition,
    case r.ev_enabled when 'O' then 'origin' when 'A' then 'always' when 'R' then 'replica'
        else 'no' end as enabled,
    false as unlike_parent,
    pg_catalog.obj_description(r.oid, 'pg_rewrite') as comment
from pg_catalog.pg_rewrite r
where r.ev_class = :relation and r.rulename <> '_RETURN'
order by r.rulename
