"""No command calls an operator or a function that another role has put on its search_path.

On that of a superuser, whoever may create objects in the schema public would become one.
"""

import shlex
import urllib.request
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from uuid import uuid4

import pytest
import typer

from dbctl.cli import GROUPS
from dbctl.db import dsn
from tests.support.cli import invoke
from tests.support.databases import TestServer, execute, fetch
from tests.support.foreign import Driver
from tests.support.planted import called_by_superuser, count_calls, plant
from tests.support.project import Project
from tests.support.serving import serving

PLANTER = "planter"
# Of every command, what reaches each kind of statement that it sends. `{file}` is a CSV file.
COMMANDS: dict[str, tuple[str, ...]] = {
    "migrate status": ("", "--drift"),
    "migrate plan": ("",),
    "migrate lint": ("",),
    "migrate up": ("",),
    "migrate down": ("head --yes",),
    "migrate history": ("",),
    "migrate log": ("",),
    "migrate verify": ("",),
    "migrate check": ("",),
    "migrate stamp": ("head",),
    "migrate repair": ("--yes",),
    "seed": ("", "--dev", "--dev --plan", "--dev --reset --plan", "--dev --reset --yes"),
    "seed generate": ("users=3 tasks=3 --plan", "users=3 tasks=5"),
    "seed load": (
        "{file} --into users --plan",
        "{file} --into users",
        "{file} --into users --on-conflict skip",
        "{file} --into users --on-conflict update --conflict-key id",
        "{file} --into users --reject {reject}",
    ),
    "seed allow": ("--name {database}", "--revoke"),
    "seed forbid": ("--name {database}", "--revoke --name {database}"),
    "health": ("",),
    "config": ("--check",),
    "inspect tables": ("",),
    "inspect table": ("tasks", "tasks --ddl", "readable"),
    "inspect rows": (
        "users",
        "users email~a name!=b --order name:desc --format csv",
        "users --limit 1",
        "users --count",
        "users --sample 2",
        "tasks status=todo --limit 2 --json",
        "readable",
    ),
    "inspect row": ("users {user}", "users {user} --follow"),
    "inspect query": (
        "'select 1'",
        "'select * from users' --format csv",
        "'select u.id from users u where u.email like :m' -p m=a%",
        "'explain select 1'",
    ),
    "inspect indexes": ("",),
    "inspect size": ("",),
    "inspect activity": ("", "--all"),
    "inspect locks": ("",),
    "inspect slow": ("",),
    "inspect pool": ("",),
    "inspect diagram": ("", "--models"),
}
# Those that send no statement, those that work on the embedded server alone, and the one that does
# not end, which has a test of its own.
OTHERS = {
    "health serve",
    "init",
    "migrate new",
    "server",
    "server branch",
    "server branches",
    "server destroy",
    "server drop",
    "server forget",
    "server prune",
    "server restore",
    "server snapshot",
    "server snapshots",
    "server start",
    "server status",
    "server stop",
    "server switch",
    "server url",
}
USER = "16194304-04d3-548b-9807-7b9509d3302b"


@pytest.fixture(scope="module")
def template(server: TestServer) -> Iterator[str]:
    """The name of a database in whose schema public another role has planted things."""
    server.execute(f"create role {PLANTER}")
    try:
        with server.database() as url:
            plant(url, PLANTER)
            name = dsn.parse(url, environ={}).database
            assert name is not None
            yield name
    finally:
        server.execute(f"drop role {PLANTER}")


@pytest.fixture(scope="module")
def planted(server: TestServer, template: str) -> Iterator[str]:
    """Such a database at the head, with rows."""
    with server.database(template) as url:
        count_calls(url)
        for command in (["migrate", "up"], ["seed", "--dev"]):
            assert invoke(*command, env={"DATABASE_URL": url}).exit_code == 0
        assert called_by_superuser(url) == {}
        execute(url, "create view readable as select id, name from users")
        yield url


def commands() -> Iterator[str]:
    """Yield every command that dbctl has, a group that is one itself included."""

    def below(command: object, path: tuple[str, ...]) -> Iterator[str]:
        inner = getattr(command, "commands", None)
        if inner is None or getattr(command, "invoke_without_command", False):
            yield " ".join(path)
        for name, each in (inner or {}).items():
            yield from below(each, (*path, name))

    for group in GROUPS:
        app = import_module(f"dbctl.{group}.commands").app
        yield from below(typer.main.get_command(app), (group,))


def test_every_command_is_run_against_planted_objects() -> None:
    assert set(commands()) == COMMANDS.keys() | OTHERS


@pytest.mark.parametrize("command", COMMANDS)
def test_command_of_a_superuser_planted_objects_are_not_called(
    planted: str, tmp_path: Path, command: str
) -> None:
    (tmp_path / "users.csv").write_text(f"id,email,name\n{uuid4()},{uuid4()}@example.com,Ada\n")
    values = {
        "file": str(tmp_path / "users.csv"),
        "reject": str(tmp_path / "rejected.csv"),
        "database": dsn.parse(planted, environ={}).database,
        "user": USER,
    }
    before = called_by_superuser(planted)
    for arguments in COMMANDS[command]:
        words = [*command.split(), *shlex.split(arguments.format(**values))]
        done = invoke(*words, env={"DATABASE_URL": planted})
        assert done.exit_code in {0, 1, 4} or "guard" in done.stderr, done.stderr
        assert called_by_superuser(planted) == before, words


@pytest.mark.parametrize("driver", [Driver.ASYNCPG, Driver.PSYCOPG, Driver.PSYCOPG2])
def test_env_py_of_a_superuser_planted_objects_are_not_called(
    server: TestServer, template: str, tmp_path: Path, driver: Driver
) -> None:
    """Not by Alembic's own statements either, on the connection that the project opens."""
    with server.database(template) as url:
        count_calls(url)
        team = "create table team (id int primary key, name varchar not null)"
        project = Project.create(
            tmp_path, url, team, "create index on team (name)", "select 1", driver=driver
        )
        for arguments in (
            "up r1",
            "up",
            "check",
            "status --drift",
            "verify",
            "down -1 --yes",
            "stamp r1",
            "log",
            "plan",
        ):
            done = project.run("migrate", *arguments.split())
            assert done.exit_code in {0, 1}, done.stderr
            assert called_by_superuser(url) == {}, arguments


def test_health_serve_of_a_superuser_planted_objects_are_not_called(planted: str) -> None:
    before = called_by_superuser(planted)
    with serving(planted, DBCTL_HEALTH_TOKEN="secret") as served:
        with urllib.request.urlopen(f"{served.url}/api/v1/health/ready") as answer:  # noqa: S310
            assert answer.status == 200
        served.stop()
    assert called_by_superuser(planted) == before


@pytest.mark.parametrize(
    "statement",
    [
        "select 1 where 5::oid = 'pg_class'::regclass",
        "select 1 where 1::oid = any (array['pg_class'::regclass])",
        "select array_agg(1::oid)",
        "select lower('A'::name)",
    ],
)
def test_planted_object_without_care_is_called(planted: str, statement: str) -> None:
    """What the other tests would see."""
    before = called_by_superuser(planted)
    fetch(planted, statement)
    assert called_by_superuser(planted) != before
