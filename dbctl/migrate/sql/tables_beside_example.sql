-- The tables and views that are neither the example's (the lines of :example, in the current schema)
-- nor dbctl's or Alembic's own (the lines of :own, in any), nor an extension's.
select pg_catalog.format('%I.%I', n.nspname, c.relname) as name
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) c.relnamespace
where c.relkind in ('r', 'p', 'f', 'm', 'v')
    and n.nspname operator(pg_catalog.<>) 'information_schema'
    and n.nspname operator(pg_catalog.!~~) 'pg\_%'
    and not c.relname operator(pg_catalog.=) any (
        pg_catalog.string_to_array(:own, e'\n')::pg_catalog.name[]
    )
    and not (
        n.nspname operator(pg_catalog.=) ({session_schemas})[1]
        and c.relname operator(pg_catalog.=) any (
            pg_catalog.string_to_array(:example, e'\n')::pg_catalog.name[]
        )
    )
    and not exists (
        select from pg_catalog.pg_depend d
        where d.classid operator(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
            and d.objid operator(pg_catalog.=) c.oid
            and d.deptype operator(pg_catalog.=) 'e'
    )
order by 1
