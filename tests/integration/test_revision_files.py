"""What is wrong with revision files is known before anything runs, and names the file."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from tests.support.databases import execute, fetch
from tests.support.foreign import Driver
from tests.support.project import Project

COMMANDS = (("migrate", "status"), ("migrate", "up"), ("migrate", "stamp", "head"))
APPLIED = "select version_num::text from alembic_version"


@pytest.fixture
def project(tmp_path: Path, empty_url: str) -> Project:
    return Project.create(tmp_path, empty_url, "create table a (id int)", "create table b (id int)")


def tables(url: str) -> list[str]:
    return fetch(
        url, "select tablename::text from pg_tables where schemaname = 'public' order by 1"
    )


def revision(project: Project, name: str, text: str) -> None:
    project.write_alembic(f"versions/{name}.py", text)


FAULTS = {
    "two files with one id": (
        {"other": "revision = 'r2'\ndown_revision = 'r1'\n"},
        "the revision r2 is in 2 files: alembic/versions/other.py and alembic/versions/r2.py",
    ),
    "no parent": (
        {"r4": "revision = 'r4'\ndown_revision = 'r3'\n"},
        "alembic/versions/r4.py comes after the revision r3, which no file has",
    ),
    "one of two parents": (
        {"r4": "revision = 'r4'\ndown_revision = ('r2', 'gone')\n"},
        "alembic/versions/r4.py comes after the revision gone, which no file has",
    ),
    "nothing to depend on": (
        {"r4": "revision = 'r4'\ndown_revision = 'r2'\ndepends_on = 'gone'\n"},
        "alembic/versions/r4.py depends on the revision gone, which no file has",
    ),
    "a cycle": (
        {
            "r4": "revision = 'r4'\ndown_revision = 'r5'\n",
            "r5": "revision = 'r5'\ndown_revision = 'r4'\n",
        },
        "alembic/versions/r4.py and alembic/versions/r5.py",
    ),
    "a label twice": (
        {
            "r4": "revision = 'r4'\ndown_revision = 'r2'\nbranch_labels = 'side'\n",
            "r5": "revision = 'r5'\ndown_revision = 'r1'\nbranch_labels = 'side'\n",
        },
        "alembic/versions/r4.py and alembic/versions/r5.py",
    ),
    "an id that cannot be one": (
        {"r4": "revision = 'r@4'\ndown_revision = 'r2'\n"},
        "alembic/versions/r4.py",
    ),
}


@pytest.mark.parametrize("case", FAULTS)
# Outside of the tests, Alembic's warnings are only printed.
@pytest.mark.parametrize("action", ["error", "default"])
def test_any_command_files_do_not_fit_names_them(project: Project, case: str, action: str) -> None:
    files, message = FAULTS[case]
    for name, text in files.items():
        revision(project, name, text)
    for command in COMMANDS[: 1 if action == "error" else 3]:
        with warnings.catch_warnings():
            warnings.simplefilter(action)  # type: ignore[arg-type]
            done = project.run(*command, "--json")
        assert (done.exit_code, done.json["error"]["code"]) == (2, "migration_scripts"), done
        assert message in done.json["error"]["message"]
        assert str(project.root) not in done.json["error"]["message"]
    assert tables(project.url) == []


def test_status_warning_of_a_revision_file_is_not_kept_back(project: Project) -> None:
    revision(
        project,
        "r3",
        "import warnings\nwarnings.warn('of its own', UserWarning)\n"
        "revision = 'r3'\ndown_revision = 'r2'\n",
    )
    with pytest.warns(UserWarning, match="of its own"):
        assert project.run("migrate", "status", "--json").json["state"] == "empty"


LONG = "x" * 40


def test_up_id_longer_than_the_version_column_is_refused_before_anything_runs(
    project: Project,
) -> None:
    project.add_revision(LONG, "pass", after=["r2"])
    for command in (("up",), ("stamp", "head")):
        done = project.run("migrate", *command, "--json")
        assert (done.exit_code, done.json["error"]["code"]) == (2, "migration_scripts"), done
        assert f"alembic/versions/{LONG}.py" in done.json["error"]["message"]
        assert "has 40 characters" in done.json["error"]["message"]
        assert "takes 32" in done.json["error"]["message"]
    assert tables(project.url) == []
    assert project.run("migrate", "up", "r2").exit_code == 0
    done = project.run("migrate", "up", "--json")
    assert done.exit_code == 2
    hint = done.json["error"]["hint"]
    assert "ALTER TABLE" in hint
    execute(project.url, hint[hint.index("ALTER") :])  # as the hint says
    assert project.run("migrate", "up").exit_code == 0
    assert fetch(project.url, APPLIED) == [LONG]


@pytest.mark.parametrize("column", ["text", "varchar", "varchar(255)"])
def test_up_id_that_the_version_column_takes_is_applied(project: Project, column: str) -> None:
    execute(project.url, f"create table alembic_version (version_num {column} primary key)")
    project.add_revision(LONG, "pass", after=["r2"])
    assert project.run("migrate", "up").exit_code == 0
    assert fetch(project.url, APPLIED) == [LONG]


def test_up_narrow_version_column_is_refused_for_an_id_of_usual_length(project: Project) -> None:
    execute(project.url, "create table alembic_version (version_num varchar(2) primary key)")
    project.add_revision("r345", "pass", after=["r2"])
    done = project.run("migrate", "up", "--json")
    assert done.exit_code == 2
    assert "takes 2" in done.json["error"]["message"]
    assert tables(project.url) == ["alembic_version"]


def merged(project: Project) -> None:
    project.add_revision("left", "pass", after=["r1"])
    project.add_revision("both", "pass", after=["r2", "left"])


@pytest.mark.parametrize("target", ["-1", "-2"])
def test_down_at_a_merge_names_the_files(project: Project, target: str) -> None:
    merged(project)
    assert project.run("migrate", "up").exit_code == 0
    done = project.run("migrate", "down", target, "--yes", "--json")
    assert (done.exit_code, done.json["error"]["code"]) == (2, "usage")
    message = done.json["error"]["message"]
    assert "both (alembic/versions/both.py) merges" in message
    assert "left (alembic/versions/left.py)" in message
    assert "r2 (alembic/versions/r2.py)" in message
    assert fetch(project.url, APPLIED) == ["both"]
    assert project.run("migrate", "down", "left", "--yes").exit_code == 0  # as the hint says


@pytest.mark.parametrize(
    ("at", "target", "message"),
    [
        (None, "-1", "there is nothing to revert by -1: the database is at base"),
        (None, "r1", "there is nothing to revert down to r1: the database is at base"),
        ("r1", "-3", "-3 goes further than there are revisions: the database is at r1, with 1"),
        ("r1", "r2", "there is nothing to revert down to r2: the database is at r1"),
    ],
)
def test_down_further_than_the_database_is_says_where_it_is(
    project: Project, at: str | None, target: str, message: str
) -> None:
    if at is not None:
        assert project.run("migrate", "up", at).exit_code == 0
    done = project.run("migrate", "down", target, "--yes", "--json")
    assert done.exit_code == 2, done
    assert message in done.json["error"]["message"]


def test_up_further_than_there_are_revisions_says_how_many_are_pending(project: Project) -> None:
    assert project.run("migrate", "up", "r1").exit_code == 0
    done = project.run("migrate", "up", "+2", "--json")
    assert done.exit_code == 2
    assert "the database is at r1, with 1 pending" in done.json["error"]["message"]


ALONE = {
    "reindex of a partitioned table": "REINDEX TABLE parted",
    "reindex of a partitioned index": "reindex index parted_id",
    "index built concurrently": "create index concurrently i on plain (id)",
    "vacuum": "VACUUM plain",
}


@pytest.fixture
def indexed(project: Project) -> Project:
    execute(
        project.url,
        "create table plain (id int)",
        "create table parted (id int) partition by range (id)",
        "create index parted_id on parted (id)",
    )
    return project


@pytest.mark.parametrize("case", ALONE)
def test_up_statement_that_runs_alone_is_refused_before_anything_runs(
    indexed: Project, case: str
) -> None:
    indexed.add_revision("r3", f"op.execute({ALONE[case]!r})", after=["r2"])
    done = indexed.run("migrate", "up", "--json")
    assert (done.exit_code, done.json["error"]["code"]) == (4, "migration_failed"), done
    assert "alembic/versions/r3.py" in done.json["error"]["message"]
    assert "autocommit_block" in done.json["error"]["message"]
    assert (done.json["applied"], done.json["after"]) == ([], [])
    assert not {"a", "b"} & set(tables(indexed.url))


@pytest.mark.parametrize(
    "upgrade",
    [
        *(
            f"\n    with op.get_context().autocommit_block():\n        op.execute({sql!r})"
            for sql in ALONE.values()
        ),
        "op.execute('REINDEX TABLE plain')",
        "op.execute('COMMIT'); op.execute('create index concurrently i on plain (id)')",
        "op.execute('select 1 -- no vacuum is needed')",
    ],
)
def test_up_statement_that_can_run_where_it_stands_is_run(indexed: Project, upgrade: str) -> None:
    indexed.add_revision("r3", upgrade, after=["r2"])
    done = indexed.run("migrate", "up", "--json")
    assert done.exit_code == 0, done
    assert done.json["after"] == ["r3"]


def test_up_env_py_in_autocommit_mode_runs_what_runs_alone(tmp_path: Path, tcp_url: str) -> None:
    indexed = Project.create(tmp_path, tcp_url, "select 1", "select 2", driver=Driver.PSYCOPG)
    execute(tcp_url, "create table plain (id int)")
    env = (indexed.root / "alembic" / "env.py").read_text()
    assert 'prefix="sqlalchemy.",' in env
    autocommit = 'prefix="sqlalchemy.", isolation_level="AUTOCOMMIT",'
    indexed.write_alembic("env.py", env.replace('prefix="sqlalchemy.",', autocommit))
    indexed.add_revision("r3", "op.execute('VACUUM plain')", after=["r2"])
    done = indexed.run("migrate", "up", "--json")
    assert (done.exit_code, done.json["atomic"]) == (0, False), done


STALE = {
    "parent": (["r1", "r2"], ["r1"], "r2"),
    "ancestor": (["r1", "both"], ["r1"], "both"),
    "parent of a merge": (["left", "both"], ["left"], "both"),
    "both parents": (["left", "r2", "both"], ["left", "r2"], "both"),
    "twice": (["r2", "r2"], ["r2"], "r2"),
}


@pytest.mark.parametrize("case", STALE)
def test_status_stale_row_is_a_state_of_its_own_with_the_remedy(
    project: Project, case: str
) -> None:
    rows, stale, kept = STALE[case]
    merged(project)
    assert project.run("migrate", "up", kept).exit_code == 0
    execute(
        project.url,
        "alter table alembic_version drop constraint alembic_version_pkc",
        "truncate alembic_version",
        *(f"insert into alembic_version values ('{row}')" for row in rows),
    )
    done = project.run("migrate", "status", "--json")
    assert (done.exit_code, done.json["state"]) == (1, "stale"), done
    assert sorted(done.json["stale"]) == stale
    remedy = f"dbctl migrate stamp {kept}"
    assert done.json["hint"] == remedy
    shown = project.run("migrate", "status")
    assert f"should not be there: {', '.join(stale)}" in shown.stdout
    assert project.run("migrate", "verify").exit_code == 0
    history = project.run("migrate", "history", "--json").json
    assert {one["revision"] for one in history["revisions"] if one["applied"]} >= {"r1", kept}
    for command in (("up",), ("plan",), ("check",), ("down", "base", "--yes")):
        refused = project.run("migrate", *command, "--json")
        assert (refused.exit_code, refused.json["error"]["code"]) == (1, "schema_behind"), refused
        assert remedy in refused.json["error"]["hint"]
    checked = project.run("health", "--json")
    assert checked.exit_code == 1, checked
    assert remedy in checked.stdout
    assert project.run(*remedy.split()[1:]).exit_code == 0
    assert fetch(project.url, APPLIED) == [kept]
    assert project.run("migrate", "up").exit_code == 0


def test_status_stale_row_below_two_heads_says_what_to_delete(project: Project) -> None:
    project.add_revision("left", "pass", after=["r1"])
    assert project.run("migrate", "up", "heads").exit_code == 0
    execute(project.url, "insert into alembic_version values ('r1')")
    found = project.run("migrate", "status", "--json").json
    assert (found["state"], found["stale"]) == ("stale", ["r1"])
    execute(project.url, found["hint"])  # as it says
    assert project.run("migrate", "status", "--json").json["state"] == "current"
