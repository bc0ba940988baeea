-- Make the schema of Alembic's table the one that a table is created in, for this transaction.
select pg_catalog.set_config('search_path', pg_catalog.quote_ident(n.nspname), true)
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.oid = pg_catalog.to_regclass('alembic_version')
