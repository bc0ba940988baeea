"""A run of a project's own env.py that is interrupted, on each driver, wherever it is."""

import signal
from pathlib import Path

import pytest

from dbctl.migrate.lock import LOCK_KEY
from tests.support.databases import TestServer, execute, fetch, holding, wait_for
from tests.support.env_files import env_project, plain_env
from tests.support.foreign import Driver, ForeignProject, ledger_of, name_of, tables_of
from tests.support.processes import Running

# Long: run with -m slow.
pytestmark = pytest.mark.slow

EVERY = [Driver.PSYCOPG, Driver.PSYCOPG2, Driver.ASYNCPG, Driver.PG8000]
SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
QUEUED = "exists (select from pg_locks where relation = 'held'::regclass and not granted)"
LOCKED = (
    "exists (select from pg_locks where locktype = 'advisory' and granted"
    f" and (classid::bigint << 32 | objid::bigint) = {LOCK_KEY})"
)
# Seconds: far less than any wait that the run would otherwise be in.
SOON = 15

WAITS = 'op.execute("create table t2 (id integer)")\nop.execute("table held")'
SLEEPS = """
op.execute("create table t2 (id integer)")
open("reached", "w").close()
import time
time.sleep(3600)
"""
COMPUTES = """
op.execute("create table t2 (id integer)")
open("reached", "w").close()
while True:
    pass
"""
# It does not let go: neither of an error nor of the database.
SWALLOWS = """
op.execute("create table t2 (id integer)")
while True:
    try:
        op.execute("table held")
    except Exception:
        pass
"""
SWALLOWING_ENV = """
try:
    with engine().connect() as connection:
        migrate(connection)
except BaseException as error:
    print("swallowed", type(error).__name__)
"""


def start(project: ForeignProject, *arguments: str) -> Running:
    return project.start_dbctl("migrate", "up", "--ddl-lock-timeout", "600", "--json", *arguments)


def reach(project: ForeignProject, run: Running) -> None:
    """Return once the revision that blocks is where it blocks."""
    while not (project.root / "reached").exists():
        assert run.is_running, run.finish()


def check(project: ForeignProject, url: str, run: Running, code: int) -> None:
    """Require that the run ends soon, says what is so, and has left nothing half-done."""
    done = run.finish(SOON)
    assert (done.exit_code, done.json["error"]["code"]) == (code, "interrupted"), done
    assert "Traceback" not in done.stderr, done
    assert "revision r2 was rolled back" in done.json["error"]["message"], done
    assert (done.json["after"], done.json["unfinished"]["revision"]) == (["r1"], "r2")
    wait_for(url, f"not {LOCKED}")
    assert "public.t2" not in tables_of(url)
    assert ledger_of(url) == ["r1"]
    assert fetch(url, "select version_num::text from alembic_version") == ["r1"]
    project.add_revision("r2", 'op.execute("create table t2 (id integer)")', after="r1")
    again = project.dbctl("migrate", "up", "--lock-wait", "10", "--json")
    assert (again.exit_code, again.json["after"]) == (0, ["r2"]), again


@pytest.mark.parametrize(("number", "code"), SIGNALS)
@pytest.mark.parametrize("driver", EVERY)
@pytest.mark.parametrize("revision", [WAITS, SWALLOWS], ids=["waits", "swallows"])
def test_up_interrupted_while_a_statement_waits_for_a_lock(
    tmp_path: Path,
    tcp_url: str,
    driver: Driver,
    revision: str,
    number: signal.Signals,
    code: int,
) -> None:
    execute(tcp_url, "create table held (id integer)")
    project = env_project(tmp_path, tcp_url, plain_env(driver), driver=driver)
    project.add_revision("r2", revision, after="r1")
    with holding(tcp_url, "lock table held"):
        run = start(project)
        wait_for(tcp_url, QUEUED)
        run.send_signal(number)
        check(project, tcp_url, run, code)


@pytest.mark.parametrize("driver", EVERY)
@pytest.mark.parametrize("revision", [SLEEPS, COMPUTES], ids=["sleeps", "computes"])
def test_up_interrupted_while_a_revision_does_something_else(
    tmp_path: Path, tcp_url: str, driver: Driver, revision: str
) -> None:
    project = env_project(tmp_path, tcp_url, plain_env(driver), driver=driver)
    project.add_revision("r2", revision, after="r1")
    run = start(project)
    reach(project, run)
    run.send_signal(signal.SIGTERM)
    check(project, tcp_url, run, 143)


def test_up_interrupted_and_env_py_swallows_whatever_is_raised(
    tmp_path: Path, tcp_url: str
) -> None:
    execute(tcp_url, "create table held (id integer)")
    project = env_project(tmp_path, tcp_url, SWALLOWING_ENV)
    project.add_revision("r2", WAITS, after="r1")
    with holding(tcp_url, "lock table held"):
        run = start(project)
        wait_for(tcp_url, QUEUED)
        run.send_signal(signal.SIGINT)
        check(project, tcp_url, run, 130)


@pytest.mark.parametrize("driver", EVERY)
@pytest.mark.parametrize("revision", [WAITS, SLEEPS], ids=["waits", "sleeps"])
def test_up_interrupted_where_dbctl_may_not_cancel_the_session_of_env_py(
    tmp_path: Path, server: TestServer, tcp_url: str, driver: Driver, revision: str
) -> None:
    database = name_of(tcp_url)
    role = f"watcher_of_{database}"
    server.execute(f"create role {role} login")
    try:
        execute(
            tcp_url,
            "create table held (id integer)",
            f"grant create on database {database} to {role}",
        )
        project = env_project(tmp_path, tcp_url, plain_env(driver), driver=driver)
        project.add_revision("r2", revision, after="r1")
        assert project.dbctl("migrate", "up", "r1").exit_code == 0
        execute(
            tcp_url,
            f"grant select on alembic_version to {role}",
            f"grant usage on schema dbctl to {role}",
            f"grant select on all tables in schema dbctl to {role}",
        )
        watcher = tcp_url.replace("//postgres:", f"//{role}:")
        with holding(tcp_url, "lock table held"):
            run = project.start_dbctl(
                "migrate", "up", "--ddl-lock-timeout", "600", "--json", DATABASE_URL=watcher
            )
            if revision is WAITS:
                wait_for(tcp_url, QUEUED)
            else:
                reach(project, run)
            run.send_signal(signal.SIGINT)
            check(project, tcp_url, run, 130)
    finally:
        server.execute(f"drop owned by {role}", database=database)
        server.execute(f"drop role {role}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", ["migrate status", "config --check"])
def test_command_that_reads_interrupted_while_env_py_does_not_end(
    tmp_path: Path, tcp_url: str, command: str, number: signal.Signals
) -> None:
    body = "open('reached', 'w').close()\nimport time\ntime.sleep(3600)\n"
    project = env_project(tmp_path, tcp_url, body)
    run = project.start_dbctl(*command.split(), "--json")
    reach(project, run)
    run.send_signal(number)
    done = run.finish(SOON)
    assert done.json["error"]["code"] == "interrupted", done
    assert "Traceback" not in done.stderr
