-- How much of its range each sequence has given out, in percent, per column that takes its values:
-- of its own range, or of what the column's type holds where that is less. `domain` is the SQL of one
-- like the column's over bigint, `wide_type` its name, both null where the type is not a domain. Columns that refer to
-- such a one have to hold the same values. `last` is null for a sequence that was never asked.
-- Cycling ones never end, and temporary ones end with their session.
with locked as materialized (
    -- Asking would wait behind whoever alters, truncates or drops it.
    select l.relation
    from pg_catalog.pg_locks l
    where l.locktype = 'relation'
        and l.mode in ('ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
        and l.pid is distinct from pg_catalog.pg_backend_pid()
),
sequences as materialized (
    select
        c.oid,
        pg_catalog.format('%I.%I', n.nspname, c.relname) as name,
        s.seqincrement > 0 as ascending,
        s.seqmin as minimum,
        s.seqmax as maximum,
        pg_catalog.format_type(s.seqtypid, null) as type,
        c.relpersistence = 'u' and pg_catalog.pg_is_in_recovery() as absent,
        pg_catalog.has_sequence_privilege(c.oid, 'USAGE, SELECT') as permitted,
        c.oid in (select locked.relation from locked) as locked
    from pg_catalog.pg_sequence s
    join pg_catalog.pg_class c on c.oid = s.seqrelid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where not s.seqcycle and c.relpersistence <> 't' and n.nspname not like 'pg\_%'
),
-- Owned ones (serial, identity), and those that a default asks.
fed as materialized (
    select d.refobjid as relation, d.refobjsubid as attribute, d.objid as sequence
    from pg_catalog.pg_depend d
    where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        and d.refclassid = d.classid and d.deptype in ('a', 'i') and d.refobjsubid > 0
        and d.objid in (select s.oid from sequences s)
    union
    select e.adrelid, e.adnum::int4, d.refobjid
    from pg_catalog.pg_depend d
    join pg_catalog.pg_attrdef e on e.oid = d.objid
    where d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
        and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
        and d.refobjid in (select s.oid from sequences s)
),
keys as materialized (
    select k.conrelid as relation, pair.own as attribute, k.confrelid as other, pair.other as key
    from pg_catalog.pg_constraint k
    cross join lateral rows from (pg_catalog.unnest(k.conkey), pg_catalog.unnest(k.confkey)) as pair (own, other)
    where k.contype = 'f'
),
holding as materialized (
    select f.sequence, f.relation, f.attribute, false as refers from fed f
    union
    select f.sequence, keys.relation, keys.attribute, true
    from fed f
    join keys on keys.other = f.relation and keys.key = f.attribute
),
columns as materialized (
    select
        h.sequence,
        pg_catalog.format('%I.%I', n.nspname, c.relname) as table,
        pg_catalog.quote_ident(a.attname) as column,
        h.refers,
        (pt.partrelid is not null) as partitioning,
        {shown_type a.atttypid, null} as type,
        pg_catalog.format_type(base.type_id, null) as base_type,
        case when t.typtype = 'd'
            then pg_catalog.format('%I.%I', tn.nspname, t.typname || '_bigint')
        end as wide_type,
        pg_catalog.concat(
            ' DEFAULT ' || t.typdefault, base.not_null, ' ' || base.checks
        ) as wide_definition,
        case base.type_id
            when 'pg_catalog.int2'::pg_catalog.regtype then 32767::int8
            when 'pg_catalog.int4'::pg_catalog.regtype then 2147483647::int8
            else 9223372036854775807
        end as most
    from holding h
    join pg_catalog.pg_attribute a on a.attrelid = h.relation and a.attnum = h.attribute
    join pg_catalog.pg_type t on t.oid = a.atttypid
    join pg_catalog.pg_namespace tn on tn.oid = t.typnamespace
    -- The type below every domain, and what they ask together.
    cross join lateral (
        with recursive chain (type_id, below, not_null) as (
            select t.oid, t.typbasetype, t.typnotnull
            union all
            select b.oid, b.typbasetype, b.typnotnull
            from chain
            join pg_catalog.pg_type b on b.oid = chain.below
        )
        select
            min(chain.type_id::int8) filter (where chain.below = 0)::pg_catalog.oid as type_id,
            case when bool_or(chain.not_null) then ' NOT NULL' end as not_null,
            (
                select pg_catalog.string_agg(
                    pg_catalog.pg_get_constraintdef(k.oid), ' ' order by k.conname
                )
                from pg_catalog.pg_constraint k
                where k.contype = 'c' and k.contypid in (select d.type_id from chain d)
            ) as checks
        from chain
    ) base
    join pg_catalog.pg_class c on c.oid = a.attrelid and not c.relispartition
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    left join pg_catalog.pg_partitioned_table pt
        on pt.partrelid = c.oid and a.attnum = any(pt.partattrs)
    where not a.attisdropped
),
ranges as (
    select
        s.*,
        o.table,
        o.column,
        coalesce(o.refers, false) as refers,
        coalesce(o.type, s.type) as column_type,
        coalesce(o.base_type, s.type) as base_type,
        o.wide_type,
        case when o.wide_type is not null and pg_catalog.to_regtype(o.wide_type) is null
            then pg_catalog.format(
                'CREATE DOMAIN %s AS bigint%s;', o.wide_type, o.wide_definition
            )
        end as domain,
        coalesce(o.partitioning, false) as partitioning,
        -- The column's type ends before the sequence does; it holds one more below zero than above.
        coalesce(
            case when s.ascending then o.most < s.maximum else -o.most - 1 > s.minimum end, false
        ) as narrow,
        case when s.ascending then greatest(least(s.maximum, o.most), s.minimum)
            else least(greatest(s.minimum, -o.most - 1), s.maximum)
        end as bound,
        case when s.permitted and not s.locked and not s.absent
            then pg_catalog.pg_sequence_last_value(s.oid)
        end as last
    from sequences s
    left join columns o on o.sequence = s.oid
)
select
    r.name as sequence,
    r.type as sequence_type,
    r.ascending,
    r.table,
    r.column,
    r.column_type as type,
    r.base_type,
    r.wide_type,
    r.domain,
    r.partitioning,
    r.narrow,
    r.permitted,
    r.locked,
    r.last,
    r.bound,
    case
        when r.last is null then 0
        when r.ascending
            then 100 * (r.last::numeric - r.minimum + 1) / (r.bound::numeric - r.minimum + 1)
        else 100 * (r.maximum::numeric - r.last + 1) / (r.maximum::numeric - r.bound + 1)
    end::float8 as percent
from ranges r
where r.narrow or not r.refers
order by percent desc, r.name, r.refers, r.table, r.column
