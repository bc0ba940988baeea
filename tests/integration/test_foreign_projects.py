"""What people make of Alembic's templates: plain Alembic runs it, and so does dbctl, unedited."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.support.databases import TestServer, execute, fetch
from tests.support.foreign import (
    PASSWORD,
    Driver,
    ForeignProject,
    TcpServer,
    Template,
    driver_url,
    init_project,
    ledger_of,
    name_of,
    state_after_alembic,
    state_of,
    tables_of,
    template_project,
    up_like_alembic,
)

# Long: run with -m slow.
pytestmark = pytest.mark.slow

CONNECT = "    with connectable.connect() as connection:\n"
CONFIGURE = "            connection=connection, target_metadata=target_metadata\n"
METADATA = "target_metadata = Base.metadata\n"
ENGINE = "        poolclass=pool.NullPool,\n"


@pytest.fixture
def project(tmp_path: Path, tcp_url: str) -> ForeignProject:
    """The template generic on psycopg, with models and two revisions."""
    return template_project(
        tmp_path / "shop", Template.GENERIC, driver_url(tcp_url, Driver.PSYCOPG)
    )


def configured(options: str) -> tuple[str, str]:
    """Return the change of env.py that gives `context.configure` more options."""
    return CONFIGURE, CONFIGURE.replace("\n", f",\n            {options},\n")


def before_configure(*lines: str) -> tuple[str, str]:
    """Return the change of env.py that does something with the connection first."""
    return CONNECT, CONNECT + "".join(f"        {line}\n" for line in lines)


# Drivers


def test_up_revision_for_psycopg2_alone_runs_on_psycopg2(
    tmp_path: Path, tcp_server: TcpServer, tcp_url: str
) -> None:
    project = template_project(
        tmp_path / "shop", Template.GENERIC, driver_url(tcp_url, Driver.PSYCOPG2)
    )
    project.add_revision(
        "r3",
        """
        bind = op.get_bind()
        op.execute("INSERT INTO customer (name) VALUES ('100% sure'), ('50%')")
        op.execute("CREATE TABLE visit (at timestamptz, amount integer, who varchar)")
        bind.exec_driver_sql(
            "INSERT INTO visit SELECT %s, %s, name FROM customer WHERE name IN %s"
            " AND name LIKE '%%a'",
            ("2024-01-02T03:04:05+00:00", "7", ("Ada", "Bob")),
        )
        op.execute(
            sa.text("INSERT INTO visit VALUES (:at, :amount, :who)").bindparams(
                at="2024-01-02T03:04:05+00:00", amount="8", who="it's 5%"
            )
        )
        bind.execute(
            sa.text("INSERT INTO visit VALUES (:at, :amount, :who)"),
            [{"at": "2024-01-03", "amount": "9", "who": "Cid"}],
        )
        visit = sa.table(
            "visit", sa.column("at", sa.DateTime(timezone=True)), sa.column("amount", sa.Integer)
        )
        op.bulk_insert(visit, [{"at": "2024-02-02T03:04:05Z", "amount": n} for n in range(3)])
        """,
        after="r2",
    )
    up_like_alembic(tcp_server, project, tcp_url)
    assert ledger_of(tcp_url) == ["r1", "r2", "r3"]
    assert fetch(tcp_url, "select count(*) from visit") == [6]


def test_up_revision_uses_the_driver_connection_as_psycopg2_gives_it(
    tmp_path: Path, tcp_server: TcpServer, tcp_url: str
) -> None:
    project = init_project(
        tmp_path / "shop", Template.GENERIC, driver_url(tcp_url, Driver.PSYCOPG2)
    )
    project.add_revision(
        "r1",
        """
        import io
        from psycopg2.extras import execute_values
        op.execute("CREATE TABLE item (id integer, name varchar)")
        raw = op.get_bind().connection
        with raw.cursor() as cursor:
            cursor.copy_expert("COPY item FROM STDIN CSV", io.StringIO("1,a\\n2,b\\n"))
            execute_values(cursor, "INSERT INTO item VALUES %s", [(3, "c"), (4, "d")])
        """,
    )
    up_like_alembic(tcp_server, project, tcp_url)
    assert fetch(tcp_url, "select count(*) from item") == [4]


def test_up_revision_with_an_orm_session_keeps_its_rows(
    tcp_server: TcpServer, tcp_url: str, project: ForeignProject
) -> None:
    project.add_revision(
        "r3",
        """
        from sqlalchemy.orm import Session
        from shop.models import Customer, Invoice
        session = Session(bind=op.get_bind())
        ada = session.query(Customer).filter_by(name="Ada").one()
        session.add_all([Invoice(customer_id=ada.id, note=f"n{n}") for n in range(3)])
        session.flush()
        """,
        after="r2",
    )
    up_like_alembic(tcp_server, project, tcp_url)


# SQLModel, settings of its own


SETTINGS = """
from pydantic import PostgresDsn, computed_field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore")

    ENVIRONMENT: str = "local"
    POSTGRES_SERVER: str
    POSTGRES_PORT: int = 5432
    POSTGRES_USER: str
    POSTGRES_PASSWORD: str = ""
    POSTGRES_DB: str = ""

    @computed_field
    @property
    def SQLALCHEMY_DATABASE_URI(self) -> PostgresDsn:
        return PostgresDsn.build(
            scheme="postgresql+psycopg",
            username=self.POSTGRES_USER,
            password=self.POSTGRES_PASSWORD,
            host=self.POSTGRES_SERVER,
            port=self.POSTGRES_PORT,
            path=self.POSTGRES_DB,
        )


settings = Settings()
"""
SQLMODEL_MODELS = """
import uuid

from sqlmodel import Field, SQLModel


class User(SQLModel, table=True):
    id: uuid.UUID = Field(default_factory=uuid.uuid4, primary_key=True)
    email: str = Field(unique=True, index=True, max_length=255)


class Item(SQLModel, table=True):
    id: uuid.UUID = Field(default_factory=uuid.uuid4, primary_key=True)
    title: str = Field(max_length=255)
    owner_id: uuid.UUID = Field(foreign_key="user.id", ondelete="CASCADE")
"""


def write_sqlmodel_project(root: Path, url: str, ini_url: str | None) -> ForeignProject:
    """Write a project whose env.py makes the URL of settings of its own, from `.env`."""
    project = init_project(root, Template.GENERIC, ini_url or "", scripts="app/migrations")
    if ini_url is None:
        project.edit("alembic.ini", ("sqlalchemy.url = \n", ""))
    parts = make_url(url)
    project.write(
        ".env",
        "PROJECT_NAME='Full Stack'\nENVIRONMENT=local\n"
        f"POSTGRES_SERVER={parts.host}\nPOSTGRES_PORT={parts.port}\nPOSTGRES_DB={parts.database}\n"
        f"POSTGRES_USER={parts.username}\nPOSTGRES_PASSWORD={parts.password}\n",
    )
    for package in ("app", "app/core"):
        project.write(f"{package}/__init__.py", "")
    project.write("app/core/config.py", SETTINGS)
    project.write("app/models.py", SQLMODEL_MODELS)
    project.edit_env(
        (
            "target_metadata = None",
            "from app.models import SQLModel\n"
            "from app.core.config import settings\n\n"
            "target_metadata = SQLModel.metadata\n\n\n"
            "def get_url():\n    return str(settings.SQLALCHEMY_DATABASE_URI)\n",
        ),
        (
            "    connectable = engine_from_config(\n"
            "        config.get_section(config.config_ini_section, {}),\n",
            "    configuration = config.get_section(config.config_ini_section)\n"
            '    configuration["sqlalchemy.url"] = get_url()\n'
            "    connectable = engine_from_config(\n        configuration,\n",
        ),
        configured("compare_type=True"),
    )
    project.add_revision(
        "r1",
        """
        op.create_table(
            "user",
            sa.Column("id", sa.Uuid(), nullable=False),
            sa.Column("email", sqlmodel.sql.sqltypes.AutoString(length=255), nullable=False),
            sa.PrimaryKeyConstraint("id"),
        )
        op.create_index(op.f("ix_user_email"), "user", ["email"], unique=True)
        op.create_table(
            "item",
            sa.Column("id", sa.Uuid(), nullable=False),
            sa.Column("title", sqlmodel.sql.sqltypes.AutoString(length=255), nullable=False),
            sa.Column("owner_id", sa.Uuid(), nullable=False),
            sa.ForeignKeyConstraint(["owner_id"], ["user.id"], ondelete="CASCADE"),
            sa.PrimaryKeyConstraint("id"),
        )
        """,
        downgrade='op.drop_table("item")\nop.drop_table("user")',
        head="import sqlmodel.sql.sqltypes",
    )
    return project


@pytest.mark.parametrize(
    "ini_url",
    [None, "postgresql://user:pass@localhost/dbname", "driver://user:pass@localhost/dbname"],
    ids=["no URL", "placeholder", "template's"],
)
def test_every_command_uses_the_database_that_env_py_makes_of_its_settings(
    tmp_path: Path, tcp_server: TcpServer, tcp_url: str, ini_url: str | None
) -> None:
    project = write_sqlmodel_project(tmp_path / "backend", tcp_url, ini_url)
    up_like_alembic(tcp_server, project, tcp_url)
    assert project.alembic("check").exit_code == 0
    check = project.dbctl("migrate", "check", "--json")
    assert (check.exit_code, check.json["differences"]) == (0, []), check
    execute(
        tcp_url,
        "insert into \"user\" values ('7f0c7a3e-6a2e-4a43-8a52-6a4c3b7d0001', 'ada@example.org')",
    )
    for command in (
        ["inspect", "tables", "--json"],
        ["inspect", "rows", "user", "--json"],
        ["migrate", "history", "--json"],
        ["migrate", "log", "--json"],
        ["migrate", "verify", "--json"],
    ):
        done = project.dbctl(*command)
        assert done.exit_code == 0, done
    health = project.dbctl("health", "--only", "connection,migrations", "--json")
    assert health.exit_code == 0, health
    seeded = project.dbctl("seed", "generate", "item=3", "--json")
    assert seeded.exit_code == 0, seeded
    assert fetch(tcp_url, "select count(*) from item") == [3]
    for run in (check, health, seeded):
        assert PASSWORD not in run.stdout + run.stderr


# Version tables


def test_two_projects_with_version_tables_of_their_own_share_a_database(
    tmp_path: Path, tcp_server: TcpServer, tcp_url: str
) -> None:
    projects = []
    for name in ("a", "b"):
        project = init_project(
            tmp_path / name, Template.GENERIC, driver_url(tcp_url, Driver.PSYCOPG)
        )
        project.edit_env(
            configured(f'version_table="{name}_version", version_table_schema="public"')
        )
        for number in (1, 2):  # the same revision ids in both
            project.add_revision(
                f"r{number}",
                f'op.create_table("{name}{number}", sa.Column("id", sa.Integer()))',
                after=f"r{number - 1}" if number > 1 else None,
                downgrade=f'op.drop_table("{name}{number}")',
            )
        projects.append(project)
    first, second = projects
    with tcp_server.database() as other:
        for project in projects:
            plain = project.copied((tcp_url, other))
            assert plain.alembic("upgrade", "head").exit_code == 0
        left = state_of(other)
    for project in projects:
        done = project.dbctl("migrate", "up", "--json")
        assert (done.exit_code, done.json["before"], done.json["after"]) == (0, [], ["r2"]), done
    assert state_of(tcp_url) == left
    assert ledger_of(tcp_url) == ["r1", "r2"] * 2
    down = second.dbctl("migrate", "down", "--yes", "--json")
    assert (down.exit_code, down.json["after"]) == (0, ["r1"]), down
    for project, state, code in ((first, "current", 0), (second, "pending", 1)):
        status = project.dbctl("migrate", "status", "--json")
        assert (status.exit_code, status.json["state"]) == (code, state), status
        verify = project.dbctl("migrate", "verify", "--json")
        assert verify.exit_code == 0, verify
    assert "public.a2" in tables_of(tcp_url)
    assert "public.b2" not in tables_of(tcp_url)


def test_up_version_table_in_another_schema_with_a_translate_map(
    tmp_path: Path, tcp_server: TcpServer, tcp_url: str
) -> None:
    project = init_project(tmp_path / "shop", Template.GENERIC, driver_url(tcp_url, Driver.PSYCOPG))
    project.edit_env(
        (
            "from alembic import context\n",
            "from sqlalchemy.schema import CreateSchema\nfrom alembic import context\n",
        ),
        before_configure(
            'connection.execute(CreateSchema("tenant", if_not_exists=True))',
            "connection.commit()",
            'connection = connection.execution_options(schema_translate_map={None: "tenant"})',
        ),
        configured('version_table_schema="tenant"'),
    )
    project.add_revision(
        "r1", 'op.create_table("a", sa.Column("id", sa.Integer()))', downgrade='op.drop_table("a")'
    )
    project.add_revision(  # Alembic's own ALTER TABLE takes no notice of the map
        "r2",
        'op.create_table("b", sa.Column("id", sa.Integer()))',
        after="r1",
        downgrade='op.drop_table("b")',
    )
    up_like_alembic(tcp_server, project, tcp_url)
    assert tables_of(tcp_url) == ["tenant.a", "tenant.alembic_version", "tenant.b"]
    assert ledger_of(tcp_url) == ["r1", "r2"]
    down = project.dbctl("migrate", "down", "base", "--yes", "--json")
    assert (down.exit_code, down.json["after"]) == (0, []), down
    assert tables_of(tcp_url) == ["tenant.alembic_version"]


# Branches


def test_up_branches_with_depends_on_and_a_merge_runs_them_in_alembics_order(
    tcp_server: TcpServer, tcp_url: str, project: ForeignProject
) -> None:
    table = 'op.create_table("{0}", sa.Column("id", sa.Integer()))'
    project.add_revision("left", table.format("l"), after="r2", head='branch_labels = ("west",)')
    project.add_revision("right", table.format("r"), after="r2", head='depends_on = ("left",)')
    project.add_revision("merged", "pass", after=("left", "right"))
    project.add_revision("end", 'op.drop_table("l")', after="merged")
    done = up_like_alembic(tcp_server, project, tcp_url)
    revisions = [step["revision"] for step in done.json["applied"]]
    assert revisions == ["r1", "r2", "left", "right", "merged", "end"]
    assert ledger_of(tcp_url) == revisions
    assert done.json["after"] == ["end"]


def test_up_heads_of_two_bases_leaves_both_heads(
    tcp_server: TcpServer, tcp_url: str, project: ForeignProject
) -> None:
    table = 'op.create_table("{0}", sa.Column("id", sa.Integer()))'
    project.add_revision(
        "b1", table.format("x"), head='branch_labels = ("billing",)\ndepends_on = "r1"'
    )
    project.add_revision("b2", table.format("y"), after="b1")
    left = state_after_alembic(tcp_server, project, tcp_url, "upgrade", "heads")
    one = project.dbctl("migrate", "up", "billing@head", "--json")
    assert one.exit_code == 0, one
    assert [step["revision"] for step in one.json["applied"]] == ["r1", "b1", "b2"]
    done = project.dbctl("migrate", "up", "heads", "--json")
    assert (done.exit_code, set(done.json["after"])) == (0, {"r2", "b2"}), done
    assert sorted(state_of(tcp_url)) == sorted(left)
    assert project.dbctl("migrate", "status").exit_code == 0


# Alembic's own options


def test_up_x_arguments_reach_env_py_and_the_revisions(
    tmp_path: Path, tcp_server: TcpServer, tcp_url: str
) -> None:
    project = init_project(tmp_path / "shop", Template.GENERIC, driver_url(tcp_url, Driver.PSYCOPG))
    project.edit_env(
        before_configure('tenant = context.get_x_argument(as_dictionary=True)["tenant"]'),
        configured('version_table=f"version_of_{tenant}"'),
    )
    project.add_revision(
        "r1",
        """
        given = context.get_x_argument(as_dictionary=True)
        op.execute(f"CREATE TABLE {given['tenant']}_{given['b']} (id integer)")
        assert context.get_x_argument() == ["tenant=a", "b=c"]
        """,
        head="from alembic import context",
    )
    project = replace(project, options=("-x", "tenant=a", "-x", "b=c"))
    up_like_alembic(tcp_server, project, tcp_url)
    assert tables_of(tcp_url) == ["public.a_c", "public.version_of_a"]


def test_up_env_py_asks_for_x_arguments_and_none_are_given(
    tcp_server: TcpServer, tcp_url: str, project: ForeignProject
) -> None:
    project.edit_env(before_configure("assert context.get_x_argument(as_dictionary=True) == {}"))
    up_like_alembic(tcp_server, project, tcp_url)


def test_up_name_of_another_ini_section_runs_that_one(
    tmp_path: Path, tcp_server: TcpServer, tcp_urls: tuple[str, str]
) -> None:
    first, second = (driver_url(url, Driver.PSYCOPG) for url in tcp_urls)
    project = template_project(tmp_path / "shop", Template.GENERIC, first)
    project.edit(
        "alembic.ini",
        (
            "# Logging configuration",
            "[billing]\nscript_location = %(here)s/billing\nprepend_sys_path = .\n"
            f"sqlalchemy.url = {second.replace('%', '%%')}\n\n# Logging configuration",
        ),
    )
    project.write("billing/env.py", project.read("alembic/env.py"))
    billing = replace(project, scripts="billing", options=("--name", "billing"))
    billing.add_revision("bill", 'op.create_table("bill", sa.Column("id", sa.Integer()))')
    up_like_alembic(tcp_server, billing, tcp_urls[1])
    assert tables_of(tcp_urls[1]) == ["public.alembic_version", "public.bill"]
    assert tables_of(tcp_urls[0]) == []
    assert project.dbctl("migrate", "up", "--json").json["after"] == ["r2"]


@pytest.mark.parametrize("template", [Template.PYPROJECT, Template.PYPROJECT_ASYNC])
def test_up_tool_alembic_alone_needs_no_ini(
    tmp_path: Path, tcp_server: TcpServer, tcp_url: str, template: Template
) -> None:
    url = driver_url(tcp_url, Driver.PSYCOPG)
    project = template_project(tmp_path / "shop", template, url, scripts="migrations")
    (project.root / "alembic.ini").unlink()
    project.edit_env(
        (
            "config.get_section(config.config_ini_section, {})",
            '{"sqlalchemy.url": os.environ["SHOP_DB"]}',
        ),
        # It names an alembic.ini in any case, and plain Alembic fails over that as well.
        ("if config.config_file_name is not None:\n    fileConfig(config.config_file_name)\n", ""),
        ("from logging.config import fileConfig\n", "import os\n"),
    )
    project = replace(project, env={"SHOP_DB": url})
    up_like_alembic(tcp_server, project, tcp_url)


# Transactions


def test_up_env_py_begins_a_transaction_around_everything(
    tcp_server: TcpServer, tcp_url: str, project: ForeignProject
) -> None:
    project.edit_env((CONNECT, CONNECT.replace("connect()", "begin()")))
    done = up_like_alembic(tcp_server, project, tcp_url)
    assert [step["revision"] for step in done.json["applied"]] == ["r1", "r2"]
    assert ledger_of(tcp_url) == ["r1", "r2"]


def test_up_env_py_commits_by_hand_at_its_end(
    tcp_server: TcpServer, tcp_url: str, project: ForeignProject
) -> None:
    project.edit_env(
        before_configure("transaction = connection.begin()"),
        (
            "        with context.begin_transaction():\n"
            "            context.run_migrations()\n\n\nif ",
            "        context.run_migrations()\n        transaction.commit()\n\n\nif ",
        ),
    )
    up_like_alembic(tcp_server, project, tcp_url)
    assert ledger_of(tcp_url) == ["r1", "r2"]


def test_up_env_py_begins_a_transaction_and_a_revision_fails_keeps_those_before(
    tcp_url: str, project: ForeignProject
) -> None:
    project.edit_env((CONNECT, CONNECT.replace("connect()", "begin()")))
    project.add_revision("r3", 'op.execute("select 1/0")', after="r2")
    done = project.dbctl("migrate", "up", "--json")
    assert (done.exit_code, done.json["error"]["code"]) == (4, "migration_failed"), done
    version = "select version_num::text from alembic_version"
    assert done.json["after"] == fetch(tcp_url, version), "what it says is so"
    assert ledger_of(tcp_url) == [step["revision"] for step in done.json["applied"]]


def test_up_one_transaction_for_all_revisions_as_alembics_default(
    tcp_server: TcpServer, tcp_url: str, project: ForeignProject
) -> None:
    project.add_revision("r3", 'op.execute("create table last (id integer)")', after="r2")
    done = up_like_alembic(tcp_server, project, tcp_url)
    assert done.json["after"] == ["r3"]


@pytest.fixture
def owner(server: TestServer, tcp_url: str) -> Iterator[str]:
    """A role that owns the project's database."""
    name = f"owner_of_{name_of(tcp_url)}"
    database = name_of(tcp_url)
    server.execute(f"create role {name}", f"alter database {database} owner to {name}")
    yield name
    server.execute(f"alter database {database} owner to postgres")
    server.execute(f"drop owned by {name}", database=database)
    server.execute(f"drop role {name}")


@pytest.mark.parametrize(
    "statement",
    ["select 1", "set search_path to shop, public", "select set_config('shop.tenant', 'a', false)"],
)
def test_up_env_py_runs_a_statement_before_configure_and_keeps_nothing_in_alembic(
    tcp_server: TcpServer, tcp_url: str, project: ForeignProject, statement: str
) -> None:
    lines = (
        'connection.exec_driver_sql("create schema if not exists shop")',
        "connection.commit()",
        f'connection.exec_driver_sql("{statement}")',
    )
    committed = project.copied()
    committed.edit_env(before_configure(*lines, "connection.commit()"))
    project.edit_env(before_configure(*lines))
    nothing = state_after_alembic(tcp_server, project, tcp_url)
    assert not any("CREATE TABLE" in line for line in nothing)
    up_like_alembic(tcp_server, project, tcp_url, reference=committed)
    schema = "shop" if "search_path" in statement else "public"
    assert f"{schema}.alembic_version" in tables_of(tcp_url)
    assert ledger_of(tcp_url) == ["r1", "r2"]


def test_up_env_py_sets_a_role_before_configure_makes_tables_of_that_role(
    tcp_url: str, project: ForeignProject, owner: str
) -> None:
    project.edit_env(before_configure(f'connection.exec_driver_sql("set role {owner}")'))
    plain = project.alembic("upgrade", "head")
    assert (plain.exit_code, tables_of(tcp_url)) == (0, [])
    done = project.dbctl("migrate", "up", "--json")
    assert (done.exit_code, done.json["after"]) == (0, ["r2"]), done
    owners = "select distinct tableowner::text from pg_tables where schemaname = 'public'"
    assert fetch(tcp_url, owners) == [owner]
    assert ledger_of(tcp_url) == ["r1", "r2"]
    assert project.dbctl("migrate", "down", "base", "--yes").exit_code == 0
    assert project.dbctl("migrate", "up").exit_code == 0


@pytest.mark.parametrize("driver", [Driver.PSYCOPG, Driver.PSYCOPG2])
def test_up_autocommit_engine_says_that_it_is_not_atomic(
    tmp_path: Path, tcp_server: TcpServer, tcp_url: str, driver: Driver
) -> None:
    project = template_project(tmp_path / "shop", Template.GENERIC, driver_url(tcp_url, driver))
    project.edit_env((ENGINE, ENGINE + '        isolation_level="AUTOCOMMIT",\n'))
    done = up_like_alembic(tcp_server, project, tcp_url)
    assert done.json["atomic"] is False
    assert ledger_of(tcp_url) == ["r1", "r2"]


def test_up_autocommit_block_builds_an_index_concurrently(
    tcp_server: TcpServer, tcp_url: str, project: ForeignProject
) -> None:
    project.add_revision(
        "r3",
        """
        with op.get_context().autocommit_block():
            op.create_index("ix_note", "invoice", ["note"], postgresql_concurrently=True)
        """,
        after="r2",
    )
    done = up_like_alembic(tcp_server, project, tcp_url)
    assert done.json["after"] == ["r3"]


# What is compared


def test_check_include_object_leaves_out_what_env_py_leaves_out(
    tcp_url: str, project: ForeignProject
) -> None:
    project.edit_env(
        (
            "def run_migrations_online",
            "def include_object(object, name, type_, reflected, compare_to):\n"
            '    return not (type_ == "table" and name == "legacy")\n\n\n'
            "def run_migrations_online",
        ),
        configured("include_object=include_object"),
    )
    execute(tcp_url, "create table legacy (id integer)")
    assert project.dbctl("migrate", "up").exit_code == 0
    assert project.alembic("check").exit_code == 0
    done = project.dbctl("migrate", "check", "--json")
    assert (done.exit_code, done.json["differences"]) == (0, []), done
    execute(tcp_url, "create table extra (id integer)")
    assert project.alembic("check").exit_code != 0
    found = project.dbctl("migrate", "check", "--json")
    assert found.exit_code == 1, found
    assert [(d["kind"], d["table"]) for d in found.json["differences"]] == [
        ("remove_table", "extra")
    ]


def test_check_target_metadata_as_a_list_compares_all_of_it(
    tcp_url: str, project: ForeignProject
) -> None:
    project.write(
        "shop/more.py",
        "from sqlalchemy import Column, Integer, MetaData, Table\n"
        "metadata = MetaData()\n"
        'Table("extra", metadata, Column("id", Integer, primary_key=True))\n',
    )
    project.edit_env(
        (
            "target_metadata = Base.metadata",
            "from shop.more import metadata\n\ntarget_metadata = [Base.metadata, metadata]",
        )
    )
    assert project.dbctl("migrate", "up").exit_code == 0
    assert project.alembic("check").exit_code != 0
    found = project.dbctl("migrate", "check", "--json")
    assert found.exit_code == 1, found
    assert [(d["kind"], d["table"]) for d in found.json["differences"]] == [("add_table", "extra")]
    execute(tcp_url, "create table extra (id serial primary key)")
    assert project.alembic("check").exit_code == 0
    assert project.dbctl("migrate", "check").exit_code == 0


# What env.py writes


def test_up_file_config_of_env_py_writes_no_log(project: ForeignProject) -> None:
    project.edit(
        "alembic.ini",
        ("level = WARNING\nhandlers = console", "level = DEBUG\nhandlers = console,out"),
        ("keys = console", "keys = console,out"),
        (
            "[formatter_generic]",
            "[handler_out]\nclass = StreamHandler\nargs = (sys.stdout,)\n"
            "level = NOTSET\nformatter = generic\n\n[formatter_generic]",
        ),
        ("level = WARNING\nhandlers =\n", "level = DEBUG\nhandlers =\n"),
    )
    plain = project.alembic("current")
    assert (plain.exit_code, "select pg_catalog.version()" in plain.stdout) == (0, True)
    done = project.dbctl("migrate", "up", "--json")
    assert (done.exit_code, done.json["after"]) == (0, ["r2"]), done
    for text in (done.stdout, done.stderr):
        assert "[alembic" not in text
        assert "[sqlalchemy" not in text
        assert "pg_catalog.version" not in text
    shown = project.dbctl("migrate", "status")
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert "INFO" not in shown.stdout


def test_up_file_config_of_env_py_does_not_disable_loggers_of_the_revisions(
    tcp_server: TcpServer, tcp_url: str, project: ForeignProject
) -> None:
    project.edit_env(
        (
            METADATA,
            f"import logging\nlogging.getLogger('shop').warning('metadata follows')\n{METADATA}",
        )
    )
    up_like_alembic(tcp_server, project, tcp_url)


def test_up_env_py_that_prints_writes_to_stderr(tcp_url: str, project: ForeignProject) -> None:
    project.edit_env(before_configure("print('migrating', connection.engine.url.database)"))
    done = project.dbctl("migrate", "up", "--json")
    assert (done.exit_code, done.json["after"]) == (0, ["r2"]), done
    assert f"migrating {name_of(tcp_url)}" in done.stderr


# Where files are


def test_up_prepend_sys_path_of_the_ini_finds_the_models(
    tcp_server: TcpServer, tcp_url: str, project: ForeignProject
) -> None:
    (project.root / "src").mkdir()
    (project.root / "shop").rename(project.root / "src" / "shop")
    assert project.alembic("current").exit_code == 1
    project.edit("alembic.ini", ("prepend_sys_path = .", "prepend_sys_path = src"))
    up_like_alembic(tcp_server, project, tcp_url)
    assert project.dbctl("migrate", "check").exit_code == 0


def test_up_version_locations_of_two_folders_runs_both(
    tcp_server: TcpServer, tcp_url: str, project: ForeignProject
) -> None:
    project.edit(
        "alembic.ini",
        (
            "prepend_sys_path = .",
            "prepend_sys_path = .\n"
            "version_locations = %(here)s/alembic/versions:%(here)s/alembic/billing",
        ),
    )
    project.add_revision(
        "r3", 'op.execute("create table bill (id integer)")', after="r2", folder="billing"
    )
    done = up_like_alembic(tcp_server, project, tcp_url)
    assert done.json["after"] == ["r3"]
    verify = project.dbctl("migrate", "verify", "--json")
    assert verify.exit_code == 0, verify


def test_up_recursive_version_locations_and_a_file_template_with_folders(
    tcp_server: TcpServer, tcp_url: str, project: ForeignProject
) -> None:
    project.edit(
        "alembic.ini",
        ("prepend_sys_path = .", "prepend_sys_path = .\nrecursive_version_locations = true"),
    )
    project.add_revision(
        "r3",
        'op.execute("create table deep (id integer)")',
        after="r2",
        folder="versions/2026/11",
    )
    up_like_alembic(tcp_server, project, tcp_url)


def test_up_ini_elsewhere_is_named_by_the_option(
    tcp_server: TcpServer, tcp_url: str, project: ForeignProject
) -> None:
    (project.root / "conf").mkdir()
    (project.root / "alembic.ini").rename(project.root / "conf" / "db.ini")
    project.edit("conf/db.ini", ("%(here)s/alembic", "%(here)s/../alembic"))
    left = state_after_alembic(tcp_server, replace(project, options=("-c", "conf/db.ini")), tcp_url)
    done = project.dbctl("--alembic-config", "conf/db.ini", "migrate", "up", "--json")
    assert done.exit_code == 0, done
    assert state_of(tcp_url) == left


def test_up_script_location_as_a_package_resource(
    tcp_server: TcpServer, tcp_url: str, project: ForeignProject
) -> None:
    project.edit("alembic.ini", ("%(here)s/alembic", "shop:migrations"))
    (project.root / "alembic").rename(project.root / "shop" / "migrations")
    moved = replace(project, scripts="shop/migrations")
    up_like_alembic(tcp_server, moved, tcp_url)
