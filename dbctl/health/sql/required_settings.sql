-- The settings of the server whose names are the lines of :names; null where there is none of that
-- name, or where this role may not see it: a few are hidden without pg_read_all_settings.
select
    n.name,
    s.setting,
    s.unit,
    s.vartype,
    s.context,
    pg_catalog.current_setting(s.name) as shown,
    pg_catalog.current_database() as database,
    pg_catalog.pg_has_role('pg_read_all_settings', 'USAGE') as sees_all,
    pg_catalog.current_setting('neon.timeline_id', true) is not null as neon
from pg_catalog.string_to_table(:names, e'\n') n (name)
-- The names of some have capitals, of which a Turkish database would make other letters.
left join pg_catalog.pg_settings s on pg_catalog.lower(s.name collate pg_catalog."C") = n.name
