-- The newest row of each revision, in the order in which they were written.
select newest.revision, newest.direction, newest.sha256,
    newest.started_at, newest.role, newest.host, newest.actor
from (
    select distinct on (l.revision) l.*
    from dbctl_ledger l
    order by l.revision, l.id desc
) newest
order by newest.id
