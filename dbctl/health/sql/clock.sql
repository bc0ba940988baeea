-- The server's clock in seconds since 1970, at this very moment.
select extract(epoch from pg_catalog.clock_timestamp())::float8 as epoch
