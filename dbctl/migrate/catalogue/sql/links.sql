-- Which relation stands for which: a child for its parent, a view for what its query reads.
select 'child' as kind, h.inhrelid::int8 as from_oid, h.inhparent::int8 as to_oid
from pg_catalog.pg_inherits h
union
select
    case when r.ev_type = '1' then 'view' else 'rule' end,
    r.ev_class::int8,
    d.refobjid::int8
from pg_catalog.pg_rewrite r
join pg_catalog.pg_depend d
    on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and d.objid = r.oid
where d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
  and d.refobjid <> r.ev_class and r.ev_class >= 16384
