"""Plain Alembic and dbctl on one database, in either order: neither is in the other's way."""

from pathlib import Path

import pytest

from tests.support.databases import fetch
from tests.support.foreign import (
    Driver,
    ForeignProject,
    Template,
    driver_url,
    ledger_of,
    template_project,
)

# Long: run with -m slow.
pytestmark = pytest.mark.slow

VERSION = "select version_num::text from alembic_version"
CREATE = "CREATE TABLE {0} (id serial PRIMARY KEY)"
CONFIGURE = "            connection=connection, target_metadata=target_metadata\n"


@pytest.fixture
def project(tmp_path: Path, tcp_url: str) -> ForeignProject:
    """The template generic on psycopg2, with a third revision that can be reverted."""
    project = template_project(
        tmp_path / "shop", Template.GENERIC, driver_url(tcp_url, Driver.PSYCOPG2)
    )
    add_table(project, "r3", "r2")
    return project


def add_table(project: ForeignProject, revision: str, after: str) -> None:
    """Add a revision, and a model, that make a table of the revision's name."""
    project.add_revision(
        revision,
        f"op.execute({CREATE.format(revision)!r})",
        after=after,
        downgrade=f"op.execute('DROP TABLE {revision}')",
    )
    models = project.read("shop/models.py")
    project.write(
        "shop/models.py",
        f"{models}\n\nclass {revision.title()}(Base):\n"
        f'    __tablename__ = "{revision}"\n\n'
        "    id: Mapped[int] = mapped_column(primary_key=True)\n",
    )


def assert_alembic(project: ForeignProject, *arguments: str) -> None:
    done = project.alembic(*arguments)
    assert done.exit_code == 0, done


def assert_dbctl(project: ForeignProject, *arguments: str) -> None:
    done = project.dbctl(*arguments)
    assert done.exit_code == 0, done


def test_up_after_plain_alembic_goes_on_where_it_was(tcp_url: str, project: ForeignProject) -> None:
    assert_alembic(project, "upgrade", "r2")
    pending = project.dbctl("migrate", "status", "--json")
    assert (pending.exit_code, pending.json["current"]) == (1, ["r2"]), pending
    done = project.dbctl("migrate", "up", "--json")
    assert (done.exit_code, done.json["before"], done.json["after"]) == (0, ["r2"], ["r3"]), done
    assert [step["revision"] for step in done.json["applied"]] == ["r3"]
    assert ledger_of(tcp_url) == ["r3"]
    assert_alembic(project, "downgrade", "-1")
    assert_alembic(project, "upgrade", "head")
    assert_alembic(project, "check")
    assert_dbctl(project, "migrate", "check")
    assert_dbctl(project, "migrate", "status")
    add_table(project, "r4", "r3")
    assert_alembic(project, "upgrade", "head")
    assert_dbctl(project, "migrate", "up")
    assert fetch(tcp_url, VERSION) == ["r4"]


def test_plain_alembic_after_up_goes_on_where_it_was(tcp_url: str, project: ForeignProject) -> None:
    done = project.dbctl("migrate", "up", "r2", "--json")
    assert (done.exit_code, done.json["after"]) == (0, ["r2"]), done
    assert_alembic(project, "upgrade", "head")
    assert_alembic(project, "check")
    assert_dbctl(project, "migrate", "status")
    again = project.dbctl("migrate", "up", "--json")
    assert (again.exit_code, again.json["applied"]) == (0, []), again
    assert_alembic(project, "downgrade", "r1")
    done = project.dbctl("migrate", "up", "--json")
    assert [step["revision"] for step in done.json["applied"]] == ["r2", "r3"], done
    assert_dbctl(project, "migrate", "down", "base", "--yes")
    assert_alembic(project, "upgrade", "head")
    assert fetch(tcp_url, VERSION) == ["r3"]


def test_status_by_dbctl_alone_writes_nothing_that_alembic_sees(
    tcp_url: str, project: ForeignProject
) -> None:
    for command in ("status", "history", "check", "plan"):
        project.dbctl("migrate", command)
    tables = "select count(*) from pg_tables where schemaname !~ '^pg_|^information_schema$'"
    assert fetch(tcp_url, tables) == [0]
    assert_alembic(project, "upgrade", "head")
    assert_dbctl(project, "migrate", "status")


def written_by_autogenerate(project: ForeignProject) -> str:
    """Return the revision that Alembic writes where models and database differ."""
    assert_alembic(project, "revision", "--autogenerate", "-m", "anything", "--rev-id", "auto")
    (path,) = (project.root / "alembic" / "versions").glob("auto_*.py")
    return path.read_text()


def use_everything(project: ForeignProject) -> None:
    """Let dbctl make each of its own tables."""
    assert_dbctl(project, "migrate", "up")
    assert_dbctl(project, "seed", "generate", "invoice=2")


def test_autogenerate_after_up_is_empty(project: ForeignProject) -> None:
    use_everything(project)
    text = written_by_autogenerate(project)
    assert "op." not in text
    assert "dbctl" not in text
    assert_alembic(project, "upgrade", "head")
    assert_alembic(project, "check")
    assert_dbctl(project, "migrate", "status")


def test_autogenerate_with_include_schemas_and_an_include_name_is_empty(
    tcp_url: str, project: ForeignProject
) -> None:
    project.edit_env(
        (
            "def run_migrations_online",
            "def include_name(name, type_, parent_names):\n"
            '    return type_ != "schema" or name in (None, "billing")\n\n\n'
            "def run_migrations_online",
        ),
        (
            CONFIGURE,
            CONFIGURE.rstrip()
            + ",\n            include_schemas=True,\n            include_name=include_name,\n",
        ),
    )
    project.add_revision(
        "r4",
        "op.execute('CREATE SCHEMA billing')\n"
        "op.create_table('bill', sa.Column('id', sa.Integer(), primary_key=True),"
        " schema='billing')",
        after="r3",
    )
    models = project.read("shop/models.py")
    project.write(
        "shop/models.py",
        f"{models}\n\nclass Bill(Base):\n"
        '    __tablename__ = "bill"\n    __table_args__ = {"schema": "billing"}\n\n'
        "    id: Mapped[int] = mapped_column(primary_key=True)\n",
    )
    use_everything(project)
    assert "billing" in fetch(tcp_url, "select nspname::text from pg_namespace")
    text = written_by_autogenerate(project)
    assert "op." not in text
    assert_alembic(project, "upgrade", "head")
    check = project.dbctl("migrate", "check", "--json")
    assert "differences" in check.json, check.stdout
    assert (check.exit_code, check.json["differences"]) == (0, []), check


def test_check_with_include_schemas_and_no_filter_leaves_out_dbctls_own(
    project: ForeignProject,
) -> None:
    project.edit_env((CONFIGURE, CONFIGURE.rstrip() + ",\n            include_schemas=True,\n"))
    use_everything(project)
    check = project.dbctl("migrate", "check", "--json")
    assert "differences" in check.json, check.stdout
    assert (check.exit_code, check.json["differences"]) == (0, []), check
