-- The indexes of a relation as SQL. `backs` tells that a constraint makes it: only what was set for
-- it afterwards counts then. Of two that are alike the first one becomes a part of the parent's.
select
    pg_catalog.format('%I.%I', n.nspname, c.relname) as name,
    pg_catalog.quote_ident(c.relname) as bare_name,
    pg_catalog.pg_get_indexdef(i.indexrelid) as definition,
    exists (
        select from pg_catalog.pg_constraint k
        where k.conindid = i.indexrelid and k.conrelid = i.indrelid and k.contype in ('p', 'u', 'x')
    ) as backs,
    coalesce(c.reloptions, '{}') as options,
    i.indisclustered as clustered,
    i.indisreplident as identifies,
    i.indisvalid as valid,
    array(
        select a.attnum::int from pg_catalog.pg_attribute a
        where a.attrelid = c.oid and a.attstattarget >= 0 order by 1
    ) as statistics_columns,
    array(
        select a.attstattarget::int from pg_catalog.pg_attribute a
        where a.attrelid = c.oid and a.attstattarget >= 0 order by a.attnum
    ) as statistics_targets,
    pg_catalog.obj_description(i.indexrelid, 'pg_class') as comment
from pg_catalog.pg_index i
join pg_catalog.pg_class c on c.oid = i.indexrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
-- One that is dropped meanwhile has none.
where i.indrelid = :relation and pg_catalog.pg_get_indexdef(i.indexrelid) is not null
order by c.relispartition desc, c.relname
