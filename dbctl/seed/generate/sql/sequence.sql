-- Its place is read from the sequence itself, as its role may.
select s.seqincrement as increment, s.seqmin as low, s.seqmax as high
from pg_catalog.pg_sequence s
where s.seqrelid = cast(:sequence as pg_catalog.regclass)
