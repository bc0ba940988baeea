-- Settings for one transaction, and whether it can make a temporary table. The models' expressions
-- mean what they do on the path of the session. With pg_temp at its end, the copies hide nothing:
-- neither the tables nor a built-in type of the same name.
select
    pg_catalog.set_config('lock_timeout', :lock_timeout, true) as lock_timeout,
    pg_catalog.set_config(
        'search_path',
        pg_catalog.concat_ws(
            ', ',
            nullif(
                coalesce(
                    pg_catalog.current_setting('dbctl.search_path', true),
                    pg_catalog.current_setting('search_path')
                ),
                ''
            ),
            'pg_temp'
        ),
        true
    ) as search_path,
    pg_catalog.pg_is_in_recovery() as standby,
    pg_catalog.current_setting('transaction_read_only')::bool as read_only,
    pg_catalog.has_database_privilege(pg_catalog.current_database(), 'TEMPORARY') as allowed,
    pg_catalog.current_database()::text as database,
    current_user::text as role
