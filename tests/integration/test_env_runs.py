"""env.py files of every kind: what a read-only run leaves alone, and how revisions are run by them.

Each runs unedited, as plain Alembic would run it.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cli import environment
from tests.support.databases import execute, fetch, holding
from tests.support.env_files import PLAIN, digest_of, env_project, plain_env
from tests.support.foreign import Driver, ForeignProject, ledger_of, tables_of

# Long: run with -m slow.
pytestmark = pytest.mark.slow

DRIVERS = [Driver.PSYCOPG, Driver.PSYCOPG2, Driver.PG8000]
READERS = [
    ["migrate", "status"],
    ["migrate", "plan"],
    ["migrate", "check"],
    ["migrate", "history"],
    ["migrate", "log"],
    ["migrate", "verify"],
    ["health", "--only", "connection,migrations"],
]

# A run that changes nothing

ONE_ENGINE = """
with engine({options}).connect() as connection:
{before}
    migrate(connection)
{after}
"""
WRITES = {
    "ddl": 'connection.execute(text("create table sneaky (id integer)"))\nconnection.commit()',
    "schema": 'connection.execute(sa.schema.CreateSchema("sneaky"))\nconnection.commit()',
    "insert": 'connection.execute(text("insert into kept values (2)"))\nconnection.commit()',
    "many": 'connection.execute(text("insert into kept values (:n)"), [{"n": 2}, {"n": 3}])\n'
    "connection.commit()",
    "cte": 'connection.execute(text("with new as (insert into kept values (2) returning id)'
    ' select * from new"))\nconnection.commit()',
    "explain": 'connection.execute(text("explain analyze insert into kept values (2)"))\n'
    "connection.commit()",
    "function": 'connection.execute(text("select add_kept(2)"))\nconnection.commit()',
    "sequence": "connection.execute(text(\"select setval('numbers', 77)\"))\nconnection.commit()",
    "do": 'connection.execute(text("do $$ begin insert into kept values (2); end $$"))\n'
    "connection.commit()",
    "several": 'connection.exec_driver_sql("set search_path to public; insert into kept values'
    ' (2)")\nconnection.commit()',
    "read write": 'connection.execute(text("set transaction read write"))\n'
    "connection.execute(text(\"select setval('numbers', 77)\"))\nconnection.commit()",
    "begin": 'connection.exec_driver_sql("begin; insert into kept values (2); commit")',
    "table": 'sa.Table("sneaky", sa.MetaData(), sa.Column("id", sa.Integer)).create(connection)\n'
    "connection.commit()",
    "lock": 'connection.execute(text("select pg_advisory_lock(7)"))\nconnection.commit()\n'
    'connection.execute(text("insert into kept values (2)"))\nconnection.commit()',
    "setting": "connection.execute(text(\"select set_config('lock_timeout', '5s', false)\"))\n"
    'connection.execute(text("set statement_timeout = 0"))\nconnection.commit()',
}
# Past SQLAlchemy: the server alone can refuse it.
PAST = {
    "cursor": 'connection.connection.cursor().execute("insert into kept values (2)")\n'
    "connection.connection.commit()",
    "engine's connection": "raw = connection.engine.raw_connection()\n"
    'raw.cursor().execute("create table sneaky (id integer)")\nraw.commit()',
    "autocommit": "raw = connection.engine.raw_connection()\n"
    "raw.driver_connection.autocommit = True\n"
    'raw.cursor().execute("create table sneaky (id integer)")',
    "listener": "other = engine()\n"
    '@sa.event.listens_for(other, "connect")\n'
    "def prepare(raw, record):\n"
    '    raw.cursor().execute("insert into kept values (2)")\n'
    "    raw.commit()\n"
    "other.connect().close()",
}


def prepare(url: str) -> None:
    """Make what the env.py files of these tests write to."""
    execute(
        url,
        "create table kept (id integer)",
        "insert into kept values (1)",
        "create sequence numbers",
        "create function add_kept(integer) returns void language sql"
        " as 'insert into kept values ($1)'",
    )


def indented(lines: str) -> str:
    return "".join(f"    {line}\n" for line in lines.splitlines())


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("options", ["", 'isolation_level="AUTOCOMMIT"'], ids=["", "autocommit"])
@pytest.mark.parametrize("write", WRITES)
def test_status_and_plan_write_nothing_that_env_py_would_write(
    tmp_path: Path, tcp_url: str, write: str, options: str, driver: Driver
) -> None:
    prepare(tcp_url)
    lines = indented(WRITES[write])
    body = ONE_ENGINE.format(options=options, before=lines, after=lines)
    project = env_project(tmp_path, tcp_url, body, driver=driver)
    before = digest_of(tcp_url)
    for command, code in ((["migrate", "status"], 1), (["migrate", "plan"], 0)):
        done = project.dbctl(*command, "--json")
        assert done.exit_code == code, done
    assert digest_of(tcp_url) == before


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("write", PAST)
def test_status_is_refused_where_env_py_writes_past_sqlalchemy(
    tmp_path: Path, tcp_url: str, write: str, driver: Driver
) -> None:
    prepare(tcp_url)
    body = ONE_ENGINE.format(options="", before=indented(PAST[write]), after="")
    project = env_project(tmp_path, tcp_url, body, driver=driver)
    before = digest_of(tcp_url)
    for command in (["migrate", "status"], ["migrate", "up"]):
        done = project.dbctl(*command, "--json")
        assert (done.exit_code, done.json["error"]["code"]) == (2, "migration_scripts"), done
        assert "read-only transaction" in done.json["error"]["message"]
        assert "past SQLAlchemy" in done.json["error"]["hint"]
    assert digest_of(tcp_url) == before


WRITES_ASYNC = """
async def main():
    async with async_engine().connect() as connection:
        await connection.execute(text("create schema if not exists tenant"))
        await connection.execute(text("select add_kept(2)"))
        await connection.execute(text("insert into kept values (2)"))
        await connection.commit()
        await connection.execute(text("set search_path to tenant, public"))
        await connection.commit()
        await connection.run_sync(migrate)

asyncio.run(main())
"""
IN_A_THREAD = """
from concurrent.futures import ThreadPoolExecutor


def work():
    with engine().connect() as connection:
        connection.execute(text("insert into kept values (2)"))
        connection.commit()
        migrate(connection)


with ThreadPoolExecutor() as executor:
    executor.submit(work).result()
"""


@pytest.mark.parametrize(
    ("body", "driver"),
    [(WRITES_ASYNC, "asyncpg"), (WRITES_ASYNC, "psycopg"), (IN_A_THREAD, "psycopg2")],
    ids=["asyncpg", "psycopg", "thread"],
)
def test_every_command_that_reads_leaves_the_database_as_it_is(
    tmp_path: Path, tcp_url: str, body: str, driver: str
) -> None:
    prepare(tcp_url)
    project = env_project(tmp_path, tcp_url, body, driver=driver)
    for state in ("pending", "current"):
        before = digest_of(tcp_url)
        for command in READERS:
            done = project.dbctl(*command, "--json")
            assert done.exit_code in {0, 1}, done
        assert digest_of(tcp_url) == before, state
        done = project.dbctl("migrate", "up", "--json")
        assert (done.exit_code, done.json["after"]) == (0, ["r2"]), done


def test_up_after_what_was_left_out_was_done(tmp_path: Path, tcp_url: str) -> None:
    prepare(tcp_url)
    project = env_project(tmp_path, tcp_url, WRITES_ASYNC, driver="asyncpg")
    done = project.dbctl("migrate", "up", "--json")
    assert (done.exit_code, done.json["after"]) == (0, ["r2"]), done
    assert {"tenant.alembic_version", "tenant.t1", "tenant.t2"} <= set(tables_of(tcp_url))
    assert fetch(tcp_url, "select count(*) from kept") == [3], "once, in the run of the revisions"


def test_status_names_what_env_py_depends_on_and_was_left_out(tmp_path: Path, tcp_url: str) -> None:
    prepare(tcp_url)
    body = """
    with engine().begin() as connection:
        connection.execute(text("insert into kept values (2) returning id")).scalar_one()
    """
    project = env_project(tmp_path, tcp_url, body)
    done = project.dbctl("migrate", "status", "--json")
    assert (done.exit_code, done.json["error"]["code"]) == (2, "migration_scripts"), done
    assert "`insert into kept values (2) returning id`" in done.json["error"]["hint"]


@pytest.mark.parametrize("driver", [*DRIVERS, Driver.ASYNCPG])
def test_status_statement_of_env_py_that_fails_is_not_taken_for_a_connection(
    tmp_path: Path, tcp_url: str, driver: Driver
) -> None:
    query = 'connection.execute(text("select * from missing"))'
    body = f"with engine().connect() as connection:\n    {query}\n"
    if driver is Driver.ASYNCPG:
        body = (
            "async def main():\n    async with async_engine().connect() as connection:\n"
            f"        await {query}\n\nasyncio.run(main())\n"
        )
    project = env_project(tmp_path, tcp_url, body, driver=driver)
    done = project.dbctl("migrate", "status", "--json")
    assert (done.exit_code, done.json["error"]["code"]) == (2, "migration_scripts"), done
    assert '"missing" does not exist' in done.json["error"]["message"]


def test_status_does_not_wait_for_a_lock_of_env_py_that_a_run_holds(
    tmp_path: Path, tcp_url: str
) -> None:
    body = """
    with engine().connect() as connection:
        connection.execute(text("select pg_advisory_lock(7)"))
        connection.commit()
        migrate(connection)
    """
    project = env_project(tmp_path, tcp_url, body)
    with holding(tcp_url, "select pg_advisory_lock(7)"):
        done = project.dbctl("migrate", "status", "--json")
        assert (done.exit_code, done.json["state"]) == (1, "empty"), done
    assert project.dbctl("migrate", "up").exit_code == 0


@pytest.mark.parametrize("use", ["engine.connect()", "engine.begin()"])
@pytest.mark.parametrize("driver", DRIVERS)
def test_up_pooled_engine_of_a_module_is_used_again(
    tmp_path: Path, tcp_url: str, driver: Driver, use: str
) -> None:
    body = f"from database import engine\nwith {use} as connection:\n    migrate(connection)\n"
    project = env_project(tmp_path, tcp_url, body, driver=driver, revisions=3)
    project.write("database.py", f"from sqlalchemy import create_engine\n{engine_of(project)}")
    done = project.dbctl("migrate", "up", "--lock-wait", "5", "--json")
    assert (done.exit_code, done.json["after"]) == (0, ["r3"]), done
    down = project.dbctl("migrate", "down", "base", "--yes", "--lock-wait", "5", "--json")
    assert (down.exit_code, down.json["after"]) == (0, []), down


def test_up_connection_of_a_module_that_is_never_closed_is_used_again(
    tmp_path: Path, tcp_url: str
) -> None:
    project = env_project(
        tmp_path, tcp_url, "from database import connection\nmigrate(connection)\n"
    )
    project.write(
        "database.py",
        "from sqlalchemy import create_engine\n"
        f"{engine_of(project)}\nconnection = engine.connect()\n",
    )
    done = project.dbctl("migrate", "up", "--json")
    assert (done.exit_code, done.json["after"]) == (0, ["r2"]), done


def engine_of(project: ForeignProject) -> str:
    """Return the line that makes the project's engine with SQLAlchemy's usual pool."""
    lines = project.read("alembic/env.py").splitlines()
    url = next(line for line in lines if line.startswith("URL = ")).removeprefix("URL = ")
    return f"engine = create_engine({url})"


@pytest.mark.parametrize(
    "body",
    [
        "import time\ntime.sleep(3600)\n",
        'with engine().connect() as connection:\n    connection.execute(text("table held"))\n',
    ],
    ids=["asleep", "locked"],
)
def test_status_env_py_that_does_not_end_is_left_at_the_deadline(
    tmp_path: Path, tcp_url: str, body: str
) -> None:
    execute(tcp_url, "create table held (id integer)")
    project = env_project(tmp_path, tcp_url, body)
    program = (
        "import sys; from dbctl.migrate.run import learn; learn._IMPORT_SECONDS = 1.0;"
        " from dbctl.cli import main; sys.argv = ['dbctl', 'migrate', 'status', '--json']; main()"
    )
    with holding(tcp_url, "lock table held"):
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=project.root,
            env=environment(DATABASE_URL=tcp_url, DB_CONNECT_DEADLINE="1"),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 3, done
    error = json.loads(done.stdout)["error"]
    assert error["message"] == "env.py did not end within 1 s"


# Transactions

AGAIN = "got no lock in attempt 1 and was rolled back"
ALONE = {
    "begin": "with engine().begin() as connection:\n    migrate(connection)\n",
    "never closed": "migrate(engine().connect())\n",
    "begun by hand": "with engine().connect() as connection:\n"
    "    with connection.begin():\n        migrate(connection)\n",
    "never committed": "connection = engine().connect()\nconnection.begin()\n"
    "migrate(connection)\nconnection.close()\n",
    "nested": "with engine().connect() as connection:\n"
    "    with connection.begin(), connection.begin_nested():\n        migrate(connection)\n",
    "configured twice": "with engine().connect() as connection:\n"
    "    context.configure(connection=connection)\n    migrate(connection)\n",
    "configured by URL first": "context.configure(url=URL)\n"
    "with engine().connect() as connection:\n    migrate(connection)\n",
    "run twice": "with engine().connect() as connection:\n"
    "    migrate(connection)\n    migrate(connection)\n",
    "two connections": "with engine().connect() as one, engine().connect() as two:\n"
    "    migrate(one)\n    migrate(two)\n",
    "swallows": "try:\n    with engine().connect() as connection:\n"
    "        migrate(connection)\nexcept Exception as error:\n    print(error)\n",
    "swallows in a transaction": "with engine().begin() as connection:\n    try:\n"
    "        migrate(connection)\n    except Exception as error:\n        print(error)\n",
    "exits": "with engine().connect() as connection:\n    migrate(connection)\n"
    "raise SystemExit(0)\n",
    "exits over an error": "import sys\ntry:\n    with engine().connect() as connection:\n"
    "        migrate(connection)\nexcept Exception as error:\n    sys.exit(3)\n",
    "wraps an error": "try:\n    with engine().connect() as connection:\n"
    "        migrate(connection)\nexcept Exception:\n    raise RuntimeError('no luck')\n",
    "raw search_path": "with engine().connect() as connection:\n"
    '    connection.connection.cursor().execute("set search_path to other")\n'
    "    migrate(connection)\n",
    "version elsewhere": "with engine().connect() as connection:\n"
    '    migrate(connection, version_table="moved", version_table_schema="other")\n',
}


def table_of(url: str, name: str) -> bool:
    return any(found.endswith(f".{name}") for found in tables_of(url))


@pytest.mark.parametrize("driver", [Driver.PSYCOPG, Driver.PSYCOPG2])
@pytest.mark.parametrize("how", ALONE)
def test_up_and_down_run_each_revision_once_however_env_py_runs_them(
    tmp_path: Path, tcp_url: str, how: str, driver: Driver
) -> None:
    execute(tcp_url, "create schema other")
    project = env_project(tmp_path, tcp_url, ALONE[how], driver=driver)
    done = project.dbctl("migrate", "up", "--lock-wait", "5", "--json")
    assert (done.exit_code, done.json["after"]) == (0, ["r2"]), done
    assert ledger_of(tcp_url) == ["r1", "r2"]
    schema = "other" if how == "raw search_path" else "public"
    assert {f"{schema}.t1", f"{schema}.t2"} <= set(tables_of(tcp_url))
    status = project.dbctl("migrate", "status", "--json")
    assert (status.exit_code, status.json["state"]) == (0, "current"), status
    down = project.dbctl("migrate", "down", "base", "--yes", "--lock-wait", "5", "--json")
    assert (down.exit_code, down.json["after"]) == (0, []), down
    assert not table_of(tcp_url, "t1")


@pytest.mark.parametrize("how", ALONE)
def test_up_is_tried_again_after_a_lock_timeout_however_env_py_runs_it(
    tmp_path: Path, tcp_url: str, how: str
) -> None:
    execute(tcp_url, "create schema other", "create table held (id integer)")
    project = env_project(tmp_path, tcp_url, ALONE[how])
    project.add_revision(
        "r2",
        'op.execute("create table t2 (id integer)")\n'
        'op.execute("alter table public.held add column n integer")',
        after="r1",
        downgrade="pass",
    )
    with holding(tcp_url, "lock table held"):
        run = project.start_dbctl("migrate", "up", "--ddl-lock-timeout", "0.2", "--json")
        while AGAIN not in run.stderr:
            assert run.is_running, run.finish()
    done = run.finish()
    assert (done.exit_code, done.json["after"]) == (0, ["r2"]), done
    assert done.json["applied"][1]["attempts"] > 1
    assert ledger_of(tcp_url) == ["r1", "r2"]


@pytest.mark.parametrize(
    "failure", ['op.execute("select 1/0")', 'raise ValueError("division by zero")']
)
@pytest.mark.parametrize("how", ALONE)
def test_up_failing_revision_is_rolled_back_and_told_however_env_py_runs_it(
    tmp_path: Path, tcp_url: str, how: str, failure: str
) -> None:
    execute(tcp_url, "create schema other")
    project = env_project(tmp_path, tcp_url, ALONE[how])
    project.add_revision("r2", f'op.execute("create table t2 (id integer)")\n{failure}', after="r1")
    done = project.dbctl("migrate", "up", "--lock-wait", "5", "--json")
    assert (done.exit_code, done.json["error"]["code"]) == (4, "migration_failed"), done
    assert "revision r2 (make r2) failed" in done.json["error"]["message"]
    assert "division by zero" in done.json["error"]["message"]
    assert done.json["after"] == ["r1"]
    assert not table_of(tcp_url, "t2")
    assert ledger_of(tcp_url) == ["r1"]


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (
            "with engine().connect() as one:\n    context.configure(connection=one)\n",
            4,
            "env.py ended without running the revisions",
        ),
        (
            "with engine().connect() as connection:\n    pass\n",
            2,
            "env.py has given Alembic no connection",
        ),
    ],
    ids=["never runs", "never configures"],
)
def test_up_env_py_that_runs_nothing_is_told(
    tmp_path: Path, tcp_url: str, body: str, code: int, message: str
) -> None:
    project = env_project(tmp_path, tcp_url, body)
    done = project.dbctl("migrate", "up", "--json")
    assert done.exit_code == code, done
    assert done.json["error"]["message"] == message


# Several versions in one database

TENANTS = {
    "connection each": """
    for name in ("a", "b"):
        with engine().connect() as connection:
            connection.execute(text(f"create schema if not exists {name}"))
            connection.execute(text(f"set search_path to {name}"))
            connection.commit()
            migrate(connection, version_table_schema=name)
    """,
    "one connection": """
    with engine().connect() as connection:
        for name in ("a", "b"):
            connection.execute(text(f"create schema if not exists {name}"))
            connection.execute(text(f"set search_path to {name}"))
            connection.commit()
            migrate(connection, version_table_schema=name)
    """,
    "search_path alone": """
    with engine().connect() as connection:
        for name in ("a", "b"):
            connection.execute(text(f"create schema if not exists {name}"))
            connection.execute(text(f"set search_path to {name}, public"))
            connection.commit()
            migrate(connection)
    """,
    "connections at once": """
    connections = {name: engine().connect() for name in ("a", "b")}
    for name, connection in connections.items():
        connection.execute(text(f"create schema if not exists {name}"))
        connection.execute(text(f"set search_path to {name}"))
        connection.commit()
    for name, connection in connections.items():
        migrate(connection, version_table_schema=name)
    """,
    "one transaction": """
    with engine().begin() as connection:
        for name in ("a", "b"):
            connection.execute(text(f"create schema if not exists {name}"))
            connection.execute(text(f"set search_path to {name}"))
            migrate(connection, version_table_schema=name)
    """,
    "transaction each": """
    for name in ("a", "b"):
        with engine().begin() as connection:
            connection.execute(text(f"create schema if not exists {name}"))
            connection.execute(text(f"set search_path to {name}"))
            migrate(connection, version_table_schema=name)
    """,
    "transactions at once": """
    begun = []
    for name in ("a", "b"):
        connection = engine().connect()
        connection.execute(text(f"create schema if not exists {name}"))
        connection.commit()
        connection.execute(text(f"set search_path to {name}"))
        connection.commit()
        begun.append((name, connection, connection.begin()))
    for name, connection, transaction in begun:
        context.configure(connection=connection, version_table_schema=name)
        context.run_migrations()
    for name, connection, transaction in begun:
        transaction.commit()
    """,
}


@pytest.mark.parametrize("existing", [False, True], ids=["new", "existing"])
@pytest.mark.parametrize("how", TENANTS)
def test_up_and_down_two_schemas_of_one_database(
    tmp_path: Path, tcp_url: str, how: str, existing: bool
) -> None:
    if existing:
        execute(tcp_url, "create schema a", "create schema b")
    project = env_project(tmp_path, tcp_url, TENANTS[how])
    first = project.dbctl("migrate", "up", "r1", "--lock-wait", "5", "--json")
    assert first.exit_code == 0, first
    pending = project.dbctl("migrate", "status", "--json")
    assert [each["state"] for each in pending.json["databases"]] == ["pending"] * 2, pending
    plan = project.dbctl("migrate", "plan", "--json")
    assert [each["revision"] for each in plan.json["revisions"]] == ["r2", "r2"], plan
    done = project.dbctl("migrate", "up", "--lock-wait", "5", "--json")
    assert done.exit_code == 0, done
    assert [each["after"] for each in done.json["databases"]] == [["r2"], ["r2"]]
    assert {each["database"].rpartition(" ")[2] for each in done.json["databases"]} == {
        "(a.alembic_version)",
        "(b.alembic_version)",
    }
    assert {f"{s}.{t}" for s in "ab" for t in ("t1", "t2")} <= set(tables_of(tcp_url))
    versions = "select version_num::text from a.alembic_version union all table b.alembic_version"
    assert fetch(tcp_url, versions) == ["r2", "r2"]
    assert sorted(ledger_of(tcp_url)) == ["r1", "r1", "r2", "r2"]
    down = project.dbctl("migrate", "down", "base", "--yes", "--lock-wait", "5", "--json")
    assert down.exit_code == 0, down
    assert not table_of(tcp_url, "t1")


@pytest.mark.parametrize("how", TENANTS)
def test_up_two_schemas_is_tried_again_after_a_lock_timeout_in_one(
    tmp_path: Path, tcp_url: str, how: str
) -> None:
    execute(tcp_url, "create schema a", "create schema b", "create table b.held (id integer)")
    project = env_project(tmp_path, tcp_url, TENANTS[how])
    project.add_revision(
        "r2",
        'op.execute("create table t2 (id integer)")\n'
        'op.execute("alter table if exists held add column n integer")',
        after="r1",
    )
    with holding(tcp_url, "lock table b.held"):
        run = project.start_dbctl("migrate", "up", "--ddl-lock-timeout", "0.2", "--json")
        while AGAIN not in run.stderr:
            assert run.is_running, run.finish()
    done = run.finish()
    assert done.exit_code == 0, done
    assert [each["after"] for each in done.json["databases"]] == [["r2"], ["r2"]]
    assert sorted(ledger_of(tcp_url)) == ["r1", "r1", "r2", "r2"]


def test_up_two_schemas_and_env_py_swallows_the_error_of_one(tmp_path: Path, tcp_url: str) -> None:
    body = """
    for name in ("a", "b"):
        try:
            with engine().connect() as connection:
                connection.execute(text(f"create schema if not exists {name}"))
                connection.execute(text(f"set search_path to {name}"))
                connection.commit()
                migrate(connection, version_table_schema=name)
        except Exception as error:
            print(error)
    """
    project = env_project(tmp_path, tcp_url, body)
    project.add_revision(
        "r2",
        'op.execute("create table t2 (id integer)")\n'
        'if op.get_bind().scalar(sa.text("select current_schema()")) == "a":\n'
        '    raise ValueError("not in a")',
        after="r1",
    )
    done = project.dbctl("migrate", "up", "--lock-wait", "5", "--json")
    assert (done.exit_code, done.json["error"]["code"]) == (4, "migration_failed"), done
    assert "not in a" in done.json["error"]["message"]
    assert "a.alembic_version" in done.json["error"]["message"]
    assert [each["after"] for each in done.json["databases"]] == [["r1"], ["r2"]]
    tables = tables_of(tcp_url)
    assert "b.t2" in tables
    assert "a.t2" not in tables


# What a revision sends

TWO_STATEMENTS = '''
op.execute(
    """
    -- a comment; with a semicolon
    create table t2 (id integer);
    create function count_t2() returns integer language plpgsql as $body$
    begin
        return (select count(*) from t2); -- ; '
    end $body$;
    /* another; comment */
    create function one() returns integer begin atomic select 1; end;
    insert into t2 values (one()), (2)
    """
)
'''
UNDO_STATEMENTS = """
op.execute("drop function one(); drop function count_t2(); drop table t2;")
"""


@pytest.mark.parametrize("driver", [*DRIVERS, Driver.ASYNCPG])
def test_up_plan_and_down_agree_on_several_statements_in_one_text(
    tmp_path: Path, tcp_url: str, driver: Driver
) -> None:
    project = env_project(tmp_path, tcp_url, plain_env(driver), driver=driver)
    project.add_revision("r2", TWO_STATEMENTS, after="r1", downgrade=UNDO_STATEMENTS)
    plan = project.dbctl("migrate", "plan", "--json")
    assert (plan.exit_code, plan.json["hash"] is None) == (0, False), plan
    done = project.dbctl("migrate", "up", "--to-plan", plan.json["hash"], "--json")
    assert (done.exit_code, done.json["after"]) == (0, ["r2"]), done
    assert fetch(tcp_url, "select count_t2()") == [2]
    assert project.dbctl("migrate", "down", "--yes").exit_code == 0
    assert fetch(tcp_url, "select to_regproc('one') is null") == [True]


@pytest.mark.parametrize("driver", [*DRIVERS, Driver.ASYNCPG])
def test_up_second_of_several_statements_fails_and_all_is_rolled_back(
    tmp_path: Path, tcp_url: str, driver: Driver
) -> None:
    project = env_project(tmp_path, tcp_url, plain_env(driver), driver=driver)
    project.add_revision(
        "r2", 'op.execute("create table t2 (id integer); drop table nowhere")', after="r1"
    )
    done = project.dbctl("migrate", "up", "--json")
    assert (done.exit_code, done.json["error"]["code"]) == (4, "migration_failed"), done
    assert '"nowhere" does not exist (SQLSTATE 42P01)' in done.json["error"]["message"]
    assert done.json["after"] == ["r1"]
    assert not table_of(tcp_url, "t2")


@pytest.mark.parametrize("driver", [*DRIVERS, Driver.ASYNCPG])
@pytest.mark.parametrize(
    "statement",
    ["create index concurrently i on t1 (id)", "vacuum t1", "reindex table concurrently t1"],
)
def test_plan_and_up_refuse_what_the_server_does_not_run_in_a_transaction(
    tmp_path: Path, tcp_url: str, statement: str, driver: Driver
) -> None:
    project = env_project(tmp_path, tcp_url, plain_env(driver), driver=driver)
    project.add_revision("r2", f"op.execute({statement!r})", after="r1")
    plan = project.dbctl("migrate", "plan", "--json")
    assert (plan.exit_code, plan.json["hash"]) == (0, None), plan
    refused = [each["refused"] for each in plan.json["revisions"][1]["statements"]]
    assert any("autocommit_block" in (each or "") for each in refused)
    done = project.dbctl("migrate", "up", "--json")
    assert (done.exit_code, done.json["error"]["code"]) == (4, "migration_failed"), done
    assert "revision r2 (alembic/versions/r2.py) cannot run" in done.json["error"]["message"]
    assert "autocommit_block" in done.json["error"]["message"]
    assert tables_of(tcp_url) == []


COMMITS = """
op.execute("create table t2 (id integer)")
op.execute("COMMIT")
op.execute("select 1/0")
"""


@pytest.mark.parametrize("driver", [*DRIVERS, Driver.ASYNCPG])
def test_up_revision_that_commits_by_a_statement_is_not_said_to_be_rolled_back(
    tmp_path: Path, tcp_url: str, driver: Driver
) -> None:
    project = env_project(tmp_path, tcp_url, plain_env(driver), driver=driver)
    project.add_revision("r2", COMMITS, after="r1")
    done = project.dbctl("migrate", "up", "--json")
    assert (done.exit_code, done.json["after"]) == (4, ["r1"]), done
    assert table_of(tcp_url, "t2")
    assert "What it had committed before" in done.json["error"]["hint"]


@pytest.mark.parametrize(
    ("driver", "revision", "said"),
    [
        (
            Driver.ASYNCPG,
            'at = sa.table("t1", sa.column("at", sa.DateTime(timezone=True)))\n'
            'op.bulk_insert(at, [{"at": "2024-01-02T03:04:05Z"}])',
            "invalid input for query argument $1",
        ),
        (
            Driver.PSYCOPG2,
            'bind = op.get_bind()\nbind.execute(sa.text("select :given"), {"given": {"a": 1}})',
            "can't adapt type 'dict'",
        ),
        (
            Driver.PSYCOPG,
            'bind = op.get_bind()\nbind.execute(sa.text("select :given"), {"given": {"a": 1}})',
            "cannot adapt type 'dict'",
        ),
    ],
    ids=["asyncpg", "psycopg2", "psycopg"],
)
def test_up_parameter_that_a_driver_does_not_take_names_both(
    tmp_path: Path, tcp_url: str, driver: Driver, revision: str, said: str
) -> None:
    project = env_project(tmp_path, tcp_url, plain_env(driver), driver=driver)
    project.add_revision("r1", 'op.execute("create table t1 (at timestamptz)")')
    project.add_revision("r2", revision, after="r1")
    done = project.dbctl("migrate", "up", "--json")
    assert (done.exit_code, done.json["error"]["code"]) == (4, "migration_failed"), done
    assert f"{driver} does not accept a parameter" in done.json["error"]["message"]
    assert said in done.json["error"]["message"]
    assert done.json["after"] == ["r1"]
    assert "Traceback" not in done.stderr


# What env.py does to logging

LOGGING = {
    "basicConfig": "logging.basicConfig(level=logging.DEBUG, stream=sys.stdout, force=True)",
    "root handler": "logging.getLogger().addHandler(logging.StreamHandler(sys.stdout))\n"
    "logging.getLogger().addHandler(logging.StreamHandler())\n"
    "logging.getLogger().setLevel(logging.DEBUG)",
    "own handlers": "for name in ('alembic', 'sqlalchemy.engine', 'dbctl'):\n"
    "    logging.getLogger(name).addHandler(logging.StreamHandler())\n"
    "    logging.getLogger(name).setLevel(logging.DEBUG)",
    "dictConfig": "import logging.config\nlogging.config.dictConfig({'version': 1, 'handlers':"
    " {'h': {'class': 'logging.StreamHandler', 'stream': 'ext://sys.stdout'}},"
    " 'root': {'handlers': ['h'], 'level': 'DEBUG'}})",
    "disable": "logging.disable(logging.CRITICAL)",
    "silence": "logging.getLogger('sqlalchemy.engine').setLevel(logging.ERROR)\n"
    "logging.getLogger('alembic.runtime.migration').setLevel(logging.ERROR)\n"
    "logging.getLogger('dbctl').setLevel(logging.ERROR)",
}


@pytest.mark.parametrize("where", ["env.py", "revision", "models"])
@pytest.mark.parametrize("how", LOGGING)
def test_logging_of_the_project_changes_nothing_of_what_dbctl_says(
    tmp_path: Path, tcp_url: str, how: str, where: str
) -> None:
    lines = f"import logging\nimport sys\n{LOGGING[how]}\n"
    project = env_project(
        tmp_path, tcp_url, f"import models\n{lines if where == 'env.py' else ''}{PLAIN}"
    )
    project.write("models.py", lines if where == "models" else "")
    if where == "revision":
        path = "alembic/versions/r1.py"
        project.write(path, project.read(path) + lines)
    quiet = project.dbctl("migrate", "up", "r1")
    assert quiet.exit_code == 0, quiet
    assert quiet.stderr.splitlines() == [
        line for line in quiet.stderr.splitlines() if line.startswith("up 1/1 r1 make r1")
    ]
    assert not any(word in quiet.stdout for word in ("INFO", "DEBUG", "alembic.runtime", "BEGIN"))
    loud = project.dbctl("-v", "migrate", "up", "--json")
    assert (loud.exit_code, loud.json["after"]) == (0, ["r2"]), loud
    told = [line for line in loud.stderr.splitlines() if "create table t2" in line]
    assert told == ["sqlalchemy.engine.Engine: create table t2 (id integer)"], loud.stderr
    ran = [line for line in loud.stderr.splitlines() if "Running upgrade r1 -> r2" in line]
    assert ran == ["alembic.runtime.migration: Running upgrade r1 -> r2, make r2"], loud.stderr


def test_up_project_that_looks_for_its_own_log_handlers_finds_them(
    tmp_path: Path, tcp_url: str
) -> None:
    lines = (
        "import logging.config\n"
        "logging.config.dictConfig({'version': 1,"
        " 'handlers': {'task': {'class': 'logging.NullHandler'}, 'out': {'class':"
        " 'logging.StreamHandler', 'stream': 'ext://sys.stdout'}},"
        " 'loggers': {'shop.task': {'handlers': ['task'], 'level': 'DEBUG'}},"
        " 'root': {'handlers': ['out'], 'level': 'DEBUG'}})\n"
        "(found,) = logging.getLogger('shop.task').handlers\n"
        "assert found.name == 'task'\n"
    )
    project = env_project(tmp_path, tcp_url, f"{lines}{PLAIN}")
    done = project.dbctl("migrate", "up", "r1", "--json")
    assert (done.exit_code, done.json["after"]) == (0, ["r1"]), done
    assert "DEBUG" not in done.stderr
