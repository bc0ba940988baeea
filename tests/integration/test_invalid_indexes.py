"""Indexes that a build left behind invalid: found, told, built again, and never recorded over."""

import signal
from pathlib import Path

import pytest

from tests.support.databases import execute, fetch, holding, wait_for
from tests.support.foreign import Driver
from tests.support.processes import Running
from tests.support.project import Project, every_driver

DUPLICATES = "insert into team values (1, 'a'), (2, 'a')"
STATES = (
    "select format('%s.%s: %s', relnamespace::regnamespace, relname,"
    " case when indisvalid then 'valid' else 'invalid' end)"
    " from pg_index join pg_class on oid = indexrelid"
    " where relnamespace <> 'pg_catalog'::regnamespace and indrelid::regclass::text in ({})"
    " order by 1"
)
BUILDING = (
    "exists (select from pg_stat_progress_create_index"
    " where datname = current_database() and phase like 'waiting%')"
)


@pytest.fixture
def project(tmp_path: Path, empty_url: str, driver: Driver | None) -> Project:
    """A project whose first revision makes a table."""
    return Project.create(
        tmp_path, empty_url, "create table team (id int, name text)", driver=driver
    )


def up(project: Project, *arguments: str) -> Running:
    return Running("migrate", "up", *arguments, env=project.environment, cwd=project.root)


def autocommit(*statements: str) -> str:
    """Return the body of a revision that runs `statements` outside of a transaction."""
    return "\n        ".join(["with op.get_context().autocommit_block():", *statements])


def by_name(**options: object) -> str:
    """Return the call that builds an index on the names concurrently."""
    arguments = {"postgresql_concurrently": True} | options
    given = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    return f"op.create_index('by_name', 'team', ['name'], {given})"


def indexes(url: str, *tables: str) -> list[str]:
    """Return each index of the tables with whether a query may use it."""
    return [
        str(row) for row in fetch(url, STATES.format(str(tables or ("team",))[1:].rstrip(",)")))
    ]


def leave_invalid(url: str, index: str = "by_name", table: str = "team") -> None:
    """Leave an invalid index behind, as a build that fails over duplicates does."""
    with pytest.raises(Exception, match="could not create unique index"):
        execute(url, f"create unique index concurrently {index} on {table} (name)")


@every_driver
def test_an_index_is_built_concurrently_outside_of_a_transaction(project: Project) -> None:
    project.add_revision("r2", autocommit(by_name()), after=["r1"])
    done = project.run("migrate", "up", "--json")
    assert (done.exit_code, done.json["after"]) == (0, ["r2"])
    assert (done.json["invalid_indexes"], done.stderr) == ([], "")
    assert indexes(project.url) == ["public.by_name: valid"]


@every_driver
@pytest.mark.parametrize("options", [{}, {"if_not_exists": True}], ids=["plainly", "if not exists"])
def test_a_build_that_fails_is_not_recorded_and_is_made_again_once_it_can_be(
    project: Project, options: dict[str, object]
) -> None:
    project.run("migrate", "up")
    execute(project.url, DUPLICATES)
    project.add_revision("r2", autocommit(by_name(unique=True, **options)), after=["r1"])
    failed = project.run("migrate", "up", "--json")
    assert (failed.exit_code, failed.json["error"]["code"]) == (4, "migration_failed")
    assert "could not create unique index" in failed.json["error"]["message"]
    assert (failed.json["after"], failed.json["applied"]) == (["r1"], [])
    assert failed.json["unfinished"]["revision"] == "r2"
    assert failed.json["invalid_indexes"] == ["public.by_name"]
    again = project.run("migrate", "up", "--json")
    assert (again.exit_code, again.json["invalid_indexes"]) == (4, ["public.by_name"])
    assert fetch(project.url, "select count(*) from dbctl.dbctl_ledger where revision = 'r2'") == [
        0
    ]

    execute(project.url, "delete from team where id = 2")
    done = project.run("migrate", "up", "--json")
    assert (done.exit_code, done.json["after"], done.json["invalid_indexes"]) == (0, ["r2"], [])
    assert "no query uses the invalid index public.by_name" in done.stderr
    assert "dropped the invalid index public.by_name, which is built again" in done.stderr
    assert indexes(project.url) == ["public.by_name: valid"]


@every_driver
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("options", [{}, {"if_not_exists": True}], ids=["plainly", "if not exists"])
def test_a_build_that_is_interrupted_is_made_again_by_the_next_run(
    project: Project, options: dict[str, object], number: signal.Signals
) -> None:
    project.run("migrate", "up")
    project.add_revision("r2", autocommit(by_name(**options)), after=["r1"])
    with holding(project.url, "insert into team values (1, 'a')"):
        run = up(project, "--json")
        wait_for(project.url, BUILDING)
        run.send_signal(number)
        done = run.finish()
        wait_for(project.url, f"not {BUILDING}")
    if number is signal.SIGINT:
        assert (done.exit_code, done.json["error"]["code"]) == (130, "interrupted")
        assert done.json["after"] == ["r1"]
        assert "revision r2 did not come to its end" in done.json["error"]["message"]
        assert done.json["invalid_indexes"] == ["public.by_name"]
    assert indexes(project.url) == ["public.by_name: invalid"]
    again = project.run("migrate", "up", "--json")
    assert (again.exit_code, again.json["after"], again.json["invalid_indexes"]) == (0, ["r2"], [])
    assert indexes(project.url) == ["public.by_name: valid"]


@every_driver
def test_a_revision_that_swallows_the_failure_is_not_recorded(project: Project) -> None:
    project.run("migrate", "up")
    execute(project.url, DUPLICATES)
    lines = ["try:", f"    {by_name(unique=True)}", "except sa.exc.IntegrityError:", "    pass"]
    project.add_revision("r2", autocommit(*lines), after=["r1"])
    done = project.run("migrate", "up", "--json")
    assert (done.exit_code, done.json["error"]["code"]) == (4, "invalid_index")
    assert "index public.by_name is invalid" in done.json["error"]["message"]
    assert (done.json["after"], done.json["invalid_indexes"]) == (["r1"], ["public.by_name"])
    execute(project.url, "delete from team where id = 2")
    again = project.run("migrate", "up", "--json")
    assert (again.exit_code, again.json["after"], again.json["invalid_indexes"]) == (0, ["r2"], [])
    assert indexes(project.url) == ["public.by_name: valid"]


@pytest.mark.parametrize(
    ("build", "left", "name"),
    [
        ("by_name on team (name)", "by_name", "public.by_name"),
        ("BY_NAME on team (name)", "by_name", "public.by_name"),
        ('"By ""name""." on team (name)', '"By ""name""."', 'public."By ""name""."'),
        ('"ndx.by_name" on "public"."team" (name)', '"ndx.by_name"', 'public."ndx.by_name"'),
        ('"By name" on public.team (name)', '"By name"', 'public."By name"'),
        (f"{'a' * 70} on team (name)", "a" * 70, f"public.{'a' * 63}"),
        ("IX_Ä on team (name)", "IX_Ä", 'public."ix_Ä"'),
        ("by_ccnew on team (name)", "by_ccnew", "public.by_ccnew"),
    ],
)
def test_names_are_understood_however_they_are_written(
    project: Project, build: str, left: str, name: str
) -> None:
    project.run("migrate", "up")
    execute(project.url, DUPLICATES)
    leave_invalid(project.url, left)
    execute(project.url, "delete from team")
    statement = f"create unique index concurrently if not exists {build}"
    project.add_revision("r2", autocommit(f"op.execute({statement!r})"), after=["r1"])
    done = project.run("migrate", "up", "--json")
    assert (done.exit_code, done.json["after"], done.json["invalid_indexes"]) == (0, ["r2"], [])
    assert f"dropped the invalid index {name}, " in done.stderr
    assert [state.rpartition(": ")[2] for state in indexes(project.url)] == ["valid"]


def test_an_index_of_another_schema_is_found_and_built_again(project: Project) -> None:
    execute(
        project.url,
        'create schema "the Shop"',
        "create table \"the Shop\".team as select id, 'a' as name from generate_series(1, 2) as id",
    )
    leave_invalid(project.url, "by_name", '"the Shop".team')
    execute(project.url, 'delete from "the Shop".team')
    build = by_name(unique=True, if_not_exists=True, schema="the Shop")
    project.add_revision("r2", autocommit(build), after=["r1"])
    done = project.run("migrate", "up", "--json")
    assert (done.exit_code, done.json["after"], done.json["invalid_indexes"]) == (0, ["r2"], [])
    assert 'dropped the invalid index "the Shop".by_name' in done.stderr
    assert indexes(project.url, '"the Shop".team') == ['"the Shop".by_name: valid']


@every_driver
def test_a_plain_build_does_not_take_what_is_invalid_for_its_index(project: Project) -> None:
    project.run("migrate", "up")
    execute(project.url, DUPLICATES)
    leave_invalid(project.url)
    execute(project.url, "delete from team")
    build = "create unique index if not exists by_name on team (name)"
    project.add_revision("r2", f"op.execute({build!r})", after=["r1"])
    done = project.run("migrate", "up", "--json")
    assert (done.exit_code, done.json["after"], done.json["invalid_indexes"]) == (0, ["r2"], [])
    assert indexes(project.url) == ["public.by_name: valid"]


@every_driver
def test_what_a_plain_build_dropped_is_back_when_its_revision_fails(project: Project) -> None:
    project.run("migrate", "up")
    execute(project.url, DUPLICATES)
    leave_invalid(project.url)
    build = "create unique index if not exists by_name on team (name)"
    project.add_revision("r2", f"op.execute({build!r})", after=["r1"])
    done = project.run("migrate", "up", "--json")
    assert (done.exit_code, done.json["invalid_indexes"]) == (4, ["public.by_name"])
    assert indexes(project.url) == ["public.by_name: invalid"]


def test_an_invalid_index_of_somebody_else_is_told_and_left_alone(project: Project) -> None:
    project.run("migrate", "up")
    execute(project.url, DUPLICATES)
    leave_invalid(project.url, "theirs")
    oid = "select 'theirs'::regclass::oid::bigint"
    before = fetch(project.url, oid)
    build = "op.create_index('by_id', 'team', ['id'], postgresql_concurrently=True)"
    project.add_revision("r2", autocommit(build), after=["r1"])
    done = project.run("migrate", "up", "--json")
    assert (done.exit_code, done.json["after"]) == (0, ["r2"])
    assert done.json["invalid_indexes"] == ["public.theirs"]
    (line,) = done.stderr.splitlines()
    assert line.startswith("no query uses the invalid index public.theirs")
    assert indexes(project.url) == ["public.by_id: valid", "public.theirs: invalid"]
    assert fetch(project.url, oid) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_what_an_interrupted_reindex_left_behind_is_dropped_by_the_next(
    project: Project, number: signal.Signals
) -> None:
    project.add_revision("r2", autocommit(by_name()), after=["r1"])
    project.run("migrate", "up")
    reindex = "op.execute('reindex index concurrently by_name')"
    project.add_revision("r3", autocommit(reindex), after=["r2"])
    with holding(project.url, "insert into team values (1, 'a')"):
        run = up(project)
        wait_for(project.url, BUILDING)
        run.send_signal(number)
        run.finish()
        wait_for(project.url, f"not {BUILDING}")
    assert indexes(project.url) == ["public.by_name: valid", "public.by_name_ccnew: invalid"]
    done = project.run("migrate", "up", "--json")
    assert (done.exit_code, done.json["after"], done.json["invalid_indexes"]) == (0, ["r3"], [])
    assert "dropped the invalid index public.by_name_ccnew" in done.stderr
    assert indexes(project.url) == ["public.by_name: valid"]


def test_a_reindex_makes_an_invalid_index_valid_without_dropping_it(project: Project) -> None:
    project.run("migrate", "up")
    execute(project.url, DUPLICATES)
    leave_invalid(project.url)
    execute(project.url, "delete from team")
    reindex = "op.execute('reindex index concurrently by_name')"
    project.add_revision("r2", autocommit(reindex), after=["r1"])
    done = project.run("migrate", "up", "--json")
    assert (done.exit_code, done.json["after"], done.json["invalid_indexes"]) == (0, ["r2"], [])
    assert "dropped" not in done.stderr
    assert indexes(project.url) == ["public.by_name: valid"]


def test_the_index_of_a_partitioned_table_alone_is_invalid_and_no_fault(project: Project) -> None:
    project.add_revision(
        "r2",
        "\n    ".join(
            [
                "op.execute('create table log (day date) partition by range (day)')",
                "op.execute('create table log_rest partition of log default')",
                "op.execute('create index by_day on only log (day)')",
                autocommit("op.execute('create index concurrently rest on log_rest (day)')"),
            ]
        ),
        after=["r1"],
    )
    done = project.run("migrate", "up", "--json")
    assert (done.exit_code, done.json["after"]) == (0, ["r2"]), done.json
    assert (done.json["invalid_indexes"], done.stderr) == ([], "")
    assert indexes(project.url, "log", "log_rest") == [
        "public.by_day: invalid",
        "public.rest: valid",
    ]


@every_driver
def test_the_lock_timeout_does_not_cut_a_concurrent_build_short(project: Project) -> None:
    project.run("migrate", "up")
    project.add_revision("r2", autocommit(by_name()), after=["r1"])
    waited = (
        "exists (select from pg_stat_activity where query ilike 'create index concurrently%'"
        " and datname = current_database() and wait_event_type = 'Lock'"
        " and clock_timestamp() - query_start > interval '1 s')"
    )
    with holding(project.url, "lock table team in row exclusive mode"):
        run = up(project, "--ddl-lock-timeout", "0.2", "--json")
        wait_for(project.url, waited)
    done = run.finish()
    assert (done.exit_code, done.json["after"]) == (0, ["r2"])
    assert done.json["applied"][0]["attempts"] == 1
    assert indexes(project.url) == ["public.by_name: valid"]


@every_driver
def test_after_the_build_the_lock_timeout_holds_again(project: Project) -> None:
    execute(project.url, "create table held (id int)")
    project.add_revision("r2", autocommit(by_name()), after=["r1"])
    project.add_revision("r3", "op.execute('alter table held add column b int')", after=["r2"])
    with holding(project.url, "lock table held in access share mode"):
        run = up(project, "--ddl-lock-timeout", "0.1", "--retry-for", "0", "--json")
        done = run.finish(timeout=20)
    assert (done.exit_code, done.json["error"]["code"]) == (4, "lock_timeout")
    assert done.json["after"] == ["r2"]


def test_an_index_of_the_same_name_in_another_schema_is_left_alone(project: Project) -> None:
    execute(
        project.url,
        "create schema other",
        "create table other.team as select id, 'a' as name from generate_series(1, 2) as id",
    )
    leave_invalid(project.url, "by_name", "other.team")
    project.add_revision("r2", autocommit(by_name()), after=["r1"])
    done = project.run("migrate", "up", "--json")
    assert (done.exit_code, done.json["invalid_indexes"]) == (0, ["other.by_name"])
    assert indexes(project.url, "team", "other.team") == [
        "other.by_name: invalid",
        "public.by_name: valid",
    ]


def test_what_a_build_without_a_name_left_behind_is_dropped(project: Project) -> None:
    project.run("migrate", "up")
    execute(project.url, DUPLICATES)
    build = "op.execute('create unique index concurrently on team (name)')"
    project.add_revision("r2", autocommit(build), after=["r1"])
    assert project.run("migrate", "up").exit_code == 4
    execute(project.url, "delete from team")
    assert project.run("migrate", "up").exit_code == 0
    assert indexes(project.url) == ["public.team_name_idx: valid"]


def test_a_reindex_mends_an_invalid_index_and_a_comment_does_not_hide_it(project: Project) -> None:
    project.run("migrate", "up")
    execute(project.url, DUPLICATES)
    leave_invalid(project.url)
    execute(project.url, "delete from team")
    mend = "op.execute('/* mend */ reindex index concurrently by_name')"
    project.add_revision("r2", autocommit(mend), after=["r1"])
    done = project.run("migrate", "up", "--json")
    assert (done.exit_code, done.json["invalid_indexes"]) == (0, [])
    assert indexes(project.url) == ["public.by_name: valid"]


def test_what_an_interrupted_reindex_of_a_table_left_behind_is_dropped(project: Project) -> None:
    execute(project.url, "create table other (name text)", "create index fine on other (name)")
    build = "op.execute('reindex table concurrently other')"
    project.add_revision("r2", autocommit(build), after=["r1"])
    with holding(project.url, "insert into other values ('a')"):
        run = up(project)
        wait_for(project.url, BUILDING)
        run.send_signal(signal.SIGINT)
        assert run.finish().exit_code == 130
    assert len(indexes(project.url, "other")) == 2
    assert project.run("migrate", "up").exit_code == 0
    assert indexes(project.url, "other") == ["public.fine: valid"]
