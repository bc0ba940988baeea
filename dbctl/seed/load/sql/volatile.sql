-- Whether a function of one of these names, in whatever schema, may return another value each time.
select exists (
    select from pg_catalog.pg_proc p where p.proname = any (:names) and p.provolatile = 'v'
)
