-- The write-ahead log as it is on disk; asked only where pg_monitor, or a grant, allows it.
select coalesce(sum(f.size), 0)::bigint as bytes
from pg_catalog.pg_ls_waldir() f
