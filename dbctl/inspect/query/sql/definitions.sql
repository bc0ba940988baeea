-- What runs when something with one of these names is read or planned: the query of a view, the
-- policies, constraints and index expressions of a table; where :ambient, the checks of all domains,
-- which a conversion may run without naming them. For a foreign table that reads what a program of
-- the server prints, only that it does. PostgreSQL's own are left out.
with wanted as (
    select
        c.oid,
        c.relkind,
        c.relname::pg_catalog.text as name,
        pg_catalog.format('%I.%I', n.nspname, c.relname) as label
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.oid >= 16384 and c.relname = any (:names::pg_catalog.text[]::pg_catalog.name[])
)
select 'view' as kind, name, label, pg_catalog.pg_get_viewdef(oid) as definition
from wanted where relkind = 'v'
union all
select 'policy of', name, label, pg_catalog.pg_get_expr(p.polqual, p.polrelid)
from wanted join pg_catalog.pg_policy p on p.polrelid = wanted.oid and p.polqual is not null
union all
select 'constraint of', name, label, pg_catalog.pg_get_constraintdef(k.oid)
from wanted join pg_catalog.pg_constraint k on k.conrelid = wanted.oid and k.contype = 'c'
union all
select
    'index of',
    name,
    label,
    pg_catalog.concat_ws(
        ' ', pg_catalog.pg_get_expr(i.indexprs, i.indrelid), pg_catalog.pg_get_expr(i.indpred, i.indrelid)
    )
from wanted
join pg_catalog.pg_index i
    on i.indrelid = wanted.oid and (i.indexprs is not null or i.indpred is not null)
union all
select 'program', name, label, ''
from wanted
join pg_catalog.pg_foreign_table f on f.ftrelid = wanted.oid
cross join pg_catalog.pg_options_to_table(f.ftoptions) o
where o.option_name = 'program'
union all
select
    'domain',
    t.typname::pg_catalog.text,
    pg_catalog.format('%I.%I', n.nspname, t.typname),
    pg_catalog.pg_get_constraintdef(k.oid)
from pg_catalog.pg_constraint k
join pg_catalog.pg_type t on t.oid = k.contypid
join pg_catalog.pg_namespace n on n.oid = t.typnamespace
where :ambient::pg_catalog.bool and t.oid >= 16384 and k.contype = 'c'
order by 1, 3, 4
