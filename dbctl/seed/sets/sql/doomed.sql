-- The rows that a reset deletes: those of the set, and those of others that go along with them.
create temporary table dbctl_doomed (
    rel oid not null,
    part oid not null,
    tid tid not null,
    own boolean not null
) on commit drop
