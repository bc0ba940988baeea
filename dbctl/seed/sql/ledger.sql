-- What the last run of each kind and name wrote, so that the next one knows it again.
create table {table} (
    kind text not null,
    name text not null,
    state jsonb not null,
    -- Of the state as it is written here.
    sha256 text not null check (sha256 ~ '^[0-9a-f]{{64}}$'),
    first_run timestamptz not null default now(),
    last_run timestamptz not null default now(),
    role text not null default session_user,
    host text not null,
    -- Who ran it, in that person's own words.
    actor text,
    -- The version of dbctl.
    dbctl text not null,
    primary key (kind, name)
)
