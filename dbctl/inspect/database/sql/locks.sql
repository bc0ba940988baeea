-- The locks in this database, and those that are shared, but for our own and for what every
-- transaction has: its own ids, and weak locks on indexes and the system's tables that are granted.
-- A predicate lock (SIReadLock) keeps nobody waiting and is none of them. A transaction's id belongs to
-- no database: what waits for one is where its session is.
-- `strength` is that of the mode, from 1 for ACCESS SHARE to 8 for ACCESS EXCLUSIVE.
select
    l.locktype as kind,
    case l.locktype
        when 'advisory' then case l.objsubid
            when 1 then 'advisory ' || ((l.classid::int8 << 32) | l.objid::int8)
            else pg_catalog.format('advisory %s, %s', l.classid::int8, l.objid::int8)
        end
        when 'transactionid' then 'transaction ' || l.transactionid::text
        when 'virtualxid' then 'transaction ' || l.virtualxid
        else case
            when c.oid is null then coalesce(
                -- Of a class that it does not know, such as a replication origin, it would fail.
                case when l.locktype = 'object' and l.classid = any (array[
                    'pg_catalog.pg_authid', 'pg_catalog.pg_database', 'pg_catalog.pg_extension',
                    'pg_catalog.pg_namespace', 'pg_catalog.pg_proc', 'pg_catalog.pg_publication',
                    'pg_catalog.pg_subscription', 'pg_catalog.pg_tablespace', 'pg_catalog.pg_type'
                ]::pg_catalog.regclass[]::oid[])
                    then pg_catalog.pg_describe_object(l.classid, l.objid, l.objsubid) end,
                pg_catalog.concat_ws(' ', l.locktype, l.relation, l.objid)
            )
            when l.locktype = 'tuple' then pg_catalog.format(
                '%I.%I row (%s,%s)', n.nspname, c.relname, l.page, l.tuple)
            when l.locktype = 'page' then pg_catalog.format(
                '%I.%I page %s', n.nspname, c.relname, l.page)
            else pg_catalog.format('%I.%I', n.nspname, c.relname)
        end
    end as target,
    l.mode,
    s.strength,
    l.granted,
    l.pid,
    x.gid as prepared,
    'ROLLBACK PREPARED ' || pg_catalog.quote_literal(x.gid) || ';' as remedy,
    coalesce(a.usename, x.owner)::text as "user",
    nullif(a.application_name, '') as application,
    case when not l.granted
        then extract(epoch from pg_catalog.clock_timestamp() - l.waitstart)::float8
    end as waiting_seconds,
    extract(epoch from pg_catalog.clock_timestamp() - coalesce(a.xact_start, x.prepared))::float8
        as transaction_seconds,
    case when l.granted then cast('{}' as int4[]) else pg_catalog.pg_blocking_pids(l.pid) end as blocked_by,
    case when a.backend_type is null then null else nullif(a.query, '') end as query
from pg_catalog.pg_locks l
join pg_catalog.pg_database d on d.datname = pg_catalog.current_database()
cross join lateral (
    select pg_catalog.array_position(array[
        'AccessShareLock', 'RowShareLock', 'RowExclusiveLock', 'ShareUpdateExclusiveLock',
        'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'
    ], l.mode) as strength
) s
left join pg_catalog.pg_class c on c.oid = l.relation and l.database <> 0
left join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join pg_catalog.pg_stat_activity a on a.pid = l.pid
-- A prepared transaction has no process: the lock on its own id tells which it is.
left join pg_catalog.pg_locks own
    on l.pid is null and own.pid is null and own.locktype = 'transactionid'
    and own.virtualtransaction = l.virtualtransaction
left join pg_catalog.pg_prepared_xacts x on x.transaction = own.transactionid
where l.mode <> 'SIReadLock'
  and l.pid is distinct from pg_catalog.pg_backend_pid()
  and a.leader_pid is distinct from pg_catalog.pg_backend_pid()
  and coalesce(l.database, a.datid, d.oid) in (0, d.oid)
  and (
      not l.granted
      or (
          l.locktype not in ('transactionid', 'virtualxid')
          and not (
              s.strength <= 3
              and (c.relkind in ('i', 'I') or n.nspname like 'pg\_%' or l.database = 0)
          )
      )
  )
