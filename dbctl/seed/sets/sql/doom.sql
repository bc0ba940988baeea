insert into pg_temp.dbctl_doomed (rel, part, tid, own)
select cast(:rel as bigint)::oid, cast(u.part as oid), cast(u.tid as tid), true
from rows from (
    pg_catalog.unnest(cast(:parts as text[])), pg_catalog.unnest(cast(:tids as text[]))
) as u (part, tid)
