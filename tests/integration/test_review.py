"""What is looked at before or after a run: plans, lint, downgrades, and the ledger."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import ROOT, environment, invoke, run_dbctl
from tests.support.databases import execute, fetch
from tests.support.project import Project
from tests.support.schema import dump_of, run_psql, schema_of
from tests.support.terminal import END_OF_FILE, Terminal

NAME = "select current_database()::text"


@pytest.fixture
def project(tmp_path: Path, empty_url: str) -> Project:
    """A project with three revisions, none of them applied, each with a way back."""
    project = Project.create(tmp_path, empty_url)
    project.add_revision(
        "r1",
        "op.execute('create table team (id bigint primary key, name text not null)')",
        downgrade="op.drop_table('team')",
    )
    project.add_revision(
        "r2",
        "op.add_column('team', sa.Column('rank', sa.BigInteger))",
        after=["r1"],
        downgrade="op.drop_column('team', 'rank')",
    )
    project.add_revision(
        "r3",
        "op.create_table('visit', sa.Column('id', sa.BigInteger))",
        after=["r2"],
        downgrade="op.drop_table('visit')",
    )
    return project


@pytest.fixture
def clone(empty_urls: tuple[str, str]) -> str:
    """The URL of a database to apply the script of a plan to."""
    return empty_urls[1]


def revision_file(project: Project, name: str) -> Path:
    return project.root / "alembic" / "versions" / f"{name}.py"


def change(path: Path) -> None:
    path.write_text(f"{path.read_text()}# changed\n")


def plan_of(project: Project, *arguments: str) -> Any:
    return project.run("migrate", "plan", *arguments, "--json").json


def at(url: str) -> list[str]:
    """Return the version that a database is at."""
    return [str(row) for row in fetch(url, "select version_num::text from alembic_version")]


def assert_refused(project: Project, code: str, *arguments: str, **env: str) -> Any:
    """Check that a command is refused and has changed nothing; return the error."""
    before = dump_of(project.url)
    done = project.run("migrate", *arguments, "--json", **env)
    assert (done.exit_code, done.json["error"]["code"]) == (5, code), done
    assert dump_of(project.url) == before
    return done.json["error"]


def test_what_a_plan_prints_makes_with_psql_what_up_makes(project: Project, clone: str) -> None:
    planned = run_dbctl("migrate", "plan", env=project.environment, cwd=project.root)
    assert (planned.exit_code, planned.stderr) == (0, "")
    applied = run_psql(clone, planned.stdout)
    assert (applied.returncode, applied.stderr) == (0, "")
    assert project.run("migrate", "up").exit_code == 0
    assert schema_of(clone) == schema_of(project.url)
    cloned = project.run("migrate", "up", "--json", DATABASE_URL=clone)
    assert (cloned.exit_code, cloned.json["applied"]) == (0, [])


def test_a_plan_goes_on_from_where_the_database_is(project: Project, clone: str) -> None:
    for url in (project.url, clone):
        project.run("migrate", "up", "r1", DATABASE_URL=url)
    assert run_psql(clone, project.run("migrate", "plan", "r2").stdout).returncode == 0
    project.run("migrate", "up", "r2")
    assert (at(clone), at(project.url)) == (["r2"], ["r2"])
    assert schema_of(clone) == schema_of(project.url)


def test_a_plan_tells_the_locks_and_the_work_of_each_statement(project: Project) -> None:
    project.run("migrate", "up", "r2")
    project.add_revision("r3", "op.alter_column('team', 'rank', type_=sa.Text)", after=["r2"])
    plan = plan_of(project)
    assert (plan["before"], plan["after"], plan["direction"]) == (["r2"], ["r3"], "up")
    (revision,) = plan["revisions"]
    (statement,) = [each for each in revision["statements"] if each["kind"] == "revision"]
    assert statement["sql"] == "ALTER TABLE team ALTER COLUMN rank TYPE TEXT"
    (lock,) = statement["locks"]
    assert (lock["table"], lock["level"]) == ("team", "ACCESS EXCLUSIVE")
    assert statement["work"] == "rewrite"
    assert (statement["line"], statement["transactional"]) == (7, True)
    assert "-- line 7: ACCESS EXCLUSIVE on team (empty, " in plan["sql"]


def test_a_plan_writes_nothing(project: Project) -> None:
    for revision in ("r1", "r2"):
        before = dump_of(project.url)
        for arguments in ([], ["--json"], [revision]):
            assert project.run("migrate", "plan", *arguments).exit_code == 0
        assert dump_of(project.url) == before
        project.run("migrate", "up", revision)


@pytest.mark.parametrize("digits", [8, 64])
def test_the_plan_that_was_reviewed_is_run(project: Project, digits: int) -> None:
    project.run("migrate", "up", "r1")
    plan = plan_of(project, "r2")
    done = project.run("migrate", "up", "r2", "--to-plan", plan["hash"][:digits], "--json")
    assert (done.exit_code, done.json["after"]) == (0, ["r2"])
    assert [step["revision"] for step in done.json["applied"]] == ["r2"]


def test_the_command_that_a_plan_ends_with_applies_it(project: Project) -> None:
    *_, last = project.run("migrate", "plan").stdout.splitlines()
    command = last.partition("dbctl ")[2].split()
    assert command[:3] == ["migrate", "up", "--to-plan"]
    assert project.run(*command).exit_code == 0
    assert at(project.url) == ["r3"]


def test_a_plan_is_not_run_once_a_file_of_it_was_changed(project: Project) -> None:
    agreed = plan_of(project)["hash"]
    change(revision_file(project, "r2"))
    error = assert_refused(project, "plan_changed", "up", "--to-plan", agreed)
    assert "dbctl migrate plan" in error["hint"]
    assert plan_of(project)["hash"][:16] in error["hint"]
    assert fetch(project.url, "select to_regclass('dbctl.dbctl_ledger') is null") == [True]


def test_a_plan_is_not_run_on_a_database_that_has_gone_on(project: Project) -> None:
    agreed = plan_of(project)["hash"]
    project.run("migrate", "up", "r1")
    assert_refused(project, "plan_changed", "up", "--to-plan", agreed)
    project.run("migrate", "up")
    assert_refused(project, "plan_changed", "up", "--to-plan", agreed)


def test_a_plan_is_not_run_to_another_target(project: Project) -> None:
    agreed = plan_of(project, "r2")["hash"]
    assert_refused(project, "plan_changed", "up", "--to-plan", agreed)
    assert_refused(project, "plan_changed", "up", "r1", "--to-plan", agreed)


def test_only_the_hash_of_the_plan_from_its_start_and_no_less_than_eight_digits_is_one(
    project: Project,
) -> None:
    agreed = plan_of(project)["hash"]
    for wrong in ("0" * 64, agreed[:7], agreed[1:], f"{agreed}0", "nonsense", ""):
        assert_refused(project, "plan_changed", "up", "--to-plan", wrong)


@pytest.fixture
def risky(project: Project) -> Project:
    """The project at r2, where what is pending makes everybody wait."""
    project.run("migrate", "up", "r2")
    project.add_revision("r3", "op.create_index('by_name', 'team', ['name'])", after=["r2"])
    return project


def test_up_that_is_strict_runs_nothing_on_a_finding(risky: Project) -> None:
    before = dump_of(risky.url)
    done = risky.run("migrate", "up", "--strict", "--json")
    (finding,) = done.json["findings"]
    assert (done.exit_code, done.json["passed"]) == (1, False)
    assert finding["rule"] == "require-concurrent-index-creation"
    assert (finding["file"], finding["line"]) == ("alembic/versions/r3.py", 7)
    shown = risky.run("migrate", "up", "--strict")
    assert shown.exit_code == 1
    assert "alembic/versions/r3.py:7 warning require-concurrent-index-creation" in shown.stdout
    assert dump_of(risky.url) == before
    assert risky.run("migrate", "up").exit_code == 0
    assert at(risky.url) == ["r3"]


def test_up_that_is_strict_minds_only_what_it_would_run(risky: Project) -> None:
    risky.run("migrate", "up")
    risky.add_revision("r4", "op.execute('select 1')", after=["r3"])
    done = risky.run("migrate", "up", "--strict", "--json")
    assert (done.exit_code, done.json["after"]) == (0, ["r4"])


@pytest.mark.parametrize(
    ("sql", "rules"),
    [
        ("alter table team alter price type numeric(12, 2)", []),
        ("alter table team alter code type text", []),
        ("alter table team alter number type bigint", ["changing-column-type"]),
        ("alter table team alter proven set not null", []),
        ("alter table team alter number set not null", ["adding-not-nullable-field"]),
        ("alter table team add column kind positive", ["table-rewrite"]),
        ("alter table team add column kind mood default 'ok'", []),
        ("alter table team add column n bigint default steady()", []),
        ("alter table team add column n bigint default moody()", ["adding-field-with-default"]),
    ],
)
def test_up_strict_finding_that_the_types_of_the_database_refute_is_ignored(
    project: Project, sql: str, rules: list[str]
) -> None:
    execute(
        project.url,
        "create domain positive as int check (value > 0)",
        "create type mood as enum ('ok')",
        "create function steady() returns int immutable return 1",
        "create function moody() returns int volatile return 1",
        "create table team (id int, code varchar(10), number int, price numeric(10, 2),"
        " proven int check (proven is not null))",
    )
    for revision in ("r1", "r2", "r3"):
        (project.root / "alembic" / "versions" / f"{revision}.py").unlink(missing_ok=True)
    project.add_revision("r1", f"op.execute({sql!r})")
    done = project.run("migrate", "up", "--strict", "--json")
    assert [each["rule"] for each in done.json.get("findings", [])] == rules
    assert done.exit_code == bool(rules)


def test_lint_looks_at_what_comes_after_a_revision_and_fails_from_a_severity_on(
    risky: Project,
) -> None:
    env = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    for arguments, code, count in [
        ([], 1, 1),
        (["--since", "r2"], 1, 1),
        (["--since", "r3"], 0, 0),
        (["--fail-on", "error"], 0, 1),
    ]:
        done = risky.run("migrate", "lint", *arguments, "--json", **env)
        assert (done.exit_code, len(done.json["findings"])) == (code, count), arguments
    unknown = risky.run("migrate", "lint", "--since", "r9", "--json", **env)
    assert (unknown.exit_code, unknown.json["error"]["code"]) == (2, "not_found")


@pytest.fixture
def filled(project: Project) -> Project:
    """The project at its head, with rows."""
    project.run("migrate", "up")
    execute(
        project.url,
        "insert into team select id, 'a', id from generate_series(1, 12) as id",
        "insert into visit select generate_series(1, 3456)",
        "analyze",
    )
    return project


def down(project: Project, *arguments: str) -> Terminal:
    return Terminal("migrate", "down", *arguments, env=project.environment, cwd=project.root)


def test_a_downgrade_shows_what_it_runs_and_loses_and_wants_the_name_of_the_database(
    filled: Project,
) -> None:
    (name,) = fetch(filled.url, NAME)
    with down(filled, "r1") as terminal:
        terminal.wait_for(f"Type the name of the database, {name}, to revert them")
        shown = terminal.screen
        assert "DROP TABLE visit;" in shown
        assert "ALTER TABLE team DROP COLUMN rank;" in shown
        _, _, lost = shown.partition("What is lost:")
        assert "visit  about 3,456 rows" in lost
        assert "team.rank  about 12 rows" in lost
        terminal.type(f"{name}\n")
        assert terminal.finish() == 0
        assert "is at r1" in terminal.screen
    assert at(filled.url) == ["r1"]


@pytest.mark.parametrize("answer", ["yes\n", "\n", END_OF_FILE], ids=["yes", "nothing", "Ctrl-D"])
def test_a_downgrade_that_is_answered_otherwise_does_nothing(filled: Project, answer: str) -> None:
    before = dump_of(filled.url)
    with down(filled) as terminal:
        terminal.wait_for("Type the name of the database")
        terminal.type(answer)
        assert terminal.finish() == 5
        assert "error: not confirmed; nothing was done" in terminal.screen
    assert dump_of(filled.url) == before


def test_a_downgrade_that_was_overtaken_while_it_asked_does_nothing(filled: Project) -> None:
    (name,) = fetch(filled.url, NAME)
    with down(filled) as terminal:
        terminal.wait_for("Type the name of the database")
        filled.run("migrate", "down", "--yes")
        before = dump_of(filled.url)
        terminal.type(f"{name}\n")
        assert terminal.finish() == 5
        assert "the plan is not the one that was agreed to" in terminal.screen
    assert dump_of(filled.url) == before


def test_where_nobody_can_be_asked_a_downgrade_needs_a_yes(filled: Project) -> None:
    error = assert_refused(filled, "confirmation_required", "down")
    assert "--yes" in error["hint"]
    done = run_dbctl("migrate", "down", env=filled.environment, cwd=filled.root, stdin="test\n")
    assert done.exit_code == 5
    assert "about 3,456 rows" in done.stderr
    assert "--yes" in done.stderr
    assert at(filled.url) == ["r3"]
    assert filled.run("migrate", "down", "--yes").exit_code == 0
    assert at(filled.url) == ["r2"]


def test_in_production_a_downgrade_is_allowed_by_name_and_confirmed_as_well(
    filled: Project,
) -> None:
    live = {"ENVIRONMENT": "production"}
    error = assert_refused(filled, "production_guard", "down", "--yes", **live)
    assert "--allow-production" in error["hint"]
    assert_refused(filled, "confirmation_required", "down", "--allow-production", **live)
    done = filled.run("migrate", "down", "--yes", "--allow-production", **live)
    assert done.exit_code == 0, done
    assert at(filled.url) == ["r2"]


def test_the_log_tells_who_did_what_the_newest_first(project: Project) -> None:
    project.run("migrate", "up", "r1")
    project.run("migrate", "up", "r2", DBCTL_ACTOR="the pipeline")
    project.run("migrate", "up", "--as", "Ada", DBCTL_ACTOR="the pipeline")
    project.run("migrate", "down", "--yes", "--as", "Bob")
    done = project.run("migrate", "log", "--json")
    assert done.exit_code == 0
    assert [
        (entry["revision"], entry["direction"], entry["actor"]) for entry in done.json["entries"]
    ] == [
        ("r3", "down", "Bob"),
        ("r3", "up", "Ada"),
        ("r2", "up", "the pipeline"),
        ("r1", "up", None),
    ]
    newest = project.run("migrate", "log", "--limit", "1", "--json").json
    assert ([entry["actor"] for entry in newest["entries"]], newest["total"]) == (["Bob"], 4)
    shown = project.run("migrate", "log").stdout
    assert shown.index("Bob") < shown.index("Ada") < shown.index("the pipeline")


def test_a_changed_file_is_found_until_it_is_accepted(project: Project) -> None:
    project.run("migrate", "up")
    assert project.run("migrate", "verify").exit_code == 0
    change(revision_file(project, "r2"))
    found = project.run("migrate", "verify", "--json")
    assert (found.exit_code, found.json["error"]["code"]) == (1, "tampered")
    assert [each["state"] for each in found.json["revisions"]] == ["ok", "changed", "ok"]
    shown = project.run("migrate", "verify")
    assert shown.exit_code == 1
    assert "error: the file of r2 was changed after being applied" in shown.stderr

    error = assert_refused(project, "confirmation_required", "repair")
    assert "--yes" in error["hint"]
    assert "r2" in project.run("migrate", "repair").stderr
    assert project.run("migrate", "verify").exit_code == 1
    done = project.run("migrate", "repair", "--yes", "--as", "Ada", "--json")
    assert (done.exit_code, [each["revision"] for each in done.json["accepted"]]) == (0, ["r2"])
    assert project.run("migrate", "verify").exit_code == 0
    (newest,) = project.run("migrate", "log", "--limit", "1", "--json").json["entries"]
    assert (newest["revision"], newest["direction"], newest["actor"]) == ("r2", "repair", "Ada")
    again = project.run("migrate", "repair", "--json")
    assert (again.exit_code, again.json["accepted"]) == (0, [])


def test_up_goes_on_over_changed_files_and_names_them(project: Project) -> None:
    project.run("migrate", "up", "r2")
    change(revision_file(project, "r1"))
    done = project.run("migrate", "up", "--json")
    assert (done.exit_code, done.json["after"]) == (0, ["r3"])
    (line,) = done.stderr.splitlines()
    assert line.startswith("the files of r1 are not those that were applied")


@pytest.mark.parametrize(("answer", "code", "verified"), [("y", 0, 0), ("n", 5, 1)])
def test_on_a_terminal_repair_asks(project: Project, answer: str, code: int, verified: int) -> None:
    project.run("migrate", "up")
    change(revision_file(project, "r2"))
    with Terminal("migrate", "repair", env=project.environment, cwd=project.root) as terminal:
        terminal.wait_for("Accept them?")
        assert "r2" in terminal.screen
        terminal.type(f"{answer}\n")
        assert terminal.finish() == code
    assert project.run("migrate", "verify").exit_code == verified


def test_a_database_that_plain_alembic_migrated_is_adopted_without_noise(empty_url: str) -> None:
    alembic = subprocess.run(
        [str(Path(sys.executable).with_name("alembic")), "upgrade", "head"],
        env=environment(DATABASE_URL=empty_url),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert alembic.returncode == 0, alembic.stderr
    before = dump_of(empty_url)
    for command, key, value in [
        (["log"], "entries", []),
        (["up"], "applied", []),
        (["status", "--drift"], "state", "current"),
        (["check"], "differences", []),
    ]:
        done = invoke("migrate", *command, "--json", env={"DATABASE_URL": empty_url})
        assert (done.exit_code, done.json[key], done.stderr) == (0, value, ""), command
    verified = invoke("migrate", "verify", "--json", env={"DATABASE_URL": empty_url})
    assert verified.exit_code == 0
    assert {each["state"] for each in verified.json["revisions"]} == {"unrecorded"}
    assert dump_of(empty_url) == before


def test_the_rows_of_a_table_that_was_never_analysed_are_counted(filled: Project) -> None:
    execute(
        filled.url, "create table fresh (id int)", "insert into fresh select generate_series(1, 12)"
    )
    filled.add_revision("r9", "pass", after=["r3"], downgrade="op.drop_table('fresh')")
    filled.run("migrate", "up")
    assert "fresh  about 12 rows" in filled.run("migrate", "down").stderr


def test_what_cannot_be_told_of_a_downgrade_is_not_called_nothing(filled: Project) -> None:
    filled.add_revision(
        "r9", "pass", after=["r3"], downgrade="op.execute('do $$ begin perform 1; end $$')"
    )
    filled.run("migrate", "up")
    shown = filled.run("migrate", "down").stderr
    assert "What else is lost cannot be told of r9" in shown
    assert "No table and no column" not in shown
