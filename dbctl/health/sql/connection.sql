-- Where a connection leads: behind a pooler, the server's own answer.
select
    pg_catalog.current_database() as database,
    current_user::text as role,
    pg_catalog.pg_is_in_recovery() as in_recovery
