-- What a relation is, beside its columns, sizes and constraints. `parents` are its partitioned table
-- or the tables it inherits from, in their order.
select
    case c.relpersistence when 'u' then 'unlogged' when 't' then 'temporary' else 'permanent' end
        as persistence,
    coalesce(c.reloptions, '{}') as options,
    coalesce(t.reloptions, '{}') as toast_options,
    c.relkind::text as relkind,
    c.relispartition as is_partition,
    c.relispopulated as is_populated,
    case when c.relkind = 'p' then pg_catalog.pg_get_partkeydef(c.oid) end as partition_key,
    pg_catalog.pg_get_expr(c.relpartbound, c.oid) as bounds,
    (
        select pg_catalog.pg_get_partkeydef(i.inhparent) from pg_catalog.pg_inherits i
        where i.inhrelid = c.oid and c.relispartition
    ) as parent_key,
    array(
        select pg_catalog.format('%I.%I', pn.nspname, p.relname)
        from pg_catalog.pg_inherits i
        join pg_catalog.pg_class p on p.oid = i.inhparent
        join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace
        where i.inhrelid = c.oid order by i.inhseqno
    ) as parents,
    array(
        select i.inhparent from pg_catalog.pg_inherits i
        where i.inhrelid = c.oid order by i.inhseqno
    ) as parent_oids,
    pg_catalog.format('%I.%I', n.nspname, c.relname) as label,
    n.nspname::text as schema,
    c.relname::text as name,
    case when c.relrowsecurity then case when c.relforcerowsecurity then 'forced' else 'on' end end
        as row_security,
    c.relrowsecurity as has_row_security,
    c.relforcerowsecurity as forces_row_security,
    case when c.relkind in ('v', 'm') then pg_catalog.pg_get_viewdef(c.oid, true) end
        as view_definition,
    s.spcname::text as tablespace,
    am.amname::text as access_method,
    am.amname = pg_catalog.current_setting('default_table_access_method') as default_access_method,
    c.relreplident::text as replica_identity,
    case when c.reloftype operator(pg_catalog.<>) 0 then pg_catalog.format_type(c.reloftype, null) end as of_type,
    fs.srvname::text as foreign_server,
    array(
        select pg_catalog.format('%I %L', o.option_name, o.option_value)
        from pg_catalog.pg_options_to_table(f.ftoptions) o
    ) as foreign_options,
    pg_catalog.obj_description(c.oid, 'pg_class') as comment
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join pg_catalog.pg_class t on t.oid = c.reltoastrelid
left join pg_catalog.pg_tablespace s on s.oid = c.reltablespace
left join pg_catalog.pg_am am on am.oid = c.relam
left join pg_catalog.pg_foreign_table f on f.ftrelid = c.oid
left join pg_catalog.pg_foreign_server fs on fs.oid = f.ftserver
where c.oid = :relation
