"""Migrations of projects of all kinds, each on a database of its own."""

import builtins
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cli import ROOT, environment, invoke, run_dbctl
from tests.support.databases import TestServer, execute, fetch
from tests.support.project import Project, use_example
from tests.support.proxy import FaultProxy, Mode


@pytest.fixture
def project(tmp_path: Path, empty_url: str) -> Project:
    """A project with three revisions, none of them applied."""
    return Project.create(
        tmp_path,
        empty_url,
        "create table team (id serial primary key, name varchar not null)",
        "create table a (id int)",
        "create table b (id int)",
    )


def tables(url: str) -> list[str]:
    """Return the names of the tables in the schema public, where none is dbctl's own."""
    query = "select tablename::text from pg_tables where schemaname = 'public' order by 1"
    return fetch(url, query)


def test_up_stops_at_a_revision_and_goes_on_from_there(project: Project) -> None:
    first = project.run("migrate", "up", "r1", "--json").json
    assert (first["before"], first["after"]) == ([], ["r1"])
    assert tables(project.url) == ["alembic_version", "team"]
    second = project.run("migrate", "up", "+1", "--json").json
    assert [step["revision"] for step in second["applied"]] == ["r2"]
    third = project.run("migrate", "up", "--format", "csv").stdout.splitlines()
    assert [line.split(",")[:2] for line in third] == [["revision", "message"], ["r3", "make r3"]]


def test_a_revision_that_fails_is_undone_and_those_before_it_stay(project: Project) -> None:
    project.add_revision(
        "r3", 'op.execute("create table c (id int)"); op.execute("select 1/0")', after=["r2"]
    )
    done = project.run("migrate", "up", "--json")
    document = done.json
    assert done.exit_code == 4
    assert [step["revision"] for step in document["applied"]] == ["r1", "r2"]
    assert (document["before"], document["after"]) == ([], ["r2"])
    assert document["error"]["code"] == "migration_failed"
    assert document["error"]["message"].startswith("revision r3 (make r3) failed: division by zero")
    assert tables(project.url) == ["a", "alembic_version", "team"]

    again = project.run("migrate", "up")
    assert again.exit_code == 4
    assert "was left at r2" in again.stdout
    assert "error: revision r3 (make r3) failed" in again.stderr
    assert "Traceback" not in again.stderr


def test_python_that_fails_in_a_revision_is_told_with_its_line(project: Project) -> None:
    path = project.add_revision("r3", "undefined_name()", after=["r2"])
    done = project.run("migrate", "up", "--json")
    assert done.exit_code == 4
    assert (
        f"NameError: name 'undefined_name' is not defined ({path}:7)"
        in (done.json["error"]["message"])
    )


def test_up_env_py_in_a_transaction_of_its_own_commits_each_revision(project: Project) -> None:
    env = (project.root / "alembic" / "env.py").read_text()
    statement = '    if connection: connection.exec_driver_sql("select 1")\n'
    changed = env.replace("    context.configure(", statement + "    context.configure(")
    assert changed != env
    project.write_alembic("env.py", changed)
    done = project.run("migrate", "up", "--json")
    assert (done.exit_code, done.json["after"]) == (0, ["r3"])
    assert [step["revision"] for step in done.json["applied"]] == ["r1", "r2", "r3"]
    assert tables(project.url) == ["a", "alembic_version", "b", "team"]


def with_statement(project: Project, *, before: str = "", after: str = "") -> None:
    """Have the project's env.py run a statement of its own on the connection of the revisions."""
    env = (project.root / "alembic" / "env.py").read_text()
    call = "    with_connection(config, run_migrations)\n"
    assert call in env
    lines = (before, "run_migrations(connection)", after)
    body = "".join(f"        {line}\n" for line in lines if line)
    function = f"    def run(connection):\n{body}"
    project.write_alembic(
        "env.py", env.replace(call, f"{function}    with_connection(config, run)\n")
    )


def test_work_that_env_py_takes_back_behind_alembic_is_never_called_done(project: Project) -> None:
    undo = "connection.exec_driver_sql('delete from alembic_version'); connection.commit()"
    with_statement(project, after=undo)
    done = project.run("migrate", "up", "--json")
    assert (done.exit_code, done.json["error"]["code"]) == (4, "migration_failed")
    assert "env.py undid the work" in done.json["error"]["message"]
    assert (done.json["after"], done.json["applied"]) == ([], [])


def test_up_env_py_that_configures_nothing_exits_2(project: Project) -> None:
    project.write_alembic("env.py", "import asyncio\nasync def main(): pass\nasyncio.run(main())\n")
    done = project.run("migrate", "up", "--json")
    assert (done.exit_code, done.json["error"]["code"]) == (2, "migration_scripts")
    assert "context.configure(connection=…)" in done.json["error"]["hint"]


def test_a_database_ahead_of_the_checkout_is_left_alone(project: Project) -> None:
    project.run("migrate", "up")
    (project.root / "alembic" / "versions" / "r3.py").unlink()
    for arguments in (["up"], ["down", "--yes"]):
        done = project.run("migrate", *arguments, "--json")
        assert done.exit_code == 1
        assert "revision r3, which this checkout does not have" in done.json["error"]["message"]


@pytest.mark.parametrize("command", [["up"], ["down", "--yes"], ["stamp"], ["plan"]])
def test_an_unknown_revision_is_exit_2_with_the_nearest_ones(
    project: Project, command: list[str]
) -> None:
    project.run("migrate", "up", "r1")
    done = project.run("migrate", *command, "r22", "--json")
    assert (done.exit_code, done.json["error"]["code"]) == (2, "not_found")
    assert "r22" in done.json["error"]["message"]
    assert "Did you mean r2" in done.json["error"]["hint"]


def test_a_revision_file_that_does_not_load_is_named(project: Project) -> None:
    path = project.write_alembic("versions/r4.py", "def upgrade(:\n")
    done = project.run("migrate", "status", "--json")
    assert (done.exit_code, done.json["error"]["code"]) == (2, "migration_scripts")
    assert f"{path}:1" in done.json["error"]["message"]


def test_a_missing_configuration_is_named(project: Project) -> None:
    done = project.run("migrate", "status", DBCTL_ALEMBIC_CONFIG="nowhere.ini")
    assert done.exit_code == 2
    assert f"there is no file {project.root.resolve() / 'nowhere.ini'}" in done.stderr


def test_a_project_configured_in_pyproject_toml_is_run_as_its_own(project: Project) -> None:
    (project.root / "alembic.ini").unlink()
    (project.root / "pyproject.toml").write_text(
        '[tool.alembic]\nscript_location = "%(here)s/alembic"\n'
    )
    done = project.run("migrate", "up", "--json")
    assert (done.exit_code, done.json["after"]) == (0, ["r3"])


def test_the_schema_that_ships_is_not_written_to_a_deployed_database_by_accident(
    tmp_path: Path, empty_url: str
) -> None:
    use_example(tmp_path)
    env = {"DATABASE_URL": empty_url, "ENVIRONMENT": "production"}
    for arguments in (["up"], ["stamp", "head"]):
        done = invoke("migrate", *arguments, "--json", env=env, cwd=tmp_path)
        assert (done.exit_code, done.json["error"]["code"]) == (5, "production_guard")
    assert tables(empty_url) == []


def test_a_server_that_goes_away_does_not_take_along_what_was_done(
    project: Project, server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultProxy(server.dsn) as proxy:
        monkeypatch.setattr(
            builtins, "pull_the_plug", lambda: proxy.behave(Mode.REFUSE), raising=False
        )
        project.add_revision("r2", 'pull_the_plug(); op.execute("select 1")', after=["r1"])
        url = proxy.url_of(project.url)
        done = project.run("migrate", "up", "--json", DATABASE_URL=url, DB_CONNECT_DEADLINE="0.5")
    assert done.exit_code == 3
    assert [step["revision"] for step in done.json["applied"]] == ["r1"]
    assert done.json["after"] is None
    assert "revision r2 (make r2) failed" in done.json["error"]["message"]
    assert "connection" in done.json["error"]["message"]


def test_up_version_table_of_another_name_is_used(project: Project) -> None:
    env = (project.root / "alembic" / "env.py").read_text()
    project.write_alembic(
        "env.py", env.replace("context.configure(", 'context.configure(version_table="mine", ')
    )
    done = project.run("migrate", "up", "r2", "--json")
    assert (done.exit_code, done.json["after"]) == (0, ["r2"])
    assert tables(project.url) == ["a", "mine", "team"]
    assert project.run("migrate", "status", "--json").json["state"] == "pending"
    assert project.run("migrate", "stamp", "head", "--json").exit_code == 0
    assert fetch(project.url, "select version_num::text from mine") == ["r3"]
    assert project.run("migrate", "status", "--json").json["state"] == "current"


@pytest.mark.parametrize(
    ("change", "schema"),
    [
        ("connection.exec_driver_sql('set search_path = aside'); connection.commit()", "aside"),
        # What a revision writes as text is translated neither by Alembic nor by dbctl.
        ("connection.execution_options(schema_translate_map={None: 'aside'})", "public"),
    ],
)
def test_up_schema_that_env_py_chooses_holds_the_version(
    project: Project, change: str, schema: str
) -> None:
    execute(project.url, "create schema aside")
    with_statement(project, before=change)
    done = project.run("migrate", "up", "--json")
    assert (done.exit_code, done.json["after"]) == (0, ["r3"])
    where = "select schemaname::text from pg_tables where tablename = '{}'"
    assert fetch(project.url, where.format("alembic_version")) == ["aside"]
    assert fetch(project.url, where.format("team")) == [schema]
    assert project.run("migrate", "status", "--json").json["state"] == "current"
    assert project.run("migrate", "verify").exit_code == 0


@pytest.mark.parametrize("file", ["r3", "env", "models"])
def test_project_code_that_calls_exit_ends_in_one_document(project: Project, file: str) -> None:
    exits = "raise SystemExit(1)"
    match file:
        case "r3":
            project.add_revision("r3", exits, after=["r2"])
        case "env":
            project.write_alembic("env.py", exits)
        case _:
            (project.root / "shop" / "models.py").write_text(exits)
    done = project.run("migrate", "up", "--json")
    assert done.exit_code == (4 if file == "r3" else 2)
    assert "SystemExit" in done.json["error"]["message"]


def test_a_password_in_an_error_of_the_projects_code_is_not_told(project: Project) -> None:
    url = project.url.replace("postgres@", "postgres:hun%2Fter2@", 1)
    project.write_alembic(
        "env.py",
        "import os\nfrom alembic import context\n"
        'context.config.set_main_option("sqlalchemy.url", os.environ["DATABASE_URL"])\n',
    )
    for arguments in (["up"], ["up", "--json"]):
        done = project.run("migrate", *arguments, DATABASE_URL=url)
        assert done.exit_code == 2
        assert "invalid interpolation syntax" in done.stdout + done.stderr
        for secret in ("hun%2Fter2", "hun/ter2"):
            assert secret not in done.stdout + done.stderr


def test_a_revision_file_that_calls_exit_is_named(project: Project) -> None:
    path = project.write_alembic("versions/r4.py", "raise SystemExit(0)\n")
    done = project.run("migrate", "status", "--json")
    assert (done.exit_code, done.json["error"]["code"]) == (2, "migration_scripts")
    assert f"{path}:1" in done.json["error"]["message"]


def test_a_database_at_all_of_several_heads_is_current(project: Project) -> None:
    project.add_revision("side", "pass", after=["r2"])
    refused = project.run("migrate", "up", "--json")
    assert refused.exit_code == 2
    assert "alembic merge heads" in refused.json["error"]["hint"]
    assert project.run("migrate", "up", "heads").exit_code == 0
    assert project.run("migrate", "status", "--json").json["state"] == "current"


def test_what_ships_is_ascii_as_alembic_reads_it_in_the_encoding_of_the_locale() -> None:
    for path in [ROOT / "alembic.ini", *(ROOT / "alembic").rglob("*.*")]:
        if path.suffix in {".ini", ".py", ".mako"}:
            assert path.read_bytes().isascii(), path


def test_models_without_revisions_do_not_get_those_of_dbctl(project: Project) -> None:
    (project.root / "alembic.ini").unlink()
    (project.root / "pyproject.toml").touch()
    done = project.run("migrate", "up")
    assert done.exit_code == 2
    assert "no alembic.ini" in done.stderr


def test_down_needs_a_yes_and_reverts_what_it_showed(project: Project) -> None:
    for number in (1, 2, 3):
        project.add_revision(
            f"r{number}",
            f'op.execute("create table t{number} (id int)")',
            after=[f"r{number - 1}"] if number > 1 else [],
            downgrade=f'op.execute("drop table t{number}")',
        )
    project.run("migrate", "up")
    refused = project.run("migrate", "down")
    assert refused.exit_code == 5
    assert "r3" in refused.stderr
    assert "Give --yes" in refused.stderr
    assert tables(project.url) == ["alembic_version", "t1", "t2", "t3"]

    done = project.run("migrate", "down", "-2", "--yes", "--json")
    assert [step["revision"] for step in done.json["applied"]] == ["r3", "r2"]
    assert tables(project.url) == ["alembic_version", "t1"]
    project.run("migrate", "down", "base", "--yes")
    nothing = project.run("migrate", "down", "base", "--yes", "--json")
    assert (nothing.exit_code, nothing.json["applied"]) == (0, [])


def test_history_shows_the_newest_first_and_what_is_applied(project: Project) -> None:
    project.run("migrate", "up", "r2")
    revisions = project.run("migrate", "history", "--json").json["revisions"]
    assert [(r["revision"], r["applied"], r["is_current"], r["is_head"]) for r in revisions] == [
        ("r3", False, False, True),
        ("r2", True, True, False),
        ("r1", True, False, False),
    ]


def test_new_writes_an_empty_revision_after_the_head(project: Project) -> None:
    done = project.run("migrate", "new", 'Add "quoted" ünïcode — näme', "--json")
    assert done.exit_code == 0
    path = Path(done.json["path"])
    assert path.parent == project.root / "alembic" / "versions"
    assert done.json["down_revisions"] == ["r3"]
    assert project.run("migrate", "up", "--json").json["after"] == [done.json["revision"]]


@pytest.mark.parametrize("message", ['say """hello"""', "drop C:\\users", 'ends in "', "${x}"])
def test_no_message_makes_a_revision_that_does_not_load(project: Project, message: str) -> None:
    assert project.run("migrate", "new", message, "--json").exit_code == 0
    assert project.run("migrate", "history", "--json").json["revisions"][0]["message"] == message


def test_a_template_that_makes_nonsense_leaves_no_file_behind(project: Project) -> None:
    project.write_alembic("script.py.mako", "def upgrade(:")
    before = sorted(project.root.rglob("*.py"))
    done = project.run("migrate", "new", "add", "--json")
    assert (done.exit_code, done.json["error"]["code"]) == (2, "migration_scripts")
    assert sorted(project.root.rglob("*.py")) == before


def test_new_without_a_word_writes_nothing(project: Project) -> None:
    before = sorted(project.root.rglob("*.py"))
    done = project.run("migrate", "new", " - ", "--json")
    assert (done.exit_code, done.json["error"]["code"]) == (2, "usage")
    assert sorted(project.root.rglob("*.py")) == before


def test_check_tells_how_models_and_database_differ(project: Project) -> None:
    behind = project.run("migrate", "check", "--json")
    assert (behind.exit_code, behind.json["error"]["code"]) == (1, "schema_behind")
    (project.root / "alembic" / "versions" / "r3.py").unlink()
    (project.root / "alembic" / "versions" / "r2.py").unlink()
    project.run("migrate", "up")
    execute(project.url, "alter table team alter name drop not null, add extra int")
    execute(project.url, "create index by_name on team (name)")
    done = project.run("migrate", "check", "--json")
    assert done.exit_code == 1
    found = {(d["kind"], d["table"], d["name"], d["detail"]) for d in done.json["differences"]}
    assert found == {
        ("remove_column", "team", "extra", "INTEGER"),
        ("modify_nullable", "team", "name", "True → False"),
        ("remove_index", "team", "by_name", "team.name"),
    }
    assert "modify nullable" in project.run("migrate", "check").stdout


def test_the_schema_that_ships_matches_its_models(database_url: str) -> None:
    done = invoke("migrate", "check", "--json", env={"DATABASE_URL": database_url})
    assert (done.exit_code, done.json["differences"]) == (0, [])


@pytest.mark.parametrize(
    ("models", "reason"),
    [
        ("raise RuntimeError('not today')", "RuntimeError: not today"),
        ("", "defined no table"),
    ],
)
def test_models_that_cannot_be_used_are_refused_with_the_cause(
    project: Project, models: str, reason: str
) -> None:
    (project.root / "shop" / "models.py").write_text(models)
    if models:
        assert project.run("migrate", "up", "--json").json["error"]["code"] == "models_import"
    # Apart: in this process other tests have filled SQLModel's metadata.
    done = run_dbctl("migrate", "check", "--json", env=project.environment, cwd=project.root)
    assert (done.exit_code, done.json["error"]["code"]) == (2, "models_import")
    assert reason in done.json["error"]["message"]


def test_stamp_records_a_version_and_runs_nothing(project: Project) -> None:
    done = project.run("migrate", "stamp", "head", "--json")
    assert (done.exit_code, done.json["after"]) == (0, ["r3"])
    assert tables(project.url) == ["alembic_version"]
    (project.root / "alembic" / "versions" / "r3.py").unlink()
    mended = project.run("migrate", "stamp", "r2", "--json")
    assert (mended.json["before"], mended.json["after"]) == (["r3"], ["r2"])


def test_the_initial_schema_leaves_nothing_behind_when_it_is_reverted(
    database_url: str,
) -> None:
    done = invoke("migrate", "down", "base", "--yes", env={"DATABASE_URL": database_url})
    assert done.exit_code == 0
    assert tables(database_url) == ["alembic_version"]
    left = "select typname from pg_type where typnamespace = 'public'::regnamespace"
    assert {str(name) for name in fetch(database_url, left)} == {
        "alembic_version",
        "_alembic_version",
    }


def alembic(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).with_name("alembic")), *arguments],
        env=environment(**env),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_plain_alembic_works_alike(empty_url: str) -> None:
    done = alembic("upgrade", "head", DATABASE_URL=empty_url)
    assert done.returncode == 0, done.stderr
    env = {"DATABASE_URL": empty_url}
    assert invoke("migrate", "status", env=env).exit_code == 0
    assert invoke("migrate", "up", "--json", env=env).json["applied"] == []
    assert "No new upgrade operations" in alembic("check", DATABASE_URL=empty_url).stdout


def test_plain_alembic_says_what_is_wrong_without_a_traceback() -> None:
    done = alembic(
        "upgrade",
        "head",
        DATABASE_URL="postgresql://me:h4rd2guess@127.0.0.1:1/app",
        DB_CONNECT_DEADLINE="0.2",
    )
    assert done.returncode != 0
    assert "cannot connect to 127.0.0.1:1/app" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "h4rd2guess" not in done.stdout + done.stderr


def test_what_a_program_that_a_revision_starts_prints_is_no_part_of_the_document(
    project: Project,
) -> None:
    project.add_revision("r1", "import os; os.system('echo child'); os.write(1, b'by number')")
    done = run_dbctl("migrate", "up", "--json", env=project.environment, cwd=project.root)
    assert done.json["after"] == ["r3"]
    assert "child" in done.stderr
    assert "by number" in done.stderr


def test_a_revision_without_an_upgrade_is_named_before_anything_runs(project: Project) -> None:
    path = project.write_alembic("versions/r4.py", "revision, down_revision = 'r4', 'r3'\n")
    assert project.run("migrate", "status").exit_code == 1
    done = project.run("migrate", "up", "--json")
    assert (done.exit_code, done.json["error"]["code"]) == (2, "migration_scripts")
    assert "has no attribute 'upgrade'" in done.json["error"]["message"]
    assert path.stem in done.json["error"]["message"]
    assert tables(project.url) == []
