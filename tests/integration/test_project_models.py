"""Models that env.py names: what uses them, and what does without."""

import json
from pathlib import Path

import pytest

from tests.support.cli import Finished, invoke, run_dbctl
from tests.support.databases import execute, fetch
from tests.support.health import checks_of, statuses_of
from tests.support.project import Project

TEAM = "create table team (id int primary key, name varchar not null)"
OWN_MODELS = "from shop.models import metadata\n"


@pytest.fixture
def project(tmp_path: Path, empty_url: str) -> Project:
    """A project at its head whose env.py has `target_metadata` itself; no DBCTL_MODELS."""
    project = Project.create(tmp_path, empty_url, TEAM)
    own(project, "metadata")
    assert run(project, "migrate", "up").exit_code == 0
    return project


def own(project: Project, target: str, line: str = OWN_MODELS) -> None:
    """Let env.py give Alembic `target`."""
    path = project.root / "alembic" / "env.py"
    text = path.read_text().partition("# own\n")[2] or path.read_text()
    changed = text.replace("target_metadata=target_metadata(config),", "target_metadata=TARGET,")
    path.write_text(f"{line}TARGET = {target}\n# own\n{changed}")


def run(project: Project, *arguments: str, **env: str) -> Finished:
    """Run dbctl without DBCTL_MODELS."""
    return invoke(*arguments, env={"DATABASE_URL": project.url} | env, cwd=project.root)


def test_check_compares_with_target_metadata(project: Project) -> None:
    done = run(project, "migrate", "check", "--json")
    assert (done.exit_code, done.json["models"]) == (0, "alembic/env.py")
    execute(project.url, "alter table team drop column name")
    done = run(project, "migrate", "check", "--json")
    assert done.exit_code == 1
    assert [(each["kind"], each["name"]) for each in done.json["differences"]] == [
        ("add_column", "name")
    ]
    assert "differs from alembic/env.py" in run(project, "migrate", "check").stdout


def test_check_compares_with_a_list_of_metadata_and_what_alembic_leaves_out(
    project: Project,
) -> None:
    more = (
        "import sqlalchemy as sa\nmore = sa.MetaData()\n"
        "sa.Table('desk', more, sa.Column('id', sa.Integer, primary_key=True),\n"
        "         sa.CheckConstraint('id > 0', name='desk_id'))\n"
    )
    own(project, "[metadata, more]", OWN_MODELS + more)
    execute(project.url, "create table desk (id int primary key)")
    done = run(project, "migrate", "check", "--json")
    assert [(each["kind"], each["name"]) for each in done.json["differences"]] == [
        ("add_constraint", "desk_id")
    ]


def test_status_and_health_compare_with_target_metadata(project: Project) -> None:
    execute(project.url, "alter table team drop column name")
    assert run(project, "migrate", "status", "--drift", "--json").json["state"] == "drifted"
    health = run(project, "health", "--drift", "--only", "migrations", "--json")
    assert statuses_of(health.json)["drift"] == "fail"
    assert "from alembic/env.py" in checks_of(health.json)["drift"]["output"]


def test_generating_follows_the_info_of_target_metadata(project: Project) -> None:
    own(project, "metadata", OWN_MODELS + "metadata.tables['team'].c.name.info['generate'] = "
        "{'choices': ['red']}\n")  # fmt: skip
    assert run(project, "seed", "generate", "team=3").exit_code == 0
    assert fetch(project.url, "select distinct name from team") == ["red"]


def test_a_diagram_draws_target_metadata_without_a_database(project: Project) -> None:
    done = run(project, "inspect", "diagram", "--models", DATABASE_URL="postgresql://x@[::1]:1/x")
    assert (done.exit_code, "team" in done.stdout) == (0, True)


def test_marks_of_target_metadata_are_kept_until_env_py_changes(project: Project) -> None:
    execute(project.url, "insert into team values (1, 'secret-name')")

    def masked() -> bool:
        done = run(project, "inspect", "rows", "team", "--format", "csv")
        assert (done.exit_code, "left out" in done.stderr) == (0, False)
        return "secret-name" not in done.stdout

    assert not masked()
    mark = "metadata.tables['team'].c.name.info['pii'] = True\n"
    own(project, "metadata", OWN_MODELS + mark)
    assert masked()
    ran = project.root / "ran"
    own(
        project,
        "metadata",
        f"{OWN_MODELS}{mark}with open({str(ran)!r}, 'a') as ran:\n    ran.write('x')\n",
    )
    assert masked()
    assert masked()
    assert len(ran.read_text()) in (1, 2)  # a file of this very moment is not trusted


def test_env_py_without_models_marks_nothing_and_is_not_told_of(project: Project) -> None:
    own(project, "None")
    execute(project.url, "insert into team values (1, 'Ann')")
    done = run(project, "inspect", "rows", "team", "--format", "csv")
    assert (done.exit_code, done.stdout) == (0, "id,name\n1,Ann\n")
    assert "models" not in done.stderr


def test_an_env_py_that_fails_stops_only_what_needs_models(project: Project) -> None:
    own(project, "metadata", "raise RuntimeError('no such luck')\n")
    rows = project.root / "team.csv"
    rows.write_text("id,name\n7,Ann\n")
    for arguments in (
        ("seed", "generate", "team=2"),
        ("seed", "load", str(rows), "--into", "team"),
        ("inspect", "rows", "team"),
        ("inspect", "tables"),
        ("inspect", "query", "select 1"),
    ):
        done = run(project, *arguments)
        assert done.exit_code == 0, done.stderr
        notices = [line for line in done.stderr.splitlines() if "no such luck" in line]
        assert len(notices) == (0 if arguments[:2] == ("inspect", "tables") else 1), done.stderr
    assert run(project, "health", "--only", "connection,extensions").exit_code == 0
    for arguments, code in (
        (("migrate", "check"), "migration_scripts"),
        (("migrate", "status", "--drift"), "migration_scripts"),
        (("inspect", "diagram", "--models"), "models_import"),
    ):
        done = run(project, *arguments, "--json")
        assert (done.exit_code, done.json["error"]["code"]) == (2, code), arguments
        assert "no such luck" in done.json["error"]["message"]
    done = run(project, "health", "--drift", "--json")
    assert done.exit_code == 1
    for name in ("migrations:state", "drift:differences"):
        (check,) = done.json["checks"][name]
        assert check["status"] == "fail"
        assert "no such luck" in check["output"]


def test_models_that_are_named_and_fail_stop_only_what_needs_them(project: Project) -> None:
    rows = project.root / "team.csv"
    rows.write_text("id,name\n7,Ann\n")
    env = {"DBCTL_MODELS": "nowhere:Base"}
    for arguments in (
        ("seed", "generate", "team=2"),
        ("seed", "load", str(rows), "--into", "team"),
        ("inspect", "rows", "team"),
        ("health", "--skip", "migrations"),
    ):
        done = run(project, *arguments, **env)
        assert done.exit_code == 0, (arguments, done.stdout, done.stderr)
        assert len([line for line in done.stderr.splitlines() if "nowhere" in line]) == 1
    assert run(project, "migrate", "check", **env).exit_code == 2


def test_a_set_finds_the_relatives_of_its_models_by_env_py(project: Project) -> None:
    (project.root / "shop" / "people.py").write_text(
        "from sqlmodel import Field, Relationship, SQLModel\n"
        "class Person(SQLModel, table=True):\n"
        "    id: int = Field(primary_key=True)\n"
        "    cats: list['Cat'] = Relationship(back_populates='person')\n"
    )
    (project.root / "shop" / "cats.py").write_text(
        "from sqlmodel import Field, Relationship, SQLModel\nfrom shop.people import Person\n"
        "class Cat(SQLModel, table=True):\n"
        "    id: int = Field(primary_key=True)\n"
        "    person_id: int = Field(foreign_key='person.id')\n"
        "    person: Person = Relationship(back_populates='cats')\n"
    )
    (project.root / "seeds.py").write_text(
        "from shop.people import Person\nasync def seed(session):\n    yield Person(id=1)\n"
    )
    (project.root / "pyproject.toml").write_text('[tool.dbctl.seeds]\none = "seeds"\n')
    own(project, "SQLModel.metadata", "import shop.cats\nfrom sqlmodel import SQLModel\n")
    execute(project.url, "create table person (id int primary key)")
    # Apart: in this process the models would stay in SQLModel's metadata.
    done = run_dbctl(
        "seed", "--set", "one", "--json", env={"DATABASE_URL": project.url}, cwd=project.root
    )
    assert done.exit_code == 0, (done.stdout, done.stderr)
    assert [row["state"] for row in json.loads(done.stdout)["rows"]] == ["created"]
