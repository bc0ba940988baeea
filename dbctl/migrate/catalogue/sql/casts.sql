-- The casts between types that keep a value as it is stored.
select c.castsource::int8 as source, c.casttarget::int8 as target
from pg_catalog.pg_cast c
where c.castmethod = 'b'
