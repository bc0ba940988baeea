-- Append-only: the newest row of a revision tells whether it is applied, and from which file.
create table if not exists dbctl_ledger (
    id bigint generated always as identity primary key,
    revision text not null,
    direction text not null check (direction in ('up', 'down', 'stamp', 'repair')),
    -- Of the revision's file; null where that was gone and was accepted as such.
    sha256 text check (sha256 ~ '^[0-9a-f]{64}$'),
    started_at timestamptz not null,
    seconds double precision not null,
    attempts integer not null,
    role text not null default session_user,
    host text not null,
    -- Who ran it, in that person's own words.
    actor text,
    -- The version of dbctl.
    dbctl text not null
)
