"""A run that is interrupted at any moment: undone, told in two lines, and gone on with later."""

import random
import signal
import time
from pathlib import Path

import pytest

from dbctl.migrate.lock import LOCK_KEY
from tests.support.databases import TestServer, execute, fetch, holding, wait_for
from tests.support.foreign import Driver
from tests.support.processes import Running
from tests.support.project import Project, every_driver
from tests.support.schema import schema_of

REVISIONS = 20
MOMENTS = 10
MOMENTS_OF_ANOTHER_DRIVER = 2
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGKILL]
QUEUED = "exists (select from pg_locks where relation = 'held'::regclass and not granted)"
LOCKED = (
    "exists (select from pg_locks where locktype = 'advisory' and granted"
    f" and (classid::bigint << 32 | objid::bigint) = {LOCK_KEY})"
)
BEGUN = f"{LOCKED} or to_regclass('dbctl.dbctl_ledger') is not null"


def write_long_project(root: Path, url: str, driver: Driver | None) -> Project:
    """Write a project of many revisions, each with two statements and a moment between them."""
    statements = [f"create table t{number} (id int)" for number in range(1, REVISIONS + 1)]
    project = Project.create(root, url, *statements, driver=driver)
    for number in range(1, REVISIONS + 1):
        lines = [
            f"op.execute('create table t{number} (id int)')",
            "op.execute('select pg_sleep(0.01)')",
            f"op.execute('create index i{number} on t{number} (id)')",
        ]
        if number % 7 == 0:  # and now and then a build that cannot be rolled back
            lines[2:] = [
                "with op.get_context().autocommit_block():",
                f"    op.create_index('i{number}', 't{number}', ['id'],"
                " postgresql_concurrently=True, if_not_exists=True)",
            ]
            lines[0] = f"op.execute('create table if not exists t{number} (id int)')"
        after = [f"r{number - 1}"] if number > 1 else []
        project.add_revision(f"r{number}", "\n    ".join(lines), after=after)
    return project


def up(project: Project, *arguments: str) -> Running:
    return Running("migrate", "up", *arguments, env=project.environment, cwd=project.root)


@pytest.mark.slow
@every_driver
@pytest.mark.parametrize("number", SIGNALS)
def test_after_an_interruption_at_any_moment_a_rerun_ends_where_an_undisturbed_run_does(
    tmp_path: Path, server: TestServer, number: signal.Signals, driver: Driver | None
) -> None:
    with server.database() as url:
        project = write_long_project(tmp_path, url, driver)
        run = up(project)
        wait_for(url, BEGUN)
        started = time.monotonic()
        assert run.finish().exit_code == 0
        duration = time.monotonic() - started
        undisturbed = schema_of(url)
    interrupted = 0
    for _ in range(MOMENTS if driver is None else MOMENTS_OF_ANOTHER_DRIVER):
        with server.database() as url:
            disturbed = Project(project.root, url, driver)
            run = up(disturbed, "--json")
            wait_for(url, BEGUN)
            time.sleep(random.uniform(0, duration))
            run.send_signal(number)
            done = run.finish()
            if number is signal.SIGKILL:
                assert done.exit_code in {0, -signal.SIGKILL}
            elif done.exit_code != 0:
                assert done.exit_code == {signal.SIGINT: 130, signal.SIGTERM: 143}[number], done
                assert "Traceback" not in done.stderr
                assert done.json["error"]["code"] == "interrupted"
                if "after" in done.json:  # what it says is so
                    status = disturbed.run("migrate", "status", "--json").json
                    assert status["current"] == done.json["after"]
                    applied = [step["revision"] for step in done.json["applied"]]
                    assert applied[-1:] == done.json["after"]
            interrupted += done.exit_code != 0
            assert up(disturbed).finish().exit_code == 0
            assert schema_of(url) == undisturbed
            recorded = "select revision from dbctl.dbctl_ledger group by 1 having count(*) > 1"
            assert fetch(url, recorded) == []
    assert interrupted > 0 or driver is not None


@pytest.fixture
def project(tmp_path: Path, empty_url: str, driver: Driver | None) -> Project:
    """A project whose second revision alters a table that is there already."""
    execute(empty_url, "create table held (id int)")
    return Project.create(
        tmp_path,
        empty_url,
        "create table a (id int)",
        "alter table held add column b int",
        "create table c (id int)",
        driver=driver,
    )


@every_driver
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_is_cancelled_on_the_server_and_told_in_two_lines(
    project: Project, number: signal.Signals, code: int
) -> None:
    with holding(project.url, "lock table held"):
        run = up(project, "--ddl-lock-timeout", "60")
        wait_for(project.url, QUEUED)
        run.send_signal(number)
        wait_for(project.url, f"not {QUEUED} and not {LOCKED}")
        done = run.finish()
    assert done.exit_code == code
    told = [line for line in done.stderr.splitlines() if line.startswith(("error:", "hint:"))]
    database = fetch(project.url, "select current_database()")[0]
    assert told[0].startswith(f"error: interrupted by {number.name}; revision r2 was rolled back, ")
    assert told[0].endswith("is at r1")
    assert database in told[0]
    assert told[1:] == ["hint: Run the command again to go on from there."]
    again = project.run("migrate", "up", "--json").json
    assert [step["revision"] for step in again["applied"]] == ["r2", "r3"]


@every_driver
def test_what_was_applied_before_is_in_the_document(project: Project) -> None:
    with holding(project.url, "lock table held"):
        run = up(project, "--ddl-lock-timeout", "60", "--json")
        wait_for(project.url, QUEUED)
        run.send_signal(signal.SIGINT)
        done = run.finish()
    assert (done.exit_code, done.json["error"]["code"]) == (130, "interrupted")
    assert [step["revision"] for step in done.json["applied"]] == ["r1"]
    assert done.json["after"] == ["r1"]
    assert done.json["unfinished"]["revision"] == "r2"


@every_driver
def test_two_signals_at_once_are_one_interruption(project: Project) -> None:
    with holding(project.url, "lock table held"):
        run = up(project, "--ddl-lock-timeout", "60", "--json")
        wait_for(project.url, QUEUED)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
            run.send_signal(number)
        done = run.finish()
    assert done.exit_code in {130, 143}
    assert (done.json["after"], done.json["unfinished"]["revision"]) == (["r1"], "r2")


@every_driver
def test_the_server_notices_within_seconds_that_the_client_was_killed(project: Project) -> None:
    project.add_revision("r1", "op.execute('select pg_sleep(600)')")
    run = up(project)
    asleep = "exists (select from pg_stat_activity where wait_event = 'PgSleep')"
    wait_for(project.url, asleep)
    run.send_signal(signal.SIGKILL)
    wait_for(project.url, f"not {asleep}", timeout=20)
    assert run.finish().exit_code == -signal.SIGKILL
    project.add_revision("r1", "pass")
    assert project.run("migrate", "up").exit_code == 0


def test_interrupted_while_it_waits_for_another_deployer_it_has_done_nothing(
    project: Project,
) -> None:
    with holding(project.url, f"select pg_advisory_xact_lock({LOCK_KEY})"):
        run = up(project, "--json")
        while "waiting for the deployer lock" not in run.stderr:
            assert run.is_running
        run.send_signal(signal.SIGTERM)
        done = run.finish()
    assert (done.exit_code, done.json["error"]["code"]) == (143, "interrupted")
    assert project.run("migrate", "status", "--json").json["current"] == []


@every_driver
def test_project_code_that_blocks_is_reached_by_the_second_signal(project: Project) -> None:
    project.add_revision(
        "r2",
        "import time; op.execute('select 1'); open('asleep', 'w').close(); time.sleep(600)",
        after=["r1"],
    )
    run = up(project, "--json")
    while not (project.root / "asleep").exists():
        assert run.is_running
    run.send_signal(signal.SIGINT)
    run.send_signal(signal.SIGINT)
    while run.is_running:  # both may have come at once, and count as one
        run.send_signal(signal.SIGINT)
        time.sleep(0.05)
    done = run.finish()
    assert (done.exit_code, done.json["after"]) == (130, ["r1"])
    assert done.json["unfinished"]["revision"] == "r2"
