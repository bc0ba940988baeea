"""Projects that know nothing of dbctl: plain Alembic, with an engine and a driver of their own.

Their env.py is what `alembic init` writes, or what people make of it. Each runs `alembic` and
`dbctl` as processes, so that no module and no metadata is shared.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from textwrap import dedent, indent

from sqlalchemy import make_url

from tests.support.cli import Finished
from tests.support.databases import TestServer, fetch
from tests.support.processes import Program, Running
from tests.support.proxy import FaultProxy
from tests.support.schema import dump_of

# It has a character that a URL must escape, and so a % that an ini file must double.
PASSWORD = "h0rse@staple"
# These projects name their databases: whoever starts a server of dbctl's own has missed that.
NO_SERVER = {"DB_PG_BINDIR": "/nonexistent/a-foreign-project-names-its-database"}
OWN_SCHEMA = "dbctl"
LEDGER = f"select revision from {OWN_SCHEMA}.dbctl_ledger order by id"
URL_LINE = re.compile(r"^sqlalchemy\.url =.*$", re.MULTILINE)
METADATA_LINE = "target_metadata = None"


class Driver(StrEnum):
    """A driver that a project's URL names."""

    ASYNCPG = "asyncpg"
    PSYCOPG = "psycopg"
    PSYCOPG2 = "psycopg2"
    PG8000 = "pg8000"


class Template(StrEnum):
    """A template of `alembic init`."""

    GENERIC = "generic"
    ASYNC = "async"
    MULTIDB = "multidb"
    PYPROJECT = "pyproject"
    PYPROJECT_ASYNC = "pyproject_async"


MODELS = """
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Customer(Base):
    __tablename__ = "customer"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80), index=True)


class Invoice(Base):
    __tablename__ = "invoice"

    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))
    note: Mapped[str | None]


class Audit(Base):
    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(primary_key=True)
    note: Mapped[str]
"""

CREATE_TABLES = """
op.create_table(
    "customer",
    sa.Column("id", sa.Integer(), primary_key=True),
    sa.Column("name", sa.String(80), nullable=False),
)
op.create_index("ix_customer_name", "customer", ["name"])
op.create_table(
    "invoice",
    sa.Column("id", sa.Integer(), primary_key=True),
    sa.Column("customer_id", sa.Integer(), sa.ForeignKey("customer.id"), nullable=False),
    sa.Column("note", sa.String()),
)
"""
DROP_TABLES = """
op.drop_table("invoice")
op.drop_table("customer")
"""
# Several statements in one string, and a body in which semicolons end no statement.
CREATE_TRIGGER = '''
op.execute(
    """
    CREATE TABLE audit (id serial PRIMARY KEY, note varchar NOT NULL);
    CREATE FUNCTION log_customer() RETURNS trigger LANGUAGE plpgsql AS $body$
    BEGIN
        INSERT INTO audit (note) VALUES ('customer; ' || NEW.name);
        RETURN NEW;
    END;
    $body$;
    CREATE TRIGGER log_customer AFTER INSERT ON customer
        FOR EACH ROW EXECUTE FUNCTION log_customer();
    INSERT INTO customer (name) VALUES ('Ada');
    """
)
'''
DROP_TRIGGER = '''
op.execute(
    """
    DROP TRIGGER log_customer ON customer;
    DROP FUNCTION log_customer();
    DROP TABLE audit;
    """
)
'''


@dataclass(frozen=True)
class TcpServer:
    """The test server as a URL in an ini file reaches it: by host and port, with a password.

    The embedded server has a socket only, which pg8000 spells in its own way; it takes any
    password.
    """

    server: TestServer
    port: int

    @contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """Create a database, yield its URL, and drop it whoever still uses it."""
        with self.server.database(template) as url:
            name = make_url(url).database
            password = PASSWORD.replace("@", "%40")
            yield f"postgresql://postgres:{password}@127.0.0.1:{self.port}/{name}"


@contextmanager
def run_tcp_server(server: TestServer) -> Iterator[TcpServer]:
    """Listen on a port and forward to `server`."""
    with FaultProxy(server.dsn) as proxy:
        yield TcpServer(server, proxy.port)


def driver_url(url: str, driver: str) -> str:
    """Return the SQLAlchemy URL that reaches the database of `url` with `driver`."""
    parts = make_url(url).set(drivername=f"postgresql+{driver}")
    return parts.render_as_string(hide_password=False)


def in_ini(url: str) -> str:
    """Return `url` as an ini file spells it."""
    return url.replace("%", "%%")


def name_of(url: str) -> str:
    """Return the name of the database of `url`."""
    name = make_url(url).database
    assert name is not None
    return name


def label_of(url: str) -> str:
    """Return what dbctl calls the database of `url` for people."""
    parts = make_url(url)
    return f"{parts.host}:{parts.port}/{parts.database}"


@dataclass(frozen=True)
class ForeignProject:
    """A folder with an Alembic project in it, which was never told about dbctl.

    `options` stand before Alembic's command and after dbctl's; `env` is what both see.
    """

    root: Path
    scripts: str = "alembic"
    options: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)

    def read(self, path: str) -> str:
        """Return the text of a file."""
        return (self.root / path).read_text()

    def write(self, path: str, text: str) -> Path:
        """Write a file, with its folders."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return target

    def edit(self, path: str, *changes: tuple[str, str]) -> None:
        """Replace texts that must be in the file."""
        text = self.read(path)
        for old, new in changes:
            assert old in text, f"{old!r} is not in {path}:\n{text}"
            text = text.replace(old, new)
        self.write(path, text)

    def edit_env(self, *changes: tuple[str, str]) -> None:
        """Replace texts in env.py."""
        self.edit(f"{self.scripts}/env.py", *changes)

    def add_revision(
        self,
        revision: str,
        upgrade: str,
        *,
        after: str | tuple[str, ...] | None = None,
        downgrade: str = "pass",
        folder: str = "versions",
        head: str = "",
    ) -> Path:
        """Write a revision; `head` are lines of the module, such as depends_on."""
        lines = [
            f'"""make {revision}"""',
            "from alembic import op",
            "import sqlalchemy as sa",
            f"revision = {revision!r}",
            f"down_revision = {after!r}",
            dedent(head).strip(),
            "def upgrade():",
            indent(dedent(upgrade).strip(), "    "),
            "def downgrade():",
            indent(dedent(downgrade).strip(), "    "),
        ]
        return self.write(f"{self.scripts}/{folder}/{revision}.py", "\n".join(lines) + "\n")

    def alembic(self, *arguments: str, **env: str) -> Finished:
        """Run plain Alembic in the project."""
        return self._run(Program.ALEMBIC, *self.options, *arguments, **env)

    def dbctl(self, *arguments: str, **env: str) -> Finished:
        """Run dbctl in the project."""
        return self._run(Program.DBCTL, *arguments, *self.options, **env)

    def start_dbctl(self, *arguments: str, **env: str) -> Running:
        """Start dbctl in the project."""
        environ = {**NO_SERVER, **self.env, **env}
        return Running(*arguments, *self.options, env=environ, cwd=self.root)

    def _run(self, program: Program, *arguments: str, **env: str) -> Finished:
        environ = {**NO_SERVER, **self.env, **env}
        return Running(*arguments, env=environ, cwd=self.root, program=program).finish()

    def copied(self, *databases: tuple[str, str]) -> ForeignProject:
        """Return a copy of the project in which one database's name stands for another's."""
        number = 1 + sum(1 for _ in self.root.parent.glob(f"{self.root.name}-copy*"))
        root = self.root.with_name(f"{self.root.name}-copy{number}")
        shutil.copytree(
            self.root, root, ignore=shutil.ignore_patterns("__pycache__", "run-*"), symlinks=True
        )
        names = {name_of(old): name_of(new) for old, new in databases}
        pattern = re.compile(r"\btest_\d+\b")

        def renamed(text: str) -> str:
            return pattern.sub(lambda found: names.get(found[0], found[0]), text)

        for path in root.rglob("*"):
            if path.is_file():
                path.write_text(renamed(path.read_text()))
        env = {name: renamed(value) for name, value in self.env.items()}
        return replace(self, root=root, env=env)


def init_project(
    root: Path, template: Template, url: str | None, *, scripts: str = "alembic"
) -> ForeignProject:
    """Return what `alembic init` writes, with nothing filled in but the URL."""
    root.mkdir(parents=True, exist_ok=True)
    project = ForeignProject(root, scripts)
    done = project.alembic("init", "--template", template, scripts)
    assert done.exit_code == 0, done
    if url is not None:
        text, count = URL_LINE.subn(
            lambda _: f"sqlalchemy.url = {in_ini(url)}", project.read("alembic.ini")
        )
        assert count == 1, text
        project.write("alembic.ini", text)
    return project


def template_project(
    root: Path, template: Template, url: str | None, *, scripts: str = "alembic"
) -> ForeignProject:
    """Return a project of `template`: the URL, the metadata, models and two revisions."""
    project = init_project(root, template, url, scripts=scripts)
    project.write("shop/__init__.py", "")
    project.write("shop/models.py", MODELS)
    project.edit_env(
        (METADATA_LINE, "from shop.models import Base\n\ntarget_metadata = Base.metadata")
    )
    project.add_revision("r1", CREATE_TABLES, downgrade=DROP_TABLES)
    project.add_revision("r2", CREATE_TRIGGER, after="r1", downgrade=DROP_TRIGGER)
    return project


_BY_ENGINE = """
def upgrade(engine_name):
    globals()[f"upgrade_{engine_name}"]()


def downgrade(engine_name):
    globals()[f"downgrade_{engine_name}"]()
"""


def multidb_project(root: Path, first: str, second: str) -> ForeignProject:
    """Return a project of the template multidb on two databases with different tables."""
    project = init_project(root, Template.MULTIDB, None)
    urls = iter([first, second])
    project.write(
        "alembic.ini",
        URL_LINE.sub(
            lambda _: f"sqlalchemy.url = {in_ini(next(urls))}", project.read("alembic.ini")
        ),
    )
    project.write("shop/__init__.py", "")
    project.write(
        "shop/models.py",
        dedent("""
        from sqlalchemy import Column, Integer, MetaData, String, Table

        users = MetaData()
        Table("account", users, Column("id", Integer, primary_key=True), Column("name", String))
        events = MetaData()
        Table("event", events, Column("id", Integer, primary_key=True), Column("kind", String))
        """),
    )
    project.edit_env(
        (
            "target_metadata = {}",
            "from shop.models import events, users\n\n"
            'target_metadata = {"engine1": users, "engine2": events}',
        )
    )
    for revision, after, bodies in (
        (
            "r1",
            None,
            {
                "upgrade_engine1": "CREATE TABLE account (id serial PRIMARY KEY, name varchar)",
                "downgrade_engine1": "DROP TABLE account",
                "upgrade_engine2": "CREATE TABLE event (id serial PRIMARY KEY)",
                "downgrade_engine2": "DROP TABLE event",
            },
        ),
        (
            "r2",
            "r1",
            {
                "upgrade_engine1": "INSERT INTO account (name) VALUES ('Ada')",
                "downgrade_engine1": "DELETE FROM account",
                "upgrade_engine2": "ALTER TABLE event ADD COLUMN kind varchar",
                "downgrade_engine2": "ALTER TABLE event DROP COLUMN kind",
            },
        ),
    ):
        functions = "\n".join(
            f"def {name}():\n    op.execute({sql!r})\n" for name, sql in bodies.items()
        )
        project.write(
            f"alembic/versions/{revision}.py",
            f'"""make {revision}"""\nfrom alembic import op\n\n'
            f"revision = {revision!r}\ndown_revision = {after!r}\n{_BY_ENGINE}\n{functions}",
        )
    return project


def state_of(url: str) -> list[str]:
    """Return the schema and rows of a database, without what is dbctl's own."""
    return dump_of(url, exclude_schema=OWN_SCHEMA)


def states_after_alembic(
    server: TcpServer, project: ForeignProject, urls: Sequence[str], *commands: Sequence[str]
) -> list[list[list[str]]]:
    """Return what plain Alembic leaves in other databases, after each of its commands.

    It runs a copy of the project: `urls` are the databases of the project itself.
    """
    with ExitStack() as stack:
        others = [stack.enter_context(server.database()) for _ in urls]
        copy = project.copied(*zip(urls, others, strict=True))
        states = []
        for command in commands:
            done = copy.alembic(*command)
            assert done.exit_code == 0, done
            states.append([state_of(other) for other in others])
        return states


def state_after_alembic(
    server: TcpServer, project: ForeignProject, url: str, *arguments: str
) -> list[str]:
    """Return what plain Alembic's `upgrade head`, or another command, leaves in a database."""
    ((state,),) = states_after_alembic(server, project, [url], arguments or ("upgrade", "head"))
    return state


def up_like_alembic(
    server: TcpServer, project: ForeignProject, url: str, *, reference: ForeignProject | None = None
) -> Finished:
    """Run `migrate up` where plain Alembic has shown what it leaves, and require the same.

    `reference` is another project for plain Alembic, where it cannot run this one.
    """
    left = state_after_alembic(server, reference or project, url)
    done = project.dbctl("migrate", "up", "--json")
    assert done.exit_code == 0, done
    assert state_of(url) == left
    status = project.dbctl("migrate", "status", "--json")
    assert (status.exit_code, status.json["state"]) == (0, "current"), status
    return done


def ledger_of(url: str) -> list[str]:
    """Return the revisions that dbctl's ledger has rows of, in their order."""
    return [str(revision) for revision in fetch(url, LEDGER)]


def tables_of(url: str) -> list[str]:
    """Return the names of all tables that are not dbctl's own, with their schemas."""
    query = (
        "select format('%s.%s', schemaname, tablename) from pg_tables where schemaname not in"
        f" ('pg_catalog', 'information_schema', '{OWN_SCHEMA}') order by 1"
    )
    return [str(name) for name in fetch(url, query)]


def is_untouched(url: str) -> bool:
    """Return whether the database has neither a table nor a schema that was made in it."""
    made = fetch(
        url,
        "select nspname::text from pg_namespace"
        " where nspname !~ '^pg_' and nspname not in ('information_schema', 'public')",
    )
    return not made and tables_of(url) == []
