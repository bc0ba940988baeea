"""Several deployers of one database: one at a time, whoever dies, directly and behind a pooler."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbctl.db import dsn
from dbctl.migrate.lock import LOCK_KEY, WORK_KEY
from tests.support.databases import execute, fetch, holding, wait_for
from tests.support.foreign import Driver
from tests.support.pgbouncer import POOL_SIZE, Pgbouncer
from tests.support.processes import Running
from tests.support.project import Project, every_driver

DEPLOYERS = 8
ROUNDS = 20
ROUNDS_OF_ANOTHER_DRIVER = 3

# What each revision leaves behind: one row a run, so that a second one shows.
ONE_RUN_EACH = "select revision || ':' || count(*) from run group by revision order by 1"
LOCK_HOLDER = (
    "select pid from pg_locks where locktype = 'advisory' and granted"
    f" and (classid::bigint << 32 | objid::bigint) = {LOCK_KEY}"
    " and database = (select oid from pg_database where datname = current_database())"
)


def held(table: str = "held") -> str:
    """Return an SQL expression that is true while somebody queues for a lock on `table`."""
    return f"exists (select from pg_locks where relation = '{table}'::regclass and not granted)"


@pytest.fixture
def project(tmp_path: Path, empty_url: str, driver: Driver | None) -> Project:
    """A project whose revisions count how often they were run; the third builds concurrently."""
    return write_project(tmp_path, empty_url, driver)


def write_project(root: Path, url: str, driver: Driver | None) -> Project:
    project = Project.create(root, url, "create table run (revision text)", driver=driver)
    project.add_revision("r2", "op.execute(\"insert into run values ('r2')\")", after=["r1"])
    project.add_revision(
        "r3",
        "\n    ".join(
            [
                "with op.get_context().autocommit_block():",
                "    op.execute('create index concurrently ix_run on run (revision)')",
                "op.execute(\"insert into run values ('r3')\")",
            ]
        ),
        after=["r2"],
    )
    for number in (4, 5):
        project.add_revision(
            f"r{number}",
            f"op.execute(\"insert into run values ('r{number}')\")",
            after=[f"r{number - 1}"],
        )
    return project


def up(project: Project, *arguments: str, **env: str) -> Running:
    return Running("migrate", "up", *arguments, env=project.environment | env, cwd=project.root)


def start_over(url: str) -> None:
    execute(url, "drop schema public cascade", "create schema public")


@pytest.fixture(params=["directly", "through pgbouncer"])
def deployers(
    request: pytest.FixtureRequest, project: Project
) -> Iterator[tuple[Project, list[str]]]:
    """The project with the URL and the arguments that each deployer is given."""
    if request.param == "directly":
        yield project, []
        return
    pgbouncer: Pgbouncer = request.getfixturevalue("pgbouncer")
    name = dsn.parse(project.url, environ={}).database
    assert name is not None
    yield Project(project.root, pgbouncer.url_of(name), project.driver), ["--allow-pooler"]


@pytest.mark.slow
@every_driver
def test_of_many_deployers_at_once_each_ends_well_and_every_revision_is_run_once(
    project: Project, deployers: tuple[Project, list[str]]
) -> None:
    deployed, arguments = deployers
    for _ in range(ROUNDS if project.driver is None else ROUNDS_OF_ANOTHER_DRIVER):
        runs = [up(deployed, "--json", *arguments) for _ in range(DEPLOYERS)]
        finished = [run.finish() for run in runs]
        assert [run.exit_code for run in finished] == [0] * DEPLOYERS, finished
        applied = [step["revision"] for run in finished for step in run.json["applied"]]
        assert sorted(applied) == ["r1", "r2", "r3", "r4", "r5"]
        assert fetch(project.url, ONE_RUN_EACH) == ["r2:1", "r3:1", "r4:1", "r5:1"]
        assert fetch(project.url, "select indisvalid from pg_index").count(False) == 0
        start_over(project.url)


@every_driver
def test_when_the_holder_is_killed_the_next_one_takes_over(project: Project) -> None:
    execute(project.url, "create table held (id int)")
    project.add_revision("r6", "op.execute('alter table held add column a int')", after=["r5"])
    with holding(project.url, "lock table held in access share mode"):
        first = up(project, "--ddl-lock-timeout", "60")
        wait_for(project.url, held())
        second = up(project, "--json")
        wait_for_text(second, "waiting for the deployer lock, held by pid ")
        first.send_signal(signal.SIGKILL)
        wait_for(project.url, f"({LOCK_HOLDER}) is not null and not {held()}")
    done = second.finish()
    assert (done.exit_code, done.json["applied"][0]["revision"]) == (0, "r6")
    assert first.finish().exit_code == -signal.SIGKILL
    assert fetch(project.url, ONE_RUN_EACH) == ["r2:1", "r3:1", "r4:1", "r5:1"]


def wait_for_text(run: Running, text: str) -> None:
    while text not in run.stderr:
        assert run.is_running, run.finish()


@every_driver
def test_a_deployer_that_waits_in_vain_says_for_whom(project: Project) -> None:
    lock = f"select pg_advisory_xact_lock({LOCK_KEY})"
    with holding(project.url, "set local application_name = 'somebody'", lock) as pid:
        done = project.run("migrate", "up", "--lock-wait", "0.5", "--json")
        assert (done.exit_code, done.json["error"]["code"]) == (4, "lock_busy")
        assert f"by pid {pid}, somebody, since " in done.json["error"]["message"]
        assert f"held by pid {pid}, somebody, since " in done.stderr
        assert "--lock-wait" in done.json["error"]["hint"]
        assert project.run("migrate", "stamp", "r1", "--lock-wait", "0").exit_code == 4
        assert project.run("migrate", "status", "--json").json["state"] == "empty"
    assert project.run("migrate", "up").exit_code == 0
    with holding(project.url, lock):
        assert project.run("migrate", "up", "--lock-wait", "0").exit_code == 0, "nothing to do"


def test_a_session_that_an_earlier_run_left_behind_is_waited_for(project: Project) -> None:
    with holding(project.url, f"select pg_advisory_lock({WORK_KEY})") as pid:
        done = project.run("migrate", "up", "--lock-wait", "0.5", "--json")
        assert (done.exit_code, done.json["error"]["code"]) == (4, "lock_busy")
        assert (
            f"the session of an earlier run has not ended by pid {pid}"
            in (done.json["error"]["message"])
        )
    assert project.run("migrate", "up").exit_code == 0


@every_driver
def test_who_loses_the_lock_stops_before_the_next_revision(project: Project) -> None:
    execute(project.url, "create table held (id int)")
    project.add_revision("r2", "op.execute('alter table held add column a int')", after=["r1"])
    with holding(project.url, "lock table held in access share mode"):
        run = up(project, "--ddl-lock-timeout", "60", "--json")
        wait_for(project.url, held())
        execute(project.url, f"select pg_terminate_backend(({LOCK_HOLDER}))")
        wait_for(project.url, f"({LOCK_HOLDER}) is null")
    done = run.finish()
    assert (done.exit_code, done.json["error"]["code"]) == (4, "lock_lost")
    assert [step["revision"] for step in done.json["applied"]] == ["r1", "r2"]
    assert done.json["after"] == ["r2"]


def test_the_lock_is_shown_under_the_name_of_its_holder(project: Project) -> None:
    execute(project.url, "create table held (id int)")
    project.add_revision("r2", "op.execute('alter table held add column a int')", after=["r1"])
    with holding(project.url, "lock table held in access share mode"):
        run = up(project, "--as", "release robot", "--ddl-lock-timeout", "60")
        wait_for(project.url, held())
        names = "select application_name from pg_stat_activity where pid in ({})"
        assert fetch(project.url, names.format(LOCK_HOLDER)) == ["dbctl migrate up (release robot)"]
    assert run.finish().exit_code == 0


@every_driver
def test_behind_a_pooler_nothing_is_changed_unless_it_is_allowed(
    project: Project, pgbouncer: Pgbouncer
) -> None:
    name = dsn.parse(project.url, environ={}).database
    assert name is not None
    pooled = pgbouncer.url_of(name)
    for command in (["up"], ["stamp", "head"]):
        done = project.run("migrate", *command, "--json", DATABASE_URL=pooled)
        assert (done.exit_code, done.json["error"]["code"]) == (5, "pooled_endpoint")
        assert "DATABASE_URL_UNPOOLED" in done.json["error"]["hint"]
    assert project.run("migrate", "status", "--json").json["state"] == "empty"
    direct = {"DATABASE_URL": pooled, "DATABASE_URL_UNPOOLED": project.url}
    assert project.run("migrate", "up", **direct).exit_code == 0


def test_status_of_many_at_once_behind_a_small_pool_each_ends_well(
    tmp_path: Path, empty_url: str, pgbouncer: Pgbouncer
) -> None:
    project = write_project(tmp_path, empty_url, Driver.PSYCOPG)
    name = dsn.parse(empty_url, environ={}).database
    assert name is not None
    env = project.environment | {"DATABASE_URL": pgbouncer.url_of(name)}
    looks = [
        Running("migrate", "status", "--json", env=env, cwd=project.root)
        for _ in range(3 * POOL_SIZE)
    ]
    finished = [look.finish() for look in looks]
    assert [done.json.get("state") for done in finished] == ["empty"] * len(looks), finished


@every_driver
def test_what_another_run_finishes_meanwhile_is_neither_run_again_nor_claimed(
    project: Project,
) -> None:
    execute(project.url, "create table held (id int)")
    project.add_revision(
        "r2",
        "op.execute(\"insert into run values ('r2')\"); op.execute('lock table held')",
        after=["r1"],
    )
    with holding(project.url, "lock table held in access share mode"):
        first = up(project, "r2", "--ddl-lock-timeout", "60", "--json")
        wait_for(project.url, held())
        # Its lock is gone; what it runs goes on, and keeps the next one from the same.
        execute(project.url, f"select pg_terminate_backend(({LOCK_HOLDER}))")
        second = up(project, "r2", "--json")
        wait_for_text(second, "waiting for the deployer lock")
    finished = [first.finish(), second.finish()]
    assert [done.exit_code for done in finished] == [0, 0], finished
    assert [len(done.json["applied"]) for done in finished] == [2, 0]
    assert fetch(project.url, ONE_RUN_EACH) == ["r2:1"]


@every_driver
def test_a_stricter_isolation_by_default_does_not_make_it_wait_for_itself(
    project: Project,
) -> None:
    execute(
        project.url,
        "do $$ begin execute format('alter database %I set default_transaction_isolation = %L',"
        " current_database(), 'repeatable read'); end $$",
    )
    assert up(project).finish().exit_code == 0
