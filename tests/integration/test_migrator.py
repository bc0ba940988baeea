"""`dbctl.Migrator`: the operations of `dbctl migrate` in a program's own process."""

import asyncio
import json
import pickle
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dbctl import Migrator
from dbctl.db import dsn
from dbctl.errors import (
    ConfigurationError,
    ConnectionFailed,
    ErrorCode,
    FindingError,
    OperationFailed,
    RefusedError,
    UsageError,
)
from dbctl.migrate.events import Event, Finished, Started
from dbctl.migrate.results import State
from tests.support.cli import ROOT, environment
from tests.support.databases import TestServer, fetch, holding, wait_for
from tests.support.foreign import Driver
from tests.support.pgbouncer import Pgbouncer
from tests.support.project import Project, every_driver

QUEUED = "exists (select from pg_locks where relation = 'held'::regclass and not granted)"
LOCKED = "exists (select from pg_locks where locktype = 'advisory' and granted)"
DOCS = (ROOT / "docs" / "python-api.md").read_text()
# What reads the examples of the page that are no tests of their own.
EXAMPLES = """
import asyncio, io, os, runpy
from contextlib import redirect_stdout
from fastapi.testclient import TestClient
from dbctl import Migrator

migrator = Migrator(os.environ["TEST_DATABASE"], config="alembic.ini", models="shop.models").sync


def test_examples(database_url):
    migrator.down("base", confirm="shop_test")
    deploy = runpy.run_path("deploy.py")["deploy"]
    os.environ["DATABASE_URL"] = database_url
    out = io.StringIO()
    with redirect_stdout(out):
        runpy.run_path("status.py")
        asyncio.run(deploy(database_url))
        migrator.down("base", confirm="shop_test")
        runpy.run_path("errors.py")
    assert out.getvalue() == "empty ['r1']\\nr1 make r1\\n() -> ('r1',)\\n"
    migrator.down("base", confirm="shop_test")
    with TestClient(runpy.run_path("lifespan.py")["app"]):
        assert migrator.status().is_at_head
    runpy.run_path("which.py")
"""


@pytest.fixture
def project(tmp_path: Path, empty_url: str, driver: Driver | None) -> Project:
    """A project of three revisions, the last of which waits for whoever locks the table `held`."""
    project = Project.create(
        tmp_path,
        empty_url,
        "create table held (id int primary key)",
        "create table team (id int)",
        driver=driver,
    )
    project.add_revision(
        "r3",
        "op.execute('alter table held add column note text')",
        after=["r2"],
        downgrade="op.execute('alter table held drop column note')",
    )
    return project


@pytest.fixture(autouse=True)
def _nothing_imported_is_left(tmp_path: Path) -> Iterator[None]:
    """Forget what was imported from below the project, which stays in a program's process."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in sys.modules.keys() - modules:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def migrator_of(
    project: Project,
    *,
    url: str | None = None,
    environment: str | None = None,
    actor: str | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> Migrator:
    return Migrator(
        url or project.url,
        config=project.root / "alembic.ini",
        models=project.environment.get("DBCTL_MODELS"),
        environment=environment,
        actor=actor,
        on_event=on_event,
    )


def database_of(project: Project) -> str:
    name = dsn.parse(project.url, environ={}).database
    assert name is not None
    return name


@every_driver
def test_migrator_in_a_running_loop_returns_what_the_commands_print(
    project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    events: list[Event] = []
    migrator = migrator_of(project, actor="ada", on_event=events.append)

    async def work() -> None:
        before = await migrator.status()
        assert (before.state, before.is_at_head) == (State.EMPTY, False)
        migrated = await migrator.up("r2")
        assert [step.revision for step in migrated.applied] == ["r1", "r2"]
        assert [type(event) for event in events] == [Started, Finished] * 2
        assert (await migrator.up()).after == ("r3",)
        back = await migrator.down("-1", confirm=database_of(project))
        assert (back.direction, back.after) == ("down", ("r2",))
        after = {number: signal.getsignal(number) for number in handlers}
        assert after[signal.SIGTERM] == handlers[signal.SIGTERM]

    asyncio.run(work())
    assert capfd.readouterr() == ("", "")
    assert {number: signal.getsignal(number) for number in handlers} == handlers
    entries = project.run("migrate", "log", "--json").json["entries"]
    assert {entry["actor"] for entry in entries} == {"ada"}
    for command in ("status", "plan"):
        result = getattr(migrator.sync, command)()
        printed = project.run("migrate", command, "--json").json
        assert printed == json.loads(result.model_dump_json())


def test_failed_revision_raises_with_what_was_applied_and_its_cause(project: Project) -> None:
    project.add_revision("r4", "op.execute('select 1/0')", after=["r3"])
    with pytest.raises(OperationFailed) as raised:
        migrator_of(project).sync.up()
    error = raised.value
    assert error.code is ErrorCode.MIGRATION_FAILED
    assert [step.revision for step in error.result.applied] == ["r1", "r2", "r3"]
    assert error.result.unfinished.revision == "r4"
    assert "division by zero" in str(error.__cause__)
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - as from a process pool
    assert (copy.hint, copy.result.applied) == (error.hint, error.result.applied)


async def test_sync_in_a_running_loop_is_refused_and_runs_in_a_thread(project: Project) -> None:
    migrator = migrator_of(project)
    with pytest.raises(UsageError, match="event loop runs") as raised:
        migrator.sync.up()
    assert "await migrator.up" in str(raised.value.hint)
    assert (await asyncio.to_thread(migrator.sync.up)).after == ("r3",)


def test_of_several_threads_at_once_one_migrates(project: Project) -> None:
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(migrator_of(project).sync.up()))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(len(result.applied) for result in results) == [0, 0, 0, 3]


@every_driver
def test_cancelled_run_is_rolled_back_on_the_server_and_frees_its_lock(project: Project) -> None:
    migrator = migrator_of(project)
    interval = sys.getswitchinterval()
    migrator.sync.up("r2")

    async def cancelled() -> None:
        task = asyncio.create_task(migrator.up())
        await asyncio.to_thread(wait_for, project.url, QUEUED)
        task.cancel()
        await task

    with holding(project.url, "lock table held"):
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(cancelled())
        assert fetch(project.url, f"select {QUEUED} or {LOCKED}") == [False]
    assert sys.getswitchinterval() == interval
    assert migrator.sync.status().current == ("r2",)
    assert migrator.sync.up().after == ("r3",)


async def test_down_needs_the_name_of_the_database_and_leave_for_production(
    project: Project,
) -> None:
    migrator = migrator_of(project)
    await migrator.up()
    with pytest.raises(RefusedError, match="'app' was confirmed"):
        await migrator.down("base", confirm="app")
    with pytest.raises(RefusedError) as raised:
        await migrator_of(project, environment="production").down(
            "base", confirm=database_of(project)
        )
    assert raised.value.code is ErrorCode.PRODUCTION_GUARD
    assert (await migrator.status()).current == ("r3",)
    production = migrator_of(project, environment="production")
    reverted = await production.down("base", confirm=database_of(project), allow_production=True)
    assert reverted.after == ()


async def test_up_to_another_plan_or_one_that_would_be_refused_runs_nothing(
    project: Project,
) -> None:
    migrator = migrator_of(project)
    plan = await migrator.plan()
    project.add_revision("r4", "op.execute('vacuum')", after=["r3"])
    with pytest.raises(RefusedError) as changed:
        await migrator.up(to_plan=plan)
    refused = await migrator.plan()
    assert refused.hash is None
    with pytest.raises(RefusedError, match="would refuse"):
        await migrator.up(to_plan=refused)
    assert {changed.value.code} == {ErrorCode.PLAN_CHANGED}
    assert (await migrator.status()).state is State.EMPTY
    assert (await migrator.up("r3", to_plan=plan)).after == ("r3",)


async def test_strict_with_a_finding_raises_it_with_the_report(project: Project) -> None:
    await migrator_of(project).up("r2")
    project.add_revision("r3", "op.execute('drop table held')", after=["r2"])
    with pytest.raises(FindingError) as raised:
        await migrator_of(project).up(strict=True)
    assert raised.value.result.findings
    assert (await migrator_of(project).status()).current == ("r2",)


async def test_behind_a_pooler_up_is_refused_unless_it_is_allowed(
    project: Project, pgbouncer: Pgbouncer
) -> None:
    migrator = migrator_of(project, url=pgbouncer.url_of(database_of(project)))
    with pytest.raises(RefusedError) as raised:
        await migrator.up()
    assert raised.value.code is ErrorCode.POOLED_ENDPOINT
    assert (await migrator.up(allow_pooler=True)).after == ("r3",)


def test_wrong_arguments_and_an_unreachable_server_are_typed_errors(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB_CONNECT_DEADLINE", "0.2")
    ini = project.root / "alembic.ini"
    with pytest.raises(UsageError, match="both name a database"):
        Migrator(project.url, database="staging")
    with pytest.raises(ConfigurationError, match="no file"):
        Migrator(project.url, config=project.root / "none.ini").sync.status()
    with pytest.raises(UsageError, match="ddl_lock_timeout"):
        Migrator(project.url, config=ini).sync.up(ddl_lock_timeout=0)
    with pytest.raises(UsageError, match="nothere"):
        migrator_of(project).sync.up("nothere")
    away = "postgresql://ada:hunter2horse@127.0.0.1:1/app?connect_timeout=1"
    with pytest.raises(ConnectionFailed) as raised:
        Migrator(away, config=ini).sync.status()
    assert "hunter2horse" not in f"{raised.value.message}{raised.value.hint}"


def test_importing_dbctl_imports_nothing_that_migrates() -> None:
    code = "import dbctl; print({'alembic', 'sqlalchemy', 'typing'} & sys.modules.keys())"
    done = subprocess.run(
        [
            sys.executable,
            "-S",
            "-E",
            "-c",
            f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "set()"


@pytest.mark.slow
def test_every_example_of_the_page_runs(tmp_path: Path, server: TestServer) -> None:
    """In a pytest of its own, for some of them are tests."""
    Project.create(tmp_path, server.url).add_revision(
        "r1", "op.execute('create table team ()')", downgrade="op.execute('drop table team')"
    )
    deploy, status, which, errors, lifespan, conftest, tests = re.findall(
        r"```python\n(.+?)```", DOCS, re.DOTALL
    )
    files = {
        "deploy.py": deploy,
        "status.py": status,
        "errors.py": errors,
        "lifespan.py": lifespan,
        "conftest.py": conftest,
        "test_own.py": tests,
        "test_examples.py": EXAMPLES,
        "which.py": "from dbctl import Migrator\n" + which.replace("/srv/shop", str(tmp_path)),
        "pyproject.toml": f"[tool.dbctl.databases]\nstaging = '{server.url}'\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    variables = {
        "TEST_SERVER": server.url,
        "TEST_DATABASE": server.url_of("shop_test"),
        "DBCTL_MODELS": "shop.models",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:asyncio", "-p", "no:alembic"],
        cwd=tmp_path,
        env=environment(**variables),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "2 passed" in done.stdout) == (0, True), done.stdout + done.stderr
