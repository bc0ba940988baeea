"""An env.py that reaches its database through a pooler, or through what is slow to wake."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.support.databases import TestServer, execute, fetch
from tests.support.env_files import PLAIN, digest_of, env_project, plain_env
from tests.support.foreign import Driver, ForeignProject, driver_url, ledger_of, name_of
from tests.support.pgbouncer import POOL_SIZE, Pgbouncer
from tests.support.processes import Running
from tests.support.proxy import FaultProxy, Mode

# Long: run with -m slow.
pytestmark = pytest.mark.slow

EVERY = [Driver.PSYCOPG, Driver.PSYCOPG2, Driver.ASYNCPG, Driver.PG8000]
CREATOR = """
import psycopg
made = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect({dsn!r}))
with made.connect() as connection:
    migrate(connection)
"""


def pooled(pgbouncer: Pgbouncer, url: str) -> str:
    """Return the URL that reaches the database of `url` through pgbouncer."""
    return pgbouncer.url_of(name_of(url))


def libpq(url: str) -> str:
    return make_url(url).render_as_string(hide_password=False)


@pytest.mark.parametrize("driver", EVERY)
@pytest.mark.parametrize("command", [["up"], ["stamp", "head"], ["down", "base", "--yes"]])
def test_env_py_behind_a_pooler_is_refused_by_name_where_database_url_is_direct(
    tmp_path: Path, tcp_url: str, pgbouncer: Pgbouncer, driver: Driver, command: list[str]
) -> None:
    project = env_project(tmp_path, pooled(pgbouncer, tcp_url), plain_env(driver), driver=driver)
    project = replace(project, env={"DATABASE_URL": tcp_url})
    before = digest_of(tcp_url)
    done = project.dbctl("migrate", *command, "--json")
    assert (done.exit_code, done.json["error"]["code"]) == (5, "pooled_endpoint"), done
    assert name_of(tcp_url) in done.json["error"]["message"]
    assert f"127.0.0.1:{pgbouncer.port}" in done.json["error"]["message"]
    assert "--allow-pooler" in done.json["error"]["hint"]
    assert digest_of(tcp_url) == before


def test_up_engine_with_a_creator_runs_where_its_session_is_its_own(
    tmp_path: Path, tcp_url: str
) -> None:
    project = env_project(tmp_path, tcp_url, CREATOR.format(dsn=libpq(tcp_url)))
    done = project.dbctl("migrate", "up", "--json")
    assert (done.exit_code, done.json["after"]) == (0, ["r2"]), done


def test_up_engine_with_a_creator_behind_a_pooler_is_refused_unless_allowed(
    tmp_path: Path, tcp_url: str, pgbouncer: Pgbouncer
) -> None:
    body = CREATOR.format(dsn=libpq(pooled(pgbouncer, tcp_url)))
    project = env_project(tmp_path, tcp_url, body)
    done = project.dbctl("migrate", "up", "--json")
    assert (done.exit_code, done.json["error"]["code"]) == (5, "pooled_endpoint"), done
    assert ledger_of_or_none(tcp_url) == []
    allowed = project.dbctl("migrate", "up", "--allow-pooler", "--json")
    assert (allowed.exit_code, allowed.json["after"]) == (0, ["r2"]), allowed


def ledger_of_or_none(url: str) -> list[str]:
    if fetch(url, "select to_regclass('dbctl.dbctl_ledger') is null") == [True]:
        return []
    return ledger_of(url)


REPEATED = """
for number in range(30):
    op.execute(sa.text("insert into t0 values (:n)").bindparams(n=number))
    op.execute("select count(*) from t0")
"""


@pytest.mark.parametrize("begins", [False, True], ids=["", "begin"])
@pytest.mark.parametrize("driver", EVERY)
def test_up_and_down_through_a_pooler_repeat_statements_and_leave_no_setting_behind(
    tmp_path: Path, tcp_url: str, pgbouncer: Pgbouncer, driver: Driver, begins: bool
) -> None:
    url = pooled(pgbouncer, tcp_url)
    body = plain_env(driver)
    if begins:
        body = body.replace("connect()", "begin()")
    project = env_project(tmp_path, url, body, driver=driver, revisions=0)
    project.add_revision(
        "r0", 'op.execute("create table t0 (id integer)")', downgrade='op.execute("drop table t0")'
    )
    for number in range(1, 6):
        project.add_revision(f"r{number}", REPEATED, after=f"r{number - 1}", downgrade=REPEATED)
    done = project.dbctl("migrate", "up", "--allow-pooler", "--json")
    assert (done.exit_code, done.json["after"]) == (0, ["r5"]), done
    assert fetch(tcp_url, "select count(*) from t0") == [150]
    down = project.dbctl("migrate", "down", "r0", "--yes", "--allow-pooler", "--json")
    assert (down.exit_code, down.json["after"]) == (0, ["r0"]), down
    status = project.dbctl("migrate", "status", "--json")
    assert (status.exit_code, status.json["state"]) == (1, "pending"), status
    settings = (
        "select current_setting('lock_timeout') || current_setting('synchronous_commit')"
        " || current_setting('default_transaction_read_only')"
    )
    for _ in range(POOL_SIZE * 2):
        assert fetch(f"{url}?pgbouncer=true", settings) == ["0onoff"]
    assert fetch(tcp_url, "select count(*) from pg_locks where locktype = 'advisory'") == [0]


@pytest.mark.parametrize("driver", [Driver.PSYCOPG, Driver.PSYCOPG2])
@pytest.mark.parametrize("options", ["", 'isolation_level="AUTOCOMMIT"'], ids=["", "autocommit"])
def test_status_through_a_pooler_writes_nothing_and_leaves_others_able_to(
    tmp_path: Path, tcp_url: str, pgbouncer: Pgbouncer, options: str, driver: Driver
) -> None:
    execute(
        tcp_url,
        "create table kept (id integer)",
        "create function add_kept() returns void language sql as 'insert into kept values (1)'",
    )
    url = pooled(pgbouncer, tcp_url)
    body = f"""
    with engine({options}).connect() as connection:
        connection.execute(text("select add_kept()"))
        connection.execute(text("insert into kept values (1)"))
        connection.commit()
        migrate(connection)
    """
    project = env_project(tmp_path, url, body, driver=driver)
    before = digest_of(tcp_url)
    done = project.dbctl("migrate", "status", "--json")
    assert (done.exit_code, done.json["state"]) == (1, "unmanaged"), done
    assert digest_of(tcp_url) == before
    for _ in range(POOL_SIZE * 2):
        execute(f"{url}?pgbouncer=true", "insert into kept values (2)")


@pytest.mark.parametrize("driver", [Driver.PSYCOPG, Driver.PSYCOPG2])
def test_status_through_a_pooler_is_refused_where_env_py_writes_with_a_cursor(
    tmp_path: Path, tcp_url: str, pgbouncer: Pgbouncer, driver: Driver
) -> None:
    body = """
    with engine().connect() as connection:
        connection.connection.cursor().execute("create table sneaky (id integer)")
        connection.connection.commit()
        migrate(connection)
    """
    project = env_project(tmp_path, pooled(pgbouncer, tcp_url), body, driver=driver)
    before = digest_of(tcp_url)
    done = project.dbctl("migrate", "status", "--json")
    assert (done.exit_code, done.json["error"]["code"]) == (2, "migration_scripts"), done
    assert digest_of(tcp_url) == before


# What sleeps, as a compute of Neon's does


def start(project: ForeignProject, *arguments: str, **env: str) -> Running:
    return project.start_dbctl("migrate", *arguments, "--json", **env)


@pytest.mark.parametrize("mode", [Mode.REFUSE, Mode.RESET, Mode.CLOSE, Mode.HANG])
@pytest.mark.parametrize("driver", EVERY)
def test_status_waits_for_what_env_py_connects_to(
    tmp_path: Path, server: TestServer, tcp_url: str, driver: Driver, mode: Mode
) -> None:
    with FaultProxy(server.dsn) as proxy:
        url = make_url(tcp_url).set(port=proxy.port).render_as_string(hide_password=False)
        project = env_project(tmp_path, url, plain_env(driver), driver=driver)
        proxy.behave(mode)
        run = start(project, "status", DATABASE_URL=tcp_url, DB_CONNECT_DEADLINE="30")
        if mode is Mode.REFUSE:
            while "waiting for" not in run.stderr:
                assert run.is_running, run.finish()
        else:
            proxy.wait_for_connection()
        proxy.behave(Mode.FORWARD)
        done = run.finish()
    assert (done.exit_code, done.json["state"]) == (1, "empty"), done


def test_status_names_what_env_py_cannot_connect_to(tmp_path: Path, tcp_url: str) -> None:
    url = make_url(tcp_url).set(port=1).render_as_string(hide_password=False)
    project = env_project(tmp_path, url, PLAIN)
    done = project.dbctl(
        "migrate", "status", "--json", DATABASE_URL=tcp_url, DB_CONNECT_DEADLINE="1"
    )
    assert (done.exit_code, done.json["error"]["code"]) == (3, "connection_failed"), done
    assert "127.0.0.1:1/" in done.json["error"]["message"]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("driver", EVERY)
@pytest.mark.parametrize("query", ["?channel_binding=prefer&sslmode=prefer", "?connect_timeout=9"])
def test_up_database_url_of_a_provider_reaches_env_py_as_its_driver_takes_it(
    tmp_path: Path, tcp_url: str, driver: Driver, query: str
) -> None:
    project = env_project(tmp_path, tcp_url, plain_env(driver), driver=driver)
    project.edit_env(
        (
            f"URL = {driver_url(tcp_url, driver)!r}",
            'URL = context.config.get_main_option("sqlalchemy.url")',
        )
    )
    url = f"postgresql+{driver}://x:y@localhost/z"
    project.edit("alembic.ini", ("prepend_sys_path", f"sqlalchemy.url = {url}\nprepend_sys_path"))
    done = project.dbctl("migrate", "up", "--json", DATABASE_URL=tcp_url + query)
    assert (done.exit_code, done.json["after"]) == (0, ["r2"]), done


@pytest.mark.parametrize("driver", [Driver.PSYCOPG, Driver.ASYNCPG])
def test_up_pooled_database_url_with_a_direct_twin_gives_env_py_the_direct_one(
    tmp_path: Path, tcp_url: str, pgbouncer: Pgbouncer, driver: Driver
) -> None:
    project = env_project(tmp_path, tcp_url, plain_env(driver), driver=driver)
    project.edit_env(
        (f"URL = {driver_url(tcp_url, driver)!r}", 'URL = os.environ["DATABASE_URL"]'),
        ("import sqlalchemy as sa", "import os\nimport sqlalchemy as sa"),
    )
    url = pooled(pgbouncer, tcp_url)
    done = project.dbctl(
        "migrate",
        "up",
        "--json",
        DATABASE_URL=driver_url(url, driver),
        DATABASE_URL_UNPOOLED=tcp_url,
    )
    assert (done.exit_code, done.json["after"]) == (0, ["r2"]), done
