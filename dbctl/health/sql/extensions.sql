-- The extensions that are installed in this database; of those that could be, the lines of :names.
select
    coalesce(e.extname, a.name) as name,
    e.extversion as installed,
    a.default_version as available
from pg_catalog.pg_extension e
full join pg_catalog.pg_available_extensions() a on a.name = e.extname
where e.extname is not null or a.name in (select pg_catalog.string_to_table(:names, e'\n'))
order by 1
