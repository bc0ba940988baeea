-- The rows of `{sql}`, not doomed themselves, that refer to a doomed row of `{target_sql}`.
select distinct cast({oid} as oid) as rel, c.tableoid as part, c.ctid as tid, false as own
from {sql} c
join {target_sql} p on {matches}
join pg_temp.dbctl_doomed d on d.rel = {target} and d.part = p.tableoid and d.tid = p.ctid
where not exists (
    select from pg_temp.dbctl_doomed e
    where e.rel = {oid} and e.part = c.tableoid and e.tid = c.ctid
)
