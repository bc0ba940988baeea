-- Whether a session of this role can write, and the server's version.
select
    current_user::text as role,
    pg_catalog.current_setting('server_version_num')::int as version,
    pg_catalog.pg_is_in_recovery() as standby,
    pg_catalog.current_setting('default_transaction_read_only')::bool as read_only
