-- What else a table is made with, beside its temporary table where that has it from the models.
select
    real.oid,
    real.relpersistence operator(pg_catalog.=) 'u' as unlogged,
    pg_catalog.pg_get_partkeydef(real.oid) as partitioning,
    pg_catalog.pg_get_partkeydef(part.oid) as model_partitioning,
    array(
        select parameter from pg_catalog.unnest(real.reloptions) as parameter order by parameter
    ) as parameters,
    array(
        select parameter from pg_catalog.unnest(copy.reloptions) as parameter order by parameter
    ) as model_parameters,
    coalesce(s.spcname::text, '') as tablespace,
    m.amname::text as method,
    array(
        select p.relname::text
        from pg_catalog.pg_inherits i
        join pg_catalog.pg_class p on p.oid operator(pg_catalog.=) i.inhparent
        where i.inhrelid operator(pg_catalog.=) real.oid and not real.relispartition
        order by i.inhseqno
    ) as parents
from pg_catalog.unnest(cast(:oids as oid[])) as pair (oid)
join pg_catalog.pg_class real on real.oid operator(pg_catalog.=) pair.oid
left join
    pg_catalog.pg_class copy
    on copy.relname operator(pg_catalog.=) real.relname
    and copy.relnamespace operator(pg_catalog.=) pg_catalog.pg_my_temp_schema()
left join
    pg_catalog.pg_class part
    on part.relname operator(pg_catalog.=) ('dbctl_partitioned_' || real.oid::text)::name
    and part.relnamespace operator(pg_catalog.=) pg_catalog.pg_my_temp_schema()
left join pg_catalog.pg_tablespace s on s.oid operator(pg_catalog.=) real.reltablespace
left join pg_catalog.pg_am m on m.oid operator(pg_catalog.=) real.relam
