-- The types that a value of the columns of a relation is made of, as far as JSON has objects and lists
-- for them; `column` names the columns themselves.
with recursive found (type_id) as (
    select a.atttypid from pg_catalog.pg_attribute a
    where a.attrelid = :relation and a.attnum > 0 and not a.attisdropped
    union
    select next.type_id
    from found
    join pg_catalog.pg_type t on t.oid = found.type_id
    cross join lateral (
        select t.typbasetype where t.typtype = 'd'
        union all
        select t.typelem where t.typcategory = 'A' and t.typelem <> 0
        union all
        select a.atttypid from pg_catalog.pg_attribute a
        where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
    ) next (type_id)
)
select
    'column' as kind, a.attname::text as name, a.atttypid as type_id,
    null::pg_catalog.oid as inner_id, '{}'::text[] as fields, '{}'::pg_catalog.oid[] as field_ids
from pg_catalog.pg_attribute a
where a.attrelid = :relation and a.attnum > 0 and not a.attisdropped
union all
select
    case
        when t.typtype = 'd' then 'domain'
        when t.typtype = 'c' then 'composite'
        when t.typcategory = 'A' then 'array'
        when t.typname in ('json', 'jsonb') then 'json'
        else 'hstore'
    end,
    pg_catalog.format_type(t.oid, null),
    t.oid,
    case when t.typtype = 'd' then t.typbasetype else t.typelem end,
    array(
        select a.attname::text from pg_catalog.pg_attribute a
        where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped order by a.attnum
    ),
    array(
        select a.atttypid from pg_catalog.pg_attribute a
        where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped order by a.attnum
    )
from found
join pg_catalog.pg_type t on t.oid = found.type_id
where t.typtype in ('d', 'c') or t.typcategory = 'A' or t.typname in ('json', 'jsonb', 'hstore')
