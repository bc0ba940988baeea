"""Revisions that need a lock somebody else holds: they wait, let others by, and try again."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from dbctl.db import dsn
from tests.support.databases import execute, fetch, holding, wait_for
from tests.support.foreign import Driver
from tests.support.processes import Running
from tests.support.project import Project, every_driver

QUEUED = "exists (select from pg_locks where relation = 'held'::regclass and not granted)"


@pytest.fixture
def project(tmp_path: Path, empty_url: str, driver: Driver | None) -> Project:
    """A project whose second revision alters a table that is there already."""
    execute(empty_url, "create table held (id int)")
    return Project.create(
        tmp_path,
        empty_url,
        "create table a (id int)",
        "alter table held add column b int",
        driver=driver,
    )


def up(project: Project, *arguments: str) -> Running:
    return Running("migrate", "up", *arguments, env=project.environment, cwd=project.root)


@every_driver
def test_it_tries_again_until_the_lock_is_free_and_names_who_had_it(project: Project) -> None:
    reader = "set local application_name = 'the report'"
    look = "select 'secret' from held"
    with holding(project.url, reader, look) as pid:
        run = up(project, "--ddl-lock-timeout", "0.3", "--json")
        for _ in range(3):
            wait_for(project.url, QUEUED)
            wait_for(project.url, f"not {QUEUED}")
    done = run.finish()
    assert done.exit_code == 0, done
    first, second = done.json["applied"]
    assert (first["attempts"], first["blockers"]) == (1, [])
    assert second["attempts"] > 3
    assert second["waited"] > 0
    (blocker,) = second["blockers"]
    assert (blocker["pid"], blocker["application"]) == (pid, "the report")
    assert blocker["state"] == "idle in transaction"
    assert blocker["query"] == "select '…' from held"
    assert f"r2 is blocked by pid {pid} (the report, idle in transaction for " in done.stderr
    assert "secret" not in done.stderr + done.stdout
    assert fetch(project.url, "select attempts from dbctl.dbctl_ledger where revision = 'r2'") == [
        second["attempts"]
    ]


async def read_while(run: Running, url: str, patience: str) -> int:
    """Read the table every 50 ms until the run ends; the server cuts off who waits for longer."""
    connection = await asyncpg.connect(**dsn.parse(url, environ={}).connect_kwargs())
    try:
        await connection.execute(f"set lock_timeout = '{patience}'")
        reads = 0
        while run.is_running:
            await connection.fetch("select id from held")
            reads += 1
            await asyncio.sleep(0.05)
        return reads
    finally:
        await connection.close()


@every_driver
def test_nobody_who_reads_meanwhile_waits_for_longer_than_the_lock_timeout(
    project: Project,
) -> None:
    with holding(project.url, "lock table held in access share mode"):
        run = up(project, "--ddl-lock-timeout", "0.5", "--retry-for", "2", "--json")
        wait_for(project.url, QUEUED)
        reads = asyncio.run(read_while(run, project.url, "1s"))
    done = run.finish()
    assert (done.exit_code, done.json["error"]["code"]) == (4, "lock_timeout")
    assert done.json["unfinished"]["attempts"] > 1
    assert reads > 10


def test_with_the_defaults_a_reader_of_five_seconds_does_not_stop_it(project: Project) -> None:
    with holding(project.url, "lock table held in access share mode"):
        run = up(project, "--json")
        wait_for(project.url, QUEUED)
        execute(project.url, "select pg_sleep(5)")
    assert asyncio.run(read_while(run, project.url, "2.5s")) > 0
    done = run.finish()
    assert (done.exit_code, done.json["after"]) == (0, ["r2"])
    assert done.json["applied"][1]["attempts"] > 1


@every_driver
def test_it_gives_up_after_its_time_and_says_who_is_in_the_way(project: Project) -> None:
    options = ("--ddl-lock-timeout", "0.2", "--retry-for", "0.5")
    with holding(project.url, "lock table held") as pid:
        done = project.run("migrate", "up", *options, "--json")
        assert (done.exit_code, done.json["error"]["code"]) == (4, "lock_timeout")
        assert f"blocked by pid {pid} (" in done.json["error"]["message"]
        assert (done.json["after"], done.json["unfinished"]["revision"]) == (["r1"], "r2")
        assert done.json["unfinished"]["blockers"][0]["pid"] == pid
        once = project.run("migrate", "up", "--ddl-lock-timeout", "0.1", "--retry-for", "0")
        assert "got no lock in 1 attempt over" in once.stderr
    assert project.run("migrate", "up").exit_code == 0


@every_driver
def test_a_revision_that_has_committed_a_part_is_not_run_again(project: Project) -> None:
    project.add_revision(
        "r2",
        "\n    ".join(
            [
                "with op.get_context().autocommit_block():",
                "    op.execute('create table part (id int)')",
                "op.execute('alter table held add column b int')",
            ]
        ),
        after=["r1"],
    )
    with holding(project.url, "lock table held"):
        done = project.run("migrate", "up", "--ddl-lock-timeout", "0.2", "--json")
    assert (done.exit_code, done.json["error"]["code"]) == (4, "migration_failed")
    assert "What it had committed before" in done.json["error"]["hint"]
    assert done.json["unfinished"]["attempts"] == 1
    assert done.json["after"] == ["r1"]


@every_driver
async def test_the_victim_of_a_deadlock_is_tried_again(project: Project) -> None:
    await asyncio.to_thread(execute, project.url, "create table other (id int)")
    project.add_revision(
        "r2",
        "op.execute('lock table other'); op.execute('alter table held add column b int')",
        after=["r1"],
    )
    rival = await asyncpg.connect(**dsn.parse(project.url, environ={}).connect_kwargs())
    try:
        # Whose timeout is over first looks for the deadlock, and is its victim.
        await rival.execute("begin; set local deadlock_timeout = '1min'; lock table held")
        run = up(project, "--ddl-lock-timeout", "60", "--json")
        await asyncio.to_thread(wait_for, project.url, QUEUED)
        await rival.execute("lock table other")
    finally:
        await rival.close()
    done = await asyncio.to_thread(run.finish)
    assert done.exit_code == 0, done
    assert done.json["applied"][1]["attempts"] == 2


@every_driver
def test_a_lock_timeout_of_the_revisions_own_holds_for_it_alone(project: Project) -> None:
    show = "[x[0] for x in op.get_bind().exec_driver_sql('show lock_timeout')]"
    body = "\n    ".join(["op.execute(\"SET LOCAL LOCK_TIMEOUT = '9s'\")", f"print('own', {show})"])
    project.add_revision("r2", body, after=["r1"])
    project.add_revision("r3", f"print('next', {show})", after=["r2"])
    done = project.run("migrate", "up")
    assert done.exit_code == 0, done
    assert "own ['9s']" in done.stderr
    assert "next ['2s']" in done.stderr


@every_driver
def test_the_time_limits_of_a_role_do_not_end_a_revision(project: Project) -> None:
    execute(
        project.url,
        "do $$ begin execute format('alter database %I set statement_timeout = 300',"
        " current_database()); end $$",
    )
    project.add_revision("r2", "op.execute('select pg_sleep(0.6)')", after=["r1"])
    assert project.run("migrate", "up").exit_code == 0


@every_driver
def test_a_ledger_that_is_locked_is_waited_for_as_well(project: Project) -> None:
    assert project.run("migrate", "up", "r1").exit_code == 0
    with holding(project.url, "lock table dbctl.dbctl_ledger in share mode"):
        run = up(project, "--ddl-lock-timeout", "0.2", "--json")
        while "r2 got no lock in attempt 1" not in run.stderr:
            assert run.is_running, run.finish()
    assert run.finish().exit_code == 0


@every_driver
def test_what_fails_at_its_commit_has_left_nothing(project: Project) -> None:
    execute(project.url, "create table parent (id int primary key)")
    project.add_revision(
        "r2",
        "op.execute('create table child (id int references parent deferrable initially deferred)');"
        " op.execute('insert into child values (1)')",
        after=["r1"],
    )
    done = project.run("migrate", "up", "--json")
    assert (done.exit_code, done.json["after"]) == (4, ["r1"])
    assert [step["revision"] for step in done.json["applied"]] == ["r1"]
    assert "autocommit_block" not in done.json["error"]["hint"]
    assert fetch(project.url, "select to_regclass('child') is null") == [True]


@every_driver
def test_only_the_last_commit_of_a_run_waits_for_the_disk(project: Project) -> None:
    execute(
        project.url,
        "do $$ begin execute format('alter database %I set synchronous_commit = remote_write',"
        " current_database()); end $$",
    )
    show = "print('{}', [x[0] for x in op.get_bind().exec_driver_sql('show synchronous_commit')])"
    project.add_revision("r2", show.format("first"), after=["r1"])
    project.add_revision("r3", show.format("last"), after=["r2"])
    done = project.run("migrate", "up")
    assert done.exit_code == 0, done
    assert "first ['off']" in done.stderr
    assert "last ['remote_write']" in done.stderr
