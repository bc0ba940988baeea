-- The constraints of a relation but for those that only come from a parent, as SQL. That of one
-- column being NOT NULL is one only since PostgreSQL 18; `column` names it there.
select
    pg_catalog.quote_ident(c.conname) as name,
    c.conname::text as bare_name,
    c.contype::text as kind,
    pg_catalog.pg_get_constraintdef(c.oid) as definition,
    c.convalidated as valid,
    case when c.contype = 'n' then a.attname::text end as column,
    c.connoinherit as no_inherit,
    pg_catalog.obj_description(c.oid, 'pg_constraint') as comment
from pg_catalog.pg_constraint c
left join pg_catalog.pg_attribute a
    on a.attrelid = c.conrelid and a.attnum = c.conkey[1] and c.contype = 'n'
where c.conrelid = :relation and c.contype in ('p', 'u', 'x', 'c', 'f', 'n')
  and c.conparentid = 0 and c.conislocal
order by pg_catalog.array_position(array['n', 'p', 'u', 'x', 'c', 'f']::"char"[], c.contype), c.conname
