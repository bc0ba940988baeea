-- The schema for a table of dbctl's own: that of Alembic's table, else the one that a table is
-- created in; null where there is none.
select coalesce(
    (
        select n.nspname::text
        from pg_catalog.pg_class c
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where c.oid = pg_catalog.to_regclass('alembic_version')
    ),
    pg_catalog.current_schema()::text
)
