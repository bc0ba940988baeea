-- The foreign keys that point to these tables; those of partitions are their parents'.
select
    f.confrelid::int8 as target,
    f.conrelid::int8 as oid,
    pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) as sql,
    pg_catalog.quote_ident(tn.nspname) || '.' || pg_catalog.quote_ident(t.relname) as target_sql,
    f.confdeltype::text as action,
    (
        select pg_catalog.array_agg(a.attname::text order by k.n)
        from unnest(f.conkey) with ordinality as k (num, n)
        join pg_catalog.pg_attribute a on a.attrelid = f.conrelid and a.attnum = k.num
    ) as columns,
    (
        select pg_catalog.array_agg(a.attname::text order by k.n)
        from unnest(f.confkey) with ordinality as k (num, n)
        join pg_catalog.pg_attribute a on a.attrelid = f.confrelid and a.attnum = k.num
    ) as target_columns,
    (
        select pg_catalog.string_agg(
            pg_catalog.format(
                'p.%I operator(%I.%s) c.%I', pa.attname, qn.nspname, q.oprname, ca.attname
            ),
            ' and '
        )
        from rows from (
            pg_catalog.unnest(f.conkey), pg_catalog.unnest(f.confkey), pg_catalog.unnest(f.conpfeqop)
        ) as k (child, parent, operator)
        join pg_catalog.pg_operator q on q.oid = k.operator
        join pg_catalog.pg_namespace qn on qn.oid = q.oprnamespace
        join pg_catalog.pg_attribute ca on ca.attrelid = f.conrelid and ca.attnum = k.child
        join pg_catalog.pg_attribute pa on pa.attrelid = f.confrelid and pa.attnum = k.parent
    ) as matches
from pg_catalog.pg_constraint f
join pg_catalog.pg_class c on c.oid = f.conrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_class t on t.oid = f.confrelid
join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
where f.contype = 'f' and f.conparentid = 0 and f.confrelid = any (cast(:targets as bigint[])::oid[])
order by f.conrelid, f.conname
