-- The statements of this database that take the most, by what is given. The columns for the time of
-- blocks have another name since 1.11 (PostgreSQL 17). {statements} is the view, with its schema.
-- Those of dbctl's own have :mark in them, and are only counted.
with summed as (
    select
        s.queryid, s.userid, s.calls, s.rows, s.query, s.total_exec_time, s.mean_exec_time,
        s.max_exec_time, s.stddev_exec_time, s.shared_blks_hit, s.shared_blks_read,
        s.temp_blks_read + s.temp_blks_written as temp_blocks,
        coalesce(pg_catalog.strpos(s.query, cast(:mark as text)) > 0, false) as is_own,
        coalesce(cast(j.s ->> 'shared_blk_read_time' as float8), cast(j.s ->> 'blk_read_time' as float8))
            + coalesce(
                cast(j.s ->> 'shared_blk_write_time' as float8),
                cast(j.s ->> 'blk_write_time' as float8)
            ) as io_time
    from {statements} s
    cross join lateral (select pg_catalog.to_jsonb(s) - 'query' as s) j
    join pg_catalog.pg_database d on d.oid = s.dbid and d.datname = pg_catalog.current_database()
),
known as (
    select s.* from summed s where not s.is_own
)
select
    k.queryid::text as query_id,
    r.rolname::text as "user",
    k.calls,
    k.rows,
    k.total_exec_time as total_ms,
    k.mean_exec_time as mean_ms,
    k.max_exec_time as max_ms,
    k.stddev_exec_time as stddev_ms,
    k.io_time as io_ms,
    k.total_exec_time / greatest(sum(k.total_exec_time) over (), 1e-9) as share,
    k.shared_blks_hit / nullif(k.shared_blks_hit + k.shared_blks_read, 0)::float8 as hit_ratio,
    k.shared_blks_read as blocks_read,
    k.temp_blocks,
    k.query,
    (count(*) over ())::int8 as statement_count,
    sum(k.total_exec_time) over () as all_ms,
    (select count(*) from summed s where s.is_own) as own_count
from known k
left join pg_catalog.pg_roles r on r.oid = k.userid
order by
    case cast(:sort as text)
        when 'total' then k.total_exec_time
        when 'mean' then k.mean_exec_time
        when 'calls' then k.calls
        when 'io' then k.io_time
    end desc,
    case when cast(:sort as text) = 'io' then k.shared_blks_read + k.temp_blocks end desc nulls last,
    k.total_exec_time desc,
    k.queryid
limit :limit
