insert into pg_temp.dbctl_doomed (rel, part, tid, own)
select cast(:rel as bigint)::oid, cast(u.part as oid), cast(u.tid as tid), true
from unnest(cast(:parts as text[]), cast(:tids as text[])) as u (part, tid)
