-- The constraints of a relation as SQL, but for those that only come from a parent that it inherits
-- from; a partition has its own, under names of their own. That of one column being NOT NULL is one
-- only since PostgreSQL 18; `column` names it there. A foreign key to a partitioned table has copies
-- for the partitions of that, which do not count.
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
join pg_catalog.pg_class r on r.oid = c.conrelid
left join pg_catalog.pg_constraint p on p.oid = c.conparentid
left join pg_catalog.pg_attribute a
    on a.attrelid = c.conrelid and a.attnum = c.conkey[1] and c.contype = 'n'
where c.conrelid = :relation and c.contype in ('p', 'u', 'x', 'c', 'f', 'n')
  and p.conrelid is distinct from c.conrelid and (c.conislocal or r.relispartition)
order by pg_catalog.array_position(array['n', 'p', 'u', 'x', 'c', 'f']::"char"[], c.contype), c.conname
