-- One row at most: whether seeds may be written here. Of which database it is true is kept with it,
-- so that a copy elsewhere permits nothing.
create table {table} (
    only_one boolean primary key default true check (only_one),
    verdict text not null check (verdict in ('allowed', 'forbidden')),
    database_oid oid not null,
    database_name text not null,
    -- Null where the role that marked it could not read it.
    system_identifier bigint,
    marked_at timestamptz not null default now(),
    role text not null default session_user,
    host text not null,
    -- Who it was, in that person's own words.
    actor text,
    -- The version of dbctl.
    dbctl text not null
)
