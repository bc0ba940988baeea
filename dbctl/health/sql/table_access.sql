-- What this role may do with the tables whose names are the lines of :names, each with its schema or
-- on the search path: a schema there that it may not use, PostgreSQL passes over.
select distinct on (wanted.name)
    pg_catalog.quote_ident(current_user) as role,
    pg_catalog.quote_ident(n.nspname) as schema,
    pg_catalog.format('%I.%I', n.nspname, c.relname) as table,
    pg_catalog.has_schema_privilege(n.oid, 'USAGE') as reachable,
    pg_catalog.has_table_privilege(c.oid, 'SELECT') as permitted
from pg_catalog.string_to_table(:names, e'\n') wanted (name)
cross join pg_catalog.pg_namespace n
left join pg_catalog.unnest(
    coalesce(
        nullif(pg_catalog.current_setting('dbctl.schemas', true), '')::name[],
        pg_catalog.current_schemas(false)
    )
) with ordinality p (name, position) on n.nspname = p.name
join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relkind in ('r', 'p', 'f', 'm', 'v')
    and wanted.name in (n.nspname || '.' || c.relname, case when p.name is not null then c.relname end)
order by wanted.name, p.position
