"""Tables that rows are rarely made for: every type, every kind of key, sequences of others."""

import pytest

from tests.support.cli import invoke
from tests.support.databases import fetch
from tests.support.schema import run_psql

ODD = r"""
create type mood as enum ('a', 'b', 'c');
create domain short as varchar(5) check (length(value) >= 2);

create table tree (id int primary key, boss int not null references tree);

create table parent (
    id uuid primary key default gen_random_uuid(), code text not null unique,
    tenant int not null, unique (tenant, code)
);
create table child (
    id bigserial primary key, parent_code text references parent (code), t int, c text,
    foreign key (t, c) references parent (tenant, code) match full
);
create table versions (
    doc_id uuid not null references parent, version int not null, primary key (doc_id, version)
);
create table tagging (
    parent uuid references parent on delete cascade, label text not null, unique (parent, label)
);

create table combo (
    m mood not null, ok boolean not null, n smallint not null check (n between 1 and 3),
    primary key (m, ok, n)
);
create table uniques (
    id int generated always as identity, x int unique, d date unique, m mood unique,
    ts timestamptz unique, ip inet unique, mac macaddr unique, b bytea unique, j jsonb unique,
    arr int[] unique, r int4range unique, iv interval unique, bits bit(16) unique,
    num numeric(6,1) unique, f float4 unique, v varchar(6) unique, tm time unique, mo money unique,
    s short unique
);
create table parts (id int not null, at date not null, primary key (id, at))
    partition by range (at);
create table parts_1 partition of parts for values from ('2000-01-01') to ('2100-01-01');
create table low (a text not null, b int not null);
create unique index on low (lower(a), b);
create table soft (name text not null, deleted_at timestamptz);
create unique index on soft (name) where deleted_at is null;

create sequence counter increment -5 start 100 minvalue -1000000 maxvalue 1000;
create table counted (id int primary key default nextval('counter'), note text);
create table counted_child (id serial primary key, p int not null references counted);
create table only_key (id bigint generated always as identity primary key);

create table types (
    id serial primary key, r4 real check (r4 > 0.1), ea mood[], da short[], nn numeric,
    i2 smallint not null, c char(10), nm name, o oid, tq tsquery, cidrs cidr[], macs macaddr[],
    jj jsonb[], nr numrange, tr tstzrange, mr int8multirange, hs int4range[], pt point[],
    vb varbit(10), tz timetz, unknown regclass,
    w text[] check (cardinality(w) between 2 and 3),
    cst text check (cst in ('x', 'y') or cst is null),
    z text check (z ~ '^\+[0-9]{5,9}$'),
    lim int check (lim >= 10 and lim < 20 and lim <> 15),
    pct numeric(3,2) check (pct >= 0 and pct <= 1),
    lo int not null, hi int not null, check (lo < hi),
    starts_on date not null, ends_on date not null, check (ends_on >= starts_on),
    slug text unique check (slug ~ '^[a-z]+(-[a-z]+)*$'),
    neg int check (neg < 0), big bigint check (big > 10000000000),
    up text check (up = upper(up)), pre text check (pre like 'INV-%'),
    two text check (length(two) = 2), gen int generated always as (lo * 2) stored
);
"""


@pytest.mark.parametrize(
    ("counts", "runs"),
    [
        (["types=400"], 2),
        (["uniques=3"], 1),
        (["tree=300", "combo=9", "parts=300", "low=300", "soft=300", "only_key=10"], 2),
        (["child=300", "versions=300", "tagging=300", "parent=100"], 2),
        (["counted=20", "counted_child=200"], 2),
    ],
)
def test_the_server_takes_every_row_of_every_run(
    empty_url: str, counts: list[str], runs: int
) -> None:
    assert run_psql(empty_url, ODD, "--set=ON_ERROR_STOP=1").returncode == 0
    for _ in range(runs):
        done = invoke("seed", "generate", *counts, "--json", env={"DATABASE_URL": empty_url})
        assert done.exit_code == 0, done.stdout
    for wanted in counts:
        table, _, count = wanted.partition("=")
        assert fetch(empty_url, f"select count(*) from {table}") == [int(count) * runs]


def test_a_type_without_a_rule_stays_null_and_is_told(empty_url: str) -> None:
    assert run_psql(empty_url, ODD, "--set=ON_ERROR_STOP=1").returncode == 0
    done = invoke("seed", "generate", "types=5", "--json", env={"DATABASE_URL": empty_url})
    assert done.json["tables"][0]["notes"] == ["unknown stays NULL: no rule for type regclass"]


def test_a_share_of_the_documents_has_many_versions(empty_url: str) -> None:
    assert run_psql(empty_url, ODD, "--set=ON_ERROR_STOP=1").returncode == 0
    done = invoke(
        *("seed", "generate", "versions=300", "parent=100", "--json"),
        env={"DATABASE_URL": empty_url},
    )
    assert done.exit_code == 0, done.stdout
    (most,) = fetch(empty_url, "select max(version) from versions")
    assert most > 8
    assert fetch(empty_url, "select doc_id from versions group by 1 having max(version) <> count(*)"
                 ) == []  # fmt: skip
