"""`dbctl migrate status`: every state, built for real, and who waits until it is the right one."""

import shutil
import signal
from pathlib import Path

import pytest

from tests.support.cli import ROOT, Finished, invoke
from tests.support.databases import TestServer, execute
from tests.support.health import checks_of, statuses_of
from tests.support.processes import Running
from tests.support.project import Project, use_example
from tests.support.proxy import FaultProxy, Mode


@pytest.fixture
def project(tmp_path: Path, empty_url: str) -> Project:
    """A project with three revisions, none of them applied; the first makes what its models say."""
    return Project.create(
        tmp_path,
        empty_url,
        "create table team (id serial primary key, name varchar not null)",
        "select 2",
        "select 3",
    )


@pytest.fixture
def deployed(tmp_path: Path, database_url: str) -> Path:
    """A folder with the revisions that ship, applied by dbctl, and one of them changed since."""
    use_example(tmp_path)
    shutil.copytree(ROOT / "alembic", tmp_path / "alembic")
    shutil.copy(ROOT / "alembic.ini", tmp_path)
    change(next((tmp_path / "alembic" / "versions").glob("*.py")))
    status = invoke("migrate", "status", "--json", env={"DATABASE_URL": database_url}, cwd=tmp_path)
    assert status.json["state"] == "tampered"
    return tmp_path


def revision_file(project: Project, name: str) -> Path:
    return project.root / "alembic" / "versions" / f"{name}.py"


def change(path: Path) -> None:
    path.write_text(f"{path.read_text()}# changed\n")


def status_of(project: Project, *arguments: str) -> Finished:
    return project.run("migrate", "status", *arguments, "--json")


def told(project: Project, *arguments: str) -> tuple[int, str, str | None]:
    """Return the exit code, the state and the hint."""
    done = status_of(project, *arguments)
    assert "error" not in done.json
    return done.exit_code, done.json["state"], done.json["hint"]


def wait_for_text(run: Running, text: str) -> None:
    while text not in run.stderr:
        assert run.is_running, run.finish()


def test_a_database_without_a_table_is_empty(project: Project) -> None:
    assert told(project) == (1, "empty", "dbctl migrate up")
    document = status_of(project).json
    assert (document["current"], document["heads"]) == ([], ["r3"])
    assert [step["revision"] for step in document["pending"]] == ["r1", "r2", "r3"]


def test_a_database_with_tables_but_no_version_is_unmanaged(project: Project) -> None:
    execute(project.url, "create table stray (id int)")
    code, state, hint = told(project)
    assert (code, state) == (1, "unmanaged")
    assert hint == "dbctl migrate stamp REV, where REV is the revision its tables are at"


def test_a_database_behind_the_head_is_pending(project: Project) -> None:
    project.run("migrate", "up", "r2")
    assert told(project) == (1, "pending", "dbctl migrate up")
    assert [step["revision"] for step in status_of(project).json["pending"]] == ["r3"]


def test_status_names_what_is_pending_in_order_and_what_to_run(project: Project) -> None:
    project.run("migrate", "up", "r1")
    done = project.run("migrate", "status")
    assert done.exit_code == 1
    assert done.stdout.index("make r2") < done.stdout.index("make r3")
    assert "2 revisions pending" in done.stdout
    assert "dbctl migrate up" in done.stdout


def test_a_database_at_the_head_is_current(project: Project) -> None:
    project.run("migrate", "up")
    assert told(project) == (0, "current", None)
    assert told(project, "--drift") == (0, "current", None)
    document = status_of(project).json
    assert (document["pending"], document["tampered"], document["differences"]) == ([], [], [])


def test_a_database_at_a_revision_of_another_checkout_is_ahead(project: Project) -> None:
    project.run("migrate", "up")
    revision_file(project, "r3").unlink()
    assert told(project) == (1, "ahead", "check out the code that was deployed there")
    assert status_of(project).json["current"] == ["r3"]


def test_revisions_with_several_heads_are_told_before_what_is_pending(project: Project) -> None:
    project.run("migrate", "up")
    project.add_revision("side", "pass", after=["r2"])
    assert told(project) == (1, "multiple_heads", "alembic merge heads")
    assert status_of(project).json["heads"] == ["r3", "side"]


def test_a_database_whose_applied_files_were_changed_is_tampered(project: Project) -> None:
    project.run("migrate", "up")
    change(revision_file(project, "r2"))
    assert told(project) == (1, "tampered", "dbctl migrate verify")
    assert status_of(project).json["tampered"] == ["r2"]
    shown = project.run("migrate", "status").stdout
    assert "is at the head, but files of applied revisions were changed" in shown
    assert "changed since: r2" in shown
    assert "→ dbctl migrate verify" in shown


def test_changed_files_are_told_beside_what_is_pending(project: Project) -> None:
    project.run("migrate", "up", "r2")
    change(revision_file(project, "r1"))
    assert told(project) == (1, "pending", "dbctl migrate up")
    assert status_of(project).json["tampered"] == ["r1"]
    assert "changed since: r1" in project.run("migrate", "status").stdout


def test_a_file_that_is_not_applied_yet_may_change(project: Project) -> None:
    project.run("migrate", "up", "r2")
    change(revision_file(project, "r3"))
    assert status_of(project).json["tampered"] == []
    project.run("migrate", "up")
    assert told(project) == (0, "current", None)


def test_a_database_that_differs_from_the_models_is_drifted_where_one_asks(
    project: Project,
) -> None:
    project.run("migrate", "up")
    execute(project.url, "alter table team add extra int")
    assert told(project) == (0, "current", None)
    assert told(project, "--drift") == (1, "drifted", "dbctl migrate check")
    assert status_of(project, "--drift").json["differences"] == [
        {"kind": "remove_column", "table": "team", "name": "extra", "detail": "INTEGER"}
    ]
    shown = project.run("migrate", "status", "--drift").stdout
    assert "remove column" in shown
    assert "extra" in shown


def test_what_is_pending_is_not_told_as_drift(project: Project) -> None:
    execute(project.url, "create table stray (id int)")
    assert told(project, "--drift")[:2] == (1, "unmanaged")
    assert status_of(project, "--drift").json["differences"] == []


def test_looking_writes_nothing(project: Project) -> None:
    for arguments in ([], ["--drift"], ["--wait", "0"]):
        status_of(project, *arguments)
    assert told(project)[1] == "empty"
    assert project.run("inspect", "tables", "--json").json["tables"] == []


def test_who_waits_is_told_for_what_and_goes_on_once_another_has_migrated(
    project: Project,
) -> None:
    run = Running(
        *("migrate", "status", "--wait", "50", "--json"),
        env=project.environment,
        cwd=project.root,
    )
    wait_for_text(run, " is empty (up to 50 s)\n")
    assert run.stderr.startswith("waiting: ")
    project.run("migrate", "up", "r1")
    wait_for_text(run, " is behind (up to ")
    project.run("migrate", "up")
    done = run.finish()
    assert (done.exit_code, done.json["state"], done.json["current"]) == (0, "current", ["r3"])
    assert len(done.stderr.splitlines()) <= 3, "each state is told once"


def test_who_waits_in_vain_gets_the_last_state(project: Project) -> None:
    project.run("migrate", "up", "r1")
    done = status_of(project, "--wait", "1")
    assert (done.exit_code, done.json["state"], done.json["current"]) == (1, "pending", ["r1"])
    assert done.stderr.startswith("waiting: ")
    assert len(done.stderr.splitlines()) == 1


def test_who_waits_can_be_interrupted(project: Project) -> None:
    run = Running(
        *("migrate", "status", "--wait", "50", "--json"),
        env=project.environment,
        cwd=project.root,
    )
    wait_for_text(run, "waiting: ")
    run.send_signal(signal.SIGTERM)
    done = run.finish(timeout=20)
    assert (done.exit_code, done.json["error"]["code"]) == (143, "interrupted")


def test_a_server_that_is_not_there_yet_is_waited_for(project: Project, server: TestServer) -> None:
    project.run("migrate", "up")
    with FaultProxy(server.dsn) as proxy:
        proxy.behave(Mode.REFUSE)
        run = Running(
            *("migrate", "status", "--wait", "50", "--json"),
            env=project.environment
            | {"DATABASE_URL": proxy.url_of(project.url), "DB_CONNECT_DEADLINE": "0.1"},
            cwd=project.root,
        )
        wait_for_text(run, "nothing is listening there (up to 50 s)")
        proxy.behave(Mode.FORWARD)
        done = run.finish()
    assert (done.exit_code, done.json["state"]) == (0, "current")


@pytest.mark.parametrize("state", ["current", "ahead", "multiple_heads", "tampered", "drifted"])
def test_what_no_deployer_will_change_is_not_waited_for(project: Project, state: str) -> None:
    project.run("migrate", "up")
    match state:
        case "ahead":
            revision_file(project, "r3").unlink()
        case "multiple_heads":
            project.add_revision("side", "pass", after=["r2"])
        case "tampered":
            change(revision_file(project, "r1"))
        case "drifted":
            execute(project.url, "drop table team")
    done = status_of(project, "--wait", "30", "--drift")
    assert (done.json["state"], done.stderr) == (state, "")
    assert done.exit_code == (0 if state == "current" else 1)


def test_a_tampered_database_is_healthy_with_a_warning(deployed: Path, database_url: str) -> None:
    done = invoke("health", "--json", env={"DATABASE_URL": database_url}, cwd=deployed)
    assert (done.exit_code, done.json["status"]) == (0, "warn")
    check = checks_of(done.json)["migrations"]
    assert (check["status"], check["observed"]["state"]) == ("warn", "tampered")
    assert check["remedy"] == "dbctl migrate verify"


def test_a_tampered_database_can_be_seeded(deployed: Path, database_url: str) -> None:
    done = invoke("seed", "--dev", "--json", env={"DATABASE_URL": database_url}, cwd=deployed)
    assert done.exit_code == 0, done
    assert {row["state"] for row in done.json["rows"]} == {"created"}


def test_a_branch_that_another_one_depends_on_counts_as_there(project: Project) -> None:
    for name in ("r2", "r3"):
        revision_file(project, name).unlink()
    path = project.add_revision("b1", "pass")
    path.write_text(f"{path.read_text()}depends_on = 'r1'\n")
    assert project.run("migrate", "up", "heads").exit_code == 0
    assert told(project) == (0, "current", None)
    assert statuses_of(project.run("health", "--json").json)["migrations"] == "pass"


def test_the_order_of_heads_is_not_that_of_the_database(project: Project) -> None:
    for name in ("Zx", "ab"):
        project.add_revision(name, "pass", after=["r3"])
    assert project.run("migrate", "up", "heads").exit_code == 0
    assert told(project) == (0, "current", None)
