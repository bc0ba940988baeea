-- How far the index is that the session $1 builds: blocks while it reads, tuples while it sorts,
-- sessions while it waits for those that came before it.
select coalesce(index.relname, '') as index,
       built.phase,
       case when built.phase like 'waiting%' then built.lockers_done
            when built.tuples_total > 0 then built.tuples_done
            else built.blocks_done end as done,
       case when built.phase like 'waiting%' then built.lockers_total
            when built.tuples_total > 0 then built.tuples_total
            else built.blocks_total end as total,
       case when built.phase like 'waiting%' then 'sessions'
            when built.tuples_total > 0 then 'rows'
            else 'blocks' end as unit
from pg_catalog.pg_stat_progress_create_index as built
left join pg_catalog.pg_class as index on index.oid = built.index_relid
where built.pid = $1
