-- Where and when something is read, and by whom.
select
    pg_catalog.current_database()::text as database,
    pg_catalog.quote_ident(current_user) as role,
    pg_catalog.statement_timestamp() as read_at
