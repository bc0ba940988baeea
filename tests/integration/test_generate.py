"""Rows from the schema alone: they satisfy it, look like life, and are the same for one seed."""

import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Finished, invoke, run_dbctl
from tests.support.databases import TestServer, execute, fetch
from tests.support.schema import dump_of, run_psql
from tests.support.zoo import TABLES, ZOO


def generate(url: str, *arguments: str, **env: str) -> Finished:
    return invoke("seed", "generate", *arguments, "--json", env={"DATABASE_URL": url} | env)


def generated(url: str, *arguments: str) -> dict[str, dict[str, Any]]:
    done = generate(url, *arguments)
    assert done.exit_code == 0, done.stdout + done.stderr
    return {table["table"]: table for table in done.json["tables"]}


def refused(url: str, *arguments: str) -> tuple[int, str, str]:
    done = generate(url, *arguments)
    assert done.exit_code, done.stdout
    error = done.json["error"]
    return done.exit_code, error["message"], error["hint"]


def make(url: str, script: str) -> None:
    done = run_psql(url, script, "--set=ON_ERROR_STOP=1")
    assert done.returncode == 0, done.stderr


def rows(url: str) -> list[str]:
    """Return the rows of a dump, without what tells when it was seeded."""
    return sorted(
        line for line in dump_of(url) if line.startswith("INSERT") and "dbctl_seeds" not in line
    )


def zoo_of(count: int) -> list[str]:
    return [f"{table}={count}" for table in TABLES]


ROWS = 3000


@pytest.fixture(scope="module")
def zoo(server: TestServer) -> str:
    """The URL of a database with 3,000 rows in every table of the zoo."""
    server.execute("CREATE DATABASE generated_zoo")
    url = server.url_of("generated_zoo")
    make(url, ZOO)
    generated(url, *reversed(zoo_of(ROWS)))
    return url


@pytest.mark.slow
def test_fifty_thousand_rows_a_table_have_no_orphan_and_no_violation(empty_url: str) -> None:
    make(empty_url, ZOO)
    generated(empty_url, *reversed(zoo_of(50_000)))  # whatever the order of the names
    counts = [fetch(empty_url, f"select count(*) from {table}") for table in TABLES]
    assert counts == [[50_000]] * len(TABLES)
    # Validated anew: what COPY has let in, the constraint itself now looks at.
    execute(
        empty_url,
        """
        do $$ declare c record; begin
            for c in select conrelid::regclass as t, conname, pg_get_constraintdef(oid) as d
                from pg_constraint where contype in ('f', 'c') and conrelid <> 0
                and connamespace::regnamespace::text not in ('pg_catalog', 'information_schema')
            loop
                execute format('alter table %s drop constraint %I', c.t, c.conname);
                execute format('alter table %s add constraint %I %s', c.t, c.conname, c.d);
            end loop;
        end $$
        """,
    )
    (database,) = fetch(empty_url, "select current_database()")
    execute(empty_url, f'reindex database "{database}"')


def test_few_parents_have_most_of_the_children_and_some_children_none(zoo: str) -> None:
    (share,) = fetch(
        zoo,
        f"select sum(c) / {ROWS} from (select count(*) c from orders group by person_id"
        f" order by 1 desc limit {ROWS // 10})",
    )
    assert share > 0.3
    (nulls,) = fetch(zoo, "select count(*) from people where region_id is null")
    assert ROWS * 0.1 < nulls < ROWS * 0.3
    (roots,) = fetch(zoo, "select count(*) from people where manager_id is null")
    assert ROWS * 0.05 < roots < ROWS * 0.2
    (busy,) = fetch(
        zoo, "select max(c) from (select count(*) c from memberships group by person_id)"
    )
    assert busy > 10


def test_an_order_has_its_lines_counted_from_one_and_pointing_at_earlier_ones(zoo: str) -> None:
    gaps = fetch(
        zoo,
        "select order_id from order_lines group by order_id"
        " having max(line) <> count(*) or min(line) <> 1",
    )
    assert gaps == []
    assert fetch(zoo, "select count(*) > 0 from order_lines where parent_line < line") == [True]
    assert fetch(zoo, "select count(*) from order_lines where parent_line >= line") == [0]


def test_values_mean_what_their_columns_say(zoo: str) -> None:
    def count(table: str, condition: str) -> int:
        (found,) = fetch(zoo, f"select count(*) from {table} where {condition}")
        return int(found)

    assert count("people", r"email !~ '^[a-z.0-9]+@example\.(com|org)$'") == 0
    assert count("people", "born > '2010-01-01'") > 0
    assert count("profiles", r"website !~ '^https://.+\.example\.com'") == 0
    lately = count("people", "created_at > timestamptz '2026-11-01' - interval '1 year'")
    assert ROWS * 0.6 < lately < ROWS
    assert fetch(zoo, "select count(distinct mood) from people") == [3]
    assert fetch(zoo, "select max(cardinality(tags)) from people") == [4]


def test_a_second_run_adds_rows_beside_the_first_ones(empty_url: str) -> None:
    make(empty_url, ZOO)
    generated(empty_url, *zoo_of(50))
    again = generated(empty_url, *zoo_of(70))
    assert {table["start"] for table in again.values()} == {50}
    for table in TABLES:
        assert fetch(empty_url, f"select count(*) from {table}") == [120]


def test_children_alone_point_at_the_rows_that_are_there(empty_url: str) -> None:
    make(empty_url, ZOO)
    generated(empty_url, *zoo_of(40))
    for table in TABLES:
        if table != "public.profiles":  # each person has one
            generated(empty_url, f"{table}=30")
    generated(empty_url, "profiles=30")
    code, message, _ = refused(empty_url, "profiles=1")
    assert (code, "every row of public.people has its one" in message) == (2, True)


def test_sequences_go_on_where_the_generated_rows_end(empty_url: str) -> None:
    make(empty_url, ZOO)
    generated(empty_url, "people=10", "orders=20")
    execute(empty_url, "insert into orders (number, person_id) values ('x', 1)")
    assert fetch(empty_url, "select max(id) from orders") == [21]


def test_equal_seeds_make_equal_dumps_in_two_databases_and_two_processes(
    empty_urls: tuple[str, str],
) -> None:
    def fill(url: str, number: int) -> list[str]:
        make(url, ZOO)
        done = run_dbctl(
            *("seed", "generate", *zoo_of(250), "--json"),
            env={"DATABASE_URL": url, "PYTHONHASHSEED": str(number)},
        )
        assert done.exit_code == 0, done.stdout
        return rows(url)

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(fill, empty_urls, (1, 2))
    assert len(first) == 250 * len(TABLES)
    assert first == second


def test_another_seed_makes_other_rows(empty_urls: tuple[str, str]) -> None:
    for url, seed in zip(empty_urls, ("1", "2"), strict=True):
        make(url, ZOO)
        generated(url, "people=20", "teams=20", "--seed", seed)
    first, second = (set(map(without_number, rows(url))) for url in empty_urls)
    assert not first & second


def without_number(row: str) -> str:
    return row.partition("(")[2].partition(",")[2]


def test_more_rows_begin_with_the_same_ones(empty_urls: tuple[str, str]) -> None:
    for url, count in zip(empty_urls, (5000, 5100), strict=True):
        make(url, "create table t (id uuid primary key, name text, price numeric(8,2), at date)")
        generated(url, f"t={count}")
    fewer, more = (set(rows(url)) for url in empty_urls)
    assert fewer < more


def test_plan_shows_every_column_and_check_and_writes_nothing(database_url: str) -> None:
    done = invoke(
        *("seed", "generate", "tasks=1k", "users=10", "--plan"),
        env={"DATABASE_URL": database_url},
    )
    assert done.exit_code == 0, done.stderr
    for words in ("public.users (10 new rows), skewed", "email address", "every row is tried"):
        assert words in done.stdout
    assert done.stdout.index("public.users:") < done.stdout.index("public.tasks:")
    plan = generated(database_url, "tasks=1_000", "users=10", "--plan")
    assert [column["name"] for column in plan["public.tasks"]["columns"]][:2] == ["id", "user_id"]
    assert fetch(database_url, "select count(*) from users") == [0]
    ledgers = fetch(database_url, "select tablename from pg_tables where tablename = 'dbctl_seeds'")
    assert ledgers == []


def test_generated_tasks_look_like_tasks(database_url: str) -> None:
    generated(database_url, "tasks=2k", "users=0.1k")
    assert fetch(database_url, "select count(*) from tasks where completed_at < created_at") == [0]
    assert fetch(database_url, "select count(*) from tasks where updated_at < created_at") == [0]
    (done,) = fetch(database_url, "select count(*) from tasks where status = 'done'")
    assert 100 < done < 1500
    (top,) = fetch(
        database_url, "select max(c) from (select count(*) c from tasks group by user_id)"
    )
    assert top > 60


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["users"], "'users' is not table=count"),
        (["users=many"], "'users=many' is not table=count"),
        (["users=0"], "no number of rows"),
        (["users=1.5"], "no number of rows"),
        (["nowhere=5"], "there is no table or view nowhere"),
        (["users=5", "public.users=6"], "public.users is asked for twice"),
        (["tasks=5"], "public.users is empty and not among the tables"),
        (["users=5", "--locale", "tlh"], "there is no locale 'tlh'"),
        (["users=5", "--now", "soon"], "'soon' is not a date or time"),
    ],
)
def test_what_cannot_be_asked_for_is_exit_2(
    database_url: str, arguments: Sequence[str], expected: str
) -> None:
    code, message, hint = refused(database_url, *arguments)
    assert (code, expected in message) == (2, True), message
    assert hint


UNSATISFIABLE = """
create function even(n int) returns boolean immutable language sql as 'select n % 2 = 0';
create table opaque (n int not null constraint must_be_even check (even(n)), t text);
create table flag (is_on boolean not null unique);
create table word (w varchar(1) primary key);
create table never (n int not null constraint never_true check (n <> n), m int);
create table hashed (a text not null, b text not null);
create unique index only_length on hashed (length(a));
create table chicken (id int primary key, egg_id int not null);
create table egg (id int primary key, chicken_id int not null constraint laid references chicken);
alter table chicken add constraint hatched foreign key (egg_id) references egg;
create table parent (id int primary key);
create table only_child (parent_id int primary key constraint of_one references parent);
"""


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["opaque=10"], "must_be_even: public.even(n)"),
        (["flag=3"], "flag_is_on_key of public.flag allows 2 more rows, and 3 are asked for"),
        (["word=40"], "word_pkey of public.word allows 36 more rows"),
        (["never=10"], "never_true"),
        (["hashed=1000"], "only_length"),
        (["chicken=3", "egg=3"], "form a cycle"),
        (["parent=5", "only_child=6"], "5 are possible, and 6 are asked for"),
    ],
)
def test_what_cannot_be_satisfied_is_said_before_the_start_by_name(
    empty_url: str, arguments: Sequence[str], named: str
) -> None:
    make(empty_url, UNSATISFIABLE)
    _, message, hint = refused(empty_url, *arguments)
    assert named in message, message
    assert hint
    for argument in arguments:
        assert fetch(empty_url, f"select count(*) from {argument.partition('=')[0]}") == [0]


def test_all_faults_are_told_at_once(empty_url: str) -> None:
    make(empty_url, UNSATISFIABLE)
    _, message, _ = refused(empty_url, "opaque=10", "hashed=1000")
    assert "must_be_even" in message
    assert "only_length" in message


def test_a_row_that_is_there_already_is_told_with_the_way_around_it(empty_url: str) -> None:
    make(empty_url, "create table t (code int primary key)")
    execute(empty_url, "insert into t values (2), (5)")
    code, message, hint = refused(empty_url, "t=10")
    assert (code, "t_pkey" in message) == (4, True), message
    assert "--start" in hint
    generated(empty_url, "t=10", "--start", "100")
    assert fetch(empty_url, "select min(code) from t where code > 5") == [101]


def test_a_sequence_that_is_behind_is_told_before_the_start(empty_url: str) -> None:
    make(empty_url, "create table t (id serial primary key)")
    execute(empty_url, "insert into t values (7)")
    _, message, hint = refused(empty_url, "t=10")
    assert "gives 1 next" in message
    assert "setval" in hint


def test_production_is_refused_and_a_plan_for_it_is_not_tried(database_url: str) -> None:
    done = generate(database_url, "users=5", ENVIRONMENT="production")
    assert (done.exit_code, done.json["error"]["code"]) == (5, "production_guard")
    plan = generate(database_url, "users=5", "--plan", ENVIRONMENT="production")
    assert plan.exit_code == 0
    assert "not tried on the server" in plan.json["notices"][0]
    assert fetch(database_url, "select count(*) from users") == [0]


def test_a_cycle_stays_null_where_it_may_and_says_so(empty_url: str) -> None:
    make(
        empty_url,
        "create table a (id int primary key, b_id int);"
        "create table b (id int primary key, a_id int not null references a);"
        "alter table a add constraint back foreign key (b_id) references b",
    )
    tables = generated(empty_url, "a=20", "b=20")
    assert tables["public.a"]["notes"] == ["b_id stays NULL: closes a cycle of tables (back)"]
    assert fetch(empty_url, "select count(b_id) from a") == [0]


def test_a_locale_makes_other_names(empty_urls: tuple[str, str]) -> None:
    for url, locale in zip(empty_urls, ("de", "ja"), strict=True):
        make(url, "create table people (id serial primary key, first_name text, city text)")
        generated(url, "people=50", "--locale", locale)
    assert fetch(empty_urls[1], "select count(*) from people where first_name ~ '[a-z]'") == [0]


OVERRIDDEN = """
create table items (
    id int primary key, sku text not null unique, kind text not null, price numeric(8,2) not null,
    state text not null default 'new', note text, email text not null,
    owner_id int, stamp text not null
);
create table owners (id int primary key);
"""


def test_the_project_says_how_columns_are_made(tmp_path: Path, empty_url: str) -> None:
    make(empty_url, OVERRIDDEN)
    (tmp_path / "fakes.py").write_text(
        "def stamp(number, random):\n    return f'{number}-{random.randrange(10)}'\n"
    )
    (tmp_path / "pyproject.toml").write_text(
        """
        [tool.dbctl.generate]
        "items.sku" = { pattern = "INV-{n:06}" }
        "public.items.price" = { min = 5, max = 6.5, distribution = "uniform" }
        "items.state" = { skip = true }
        "items.note" = { constant = "same", null = 0.5 }
        "items.stamp" = { python = "fakes:stamp" }
        [tool.dbctl.generate.items]
        kind = { choices = { a = 9, b = 1 } }
        email = { provider = "person.surname" }
        owner_id = { min = 1, max = 3 }
        """
    )
    done = invoke(
        *("seed", "generate", "items=500", "--json"),
        env={"DATABASE_URL": empty_url},
        cwd=tmp_path,
    )
    assert done.exit_code == 0, done.stdout
    assert fetch(empty_url, "select min(sku) from items") == ["INV-000001"]
    assert fetch(empty_url, "select count(*) from items where price between 5 and 6.5") == [500]
    assert fetch(empty_url, "select count(*) from items where state = 'new'") == [500]
    (nulls,) = fetch(empty_url, "select count(*) from items where note is null")
    assert 150 < nulls < 350
    (most,) = fetch(empty_url, "select count(*) from items where kind = 'a'")
    assert 400 < most < 500
    assert fetch(empty_url, "select count(*) from items where email like '%@%'") == [0]
    assert fetch(empty_url, "select count(distinct owner_id) from items") == [3]
    assert fetch(empty_url, r"select count(*) from items where stamp !~ '^\d+-\d$'") == [0]
    sys.modules.pop("fakes", None)


def test_a_models_info_says_how_a_column_is_made(tmp_path: Path, empty_url: str) -> None:
    make(empty_url, "create table team (id int primary key, name text not null)")
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "club").mkdir()
    (tmp_path / "club" / "__init__.py").write_text(
        "from sqlalchemy import Column, Integer, MetaData, Table, Text\n"
        "metadata = MetaData()\n"
        "Table('team', metadata, Column('id', Integer, primary_key=True),\n"
        "      Column('name', Text, info={'generate': {'choices': ['red', 'blue']}}))\n"
    )
    done = invoke(
        *("seed", "generate", "team=50", "--json"),
        env={"DATABASE_URL": empty_url, "DBCTL_MODELS": "club"},
        cwd=tmp_path,
    )
    assert done.exit_code == 0, done.stdout
    assert sorted(fetch(empty_url, "select distinct name from team")) == ["blue", "red"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('"items.nope" = { constant = 1 }', "public.items has no column nope"),
        ('"items.sku" = { patern = "x" }', "unknown key 'patern'"),
        ('"items.sku" = { null = 2 }', "items.sku in [tool.dbctl.generate]: null"),
        (
            '"items.price" = { constant = "cheap" }',
            "'cheap' does not suit a column of type numeric",
        ),
        ('"items.kind" = { choices = ["a"], weights = [1, 2] }', "weights has not as many"),
        ('"items.sku" = { choices = ["a", "b"] }', "allows 2 more rows, and 5 are asked for"),
        ('"items.kind" = { provider = "person.nope" }', "no provider 'person.nope'"),
        ('"items.kind" = { python = "nowhere:f" }', "cannot be imported"),
        ('"items.kind" = { pattern = "{x}" }', "cannot be filled in"),
        ('items = "many"', "items in [tool.dbctl.generate]"),
    ],
)
def test_a_fault_in_what_the_project_says_names_the_key(
    tmp_path: Path, empty_url: str, line: str, expected: str
) -> None:
    make(empty_url, OVERRIDDEN)
    (tmp_path / "pyproject.toml").write_text(f"[tool.dbctl.generate]\n{line}\n")
    done = invoke(
        *("seed", "generate", "items=5", "--json"), env={"DATABASE_URL": empty_url}, cwd=tmp_path
    )
    assert done.exit_code in {2, 4}, done.stdout
    assert expected in done.json["error"]["message"]
    assert json.dumps(done.json["error"]["hint"]) != "null"
