-- The row-level security policies of a relation; no role means everybody.
select
    p.polname::text as name,
    pg_catalog.quote_ident(p.polname) as quoted,
    case p.polcmd when '*' then 'all' when 'r' then 'select' when 'a' then 'insert'
        when 'w' then 'update' when 'd' then 'delete' end as command,
    p.polpermissive as permissive,
    array(
        select r.rolname::text from pg_catalog.pg_roles r where r.oid = any (p.polroles)
        order by 1
    ) as roles,
    array(
        select pg_catalog.quote_ident(r.rolname) from pg_catalog.pg_roles r
        where r.oid = any (p.polroles) order by r.rolname
    ) as quoted_roles,
    pg_catalog.pg_get_expr(p.polqual, p.polrelid) as "using",
    pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) as "check",
    pg_catalog.obj_description(p.oid, 'pg_policy') as comment
from pg_catalog.pg_policy p
where p.polrelid = :relation
order by p.polname
