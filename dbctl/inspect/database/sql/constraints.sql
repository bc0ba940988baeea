-- The constraints of a relation but for foreign keys; NOT NULL shows at its column.
select
    c.conname::text as name,
    case c.contype
        when 'p' then 'primary key' when 'u' then 'unique' when 'c' then 'check'
        when 'x' then 'exclusion' when 't' then 'trigger'
    end as kind,
    pg_catalog.pg_get_constraintdef(c.oid, true) as definition,
    c.convalidated as valid
from pg_catalog.pg_constraint c
where c.conrelid = :relation and c.contype in ('p', 'u', 'c', 'x', 't')
order by pg_catalog.array_position(array['p', 'u', 'x', 'c', 't']::"char"[], c.contype), c.conname
