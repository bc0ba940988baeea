-- The triggers of a relation that somebody made; a partition's copy is its table's.
select
    t.tgname::text as name,
    pg_catalog.quote_ident(t.tgname) as quoted,
    pg_catalog.pg_get_triggerdef(t.oid, :pretty) as definition,
    pg_catalog.format('%I.%I', n.nspname, p.proname) as function,
    case t.tgenabled when 'O' then 'origin' when 'A' then 'always' when 'R' then 'replica'
        else 'no' end as enabled,
    t.tgparentid operator(pg_catalog.<>) 0 as inherited,
    coalesce(t.tgenabled <> above.tgenabled, false) as unlike_parent,
    pg_catalog.obj_description(t.oid, 'pg_trigger') as comment
from pg_catalog.pg_trigger t
join pg_catalog.pg_proc p on p.oid = t.tgfoid
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
left join pg_catalog.pg_trigger above on above.oid = t.tgparentid
where t.tgrelid = :relation and not t.tgisinternal
order by t.tgname
