-- The age of the oldest transaction id, and of the oldest multixact id, in each database, and when
-- vacuum begins to freeze for its own sake.
select
    d.datname::text as database,
    d.datname = pg_catalog.current_database() as here,
    pg_catalog.age(d.datfrozenxid)::int8 as xids,
    pg_catalog.mxid_age(d.datminmxid)::int8 as multixacts,
    pg_catalog.current_setting('autovacuum_freeze_max_age')::int8 as freeze_xids,
    pg_catalog.current_setting('autovacuum_multixact_freeze_max_age')::int8 as freeze_multixacts
from pg_catalog.pg_database d
order by greatest(pg_catalog.age(d.datfrozenxid), pg_catalog.mxid_age(d.datminmxid)) desc, 1
