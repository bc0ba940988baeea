"""Which database a foreign project is run on: the one dbctl is told, else the one env.py opens."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.support.databases import TestServer, fetch
from tests.support.foreign import (
    Driver,
    ForeignProject,
    Template,
    driver_url,
    init_project,
    is_untouched,
    label_of,
    ledger_of,
    name_of,
    template_project,
)

# Long: run with -m slow.
pytestmark = pytest.mark.slow

TOLD_PASSWORD = "t0ld-s3cret"
WRITTEN_PASSWORD = "wr1tten-s3cret"
HARD_CODED = "config.get_section(config.config_ini_section, {})"


def with_password(url: str, password: str) -> str:
    """Return the same URL with another password."""
    return make_url(url).set(password=password).render_as_string(hide_password=False)


def hard_coded(root: Path, template: Template, url: str) -> ForeignProject:
    """Return a project whose env.py names its database itself, whatever the ini says."""
    project = template_project(root, template, None)
    project.edit_env((HARD_CODED, f'{{"sqlalchemy.url": {url!r}}}'))
    return project


@pytest.mark.parametrize(
    ("template", "driver"),
    [
        (Template.GENERIC, Driver.PSYCOPG),
        (Template.GENERIC, Driver.PSYCOPG2),
        (Template.GENERIC, Driver.PG8000),
        (Template.ASYNC, Driver.ASYNCPG),
        (Template.ASYNC, Driver.PSYCOPG),
    ],
)
def test_up_database_url_wins_over_the_ini_and_keeps_its_driver(
    tmp_path: Path, tcp_urls: tuple[str, str], template: Template, driver: Driver
) -> None:
    told, written = tcp_urls
    project = template_project(tmp_path / "shop", template, driver_url(written, driver))
    project.add_revision(
        "r3", f"assert op.get_bind().dialect.driver == {str(driver)!r}", after="r2"
    )
    # What libpq knows and other drivers do not.
    done = project.dbctl(
        "migrate", "up", "--json", DATABASE_URL=f"{told}?sslmode=prefer&connect_timeout=10"
    )
    assert (done.exit_code, done.json["after"]) == (0, ["r3"]), done
    assert done.json["database"] == label_of(told)
    assert ledger_of(told) == ["r1", "r2", "r3"]
    assert is_untouched(written)


def test_up_the_flag_wins_over_the_environment_and_the_ini(
    tmp_path: Path, tcp_urls: tuple[str, str]
) -> None:
    told, written = tcp_urls
    url = driver_url(written, Driver.PSYCOPG)
    project = template_project(tmp_path / "shop", Template.GENERIC, url)
    done = project.dbctl("--database-url", told, "migrate", "up", "--json", DATABASE_URL=written)
    assert (done.exit_code, done.json["database"]) == (0, label_of(told)), done
    assert ledger_of(told) == ["r1", "r2"]
    assert is_untouched(written)


@pytest.mark.parametrize(
    "template",
    [Template.GENERIC, Template.ASYNC, Template.PYPROJECT, Template.PYPROJECT_ASYNC],
)
def test_up_database_url_fills_the_templates_own_placeholder(
    tmp_path: Path, tcp_url: str, template: Template
) -> None:
    project = template_project(tmp_path / "shop", template, None)
    assert "driver://user:pass@localhost/dbname" in project.read("alembic.ini")
    done = project.dbctl("migrate", "up", "--json", DATABASE_URL=tcp_url)
    assert (done.exit_code, done.json["after"]) == (0, ["r2"]), done
    assert "driver://" in project.read("alembic.ini")


def test_up_database_url_in_a_dotenv_fills_the_placeholder(tmp_path: Path, tcp_url: str) -> None:
    project = template_project(tmp_path / "shop", Template.GENERIC, None)
    project.write(".env", f"DATABASE_URL={tcp_url}\n")
    done = project.dbctl("migrate", "up", "--json")
    assert (done.exit_code, done.json["database"]) == (0, label_of(tcp_url)), done


@pytest.mark.parametrize("how", ["flag", "environment"])
def test_up_env_py_that_reads_database_url_gets_what_dbctl_was_told(
    tmp_path: Path, tcp_urls: tuple[str, str], how: str
) -> None:
    told, written = tcp_urls
    project = template_project(tmp_path / "shop", Template.GENERIC, None)
    project.edit_env(
        (
            HARD_CODED,
            '{"sqlalchemy.url": os.environ["DATABASE_URL"]'
            '.replace("postgresql://", "postgresql+psycopg://", 1)}',
        ),
        ("from logging.config", "import os\nfrom logging.config"),
    )
    plain = project.copied()
    assert plain.alembic("upgrade", "head", DATABASE_URL=written).exit_code == 0
    assert plain.alembic("downgrade", "base", DATABASE_URL=written).exit_code == 0
    if how == "flag":
        arguments, env = ["--database-url", told], {"DATABASE_URL": written}
    else:
        arguments, env = [], {"DATABASE_URL": told}
    done = project.dbctl(*arguments, "migrate", "up", "--json", **env)
    assert (done.exit_code, done.json["database"]) == (0, label_of(told)), done
    assert ledger_of(told) == ["r1", "r2"]
    assert fetch(written, "select count(*) from alembic_version") == [0]


def test_up_env_py_that_reads_the_main_option_gets_what_dbctl_was_told(
    tmp_path: Path, tcp_urls: tuple[str, str]
) -> None:
    told, written = tcp_urls
    project = template_project(
        tmp_path / "shop", Template.GENERIC, driver_url(written, Driver.PSYCOPG2)
    )
    project.edit_env(
        (
            "connectable = engine_from_config(\n"
            "        config.get_section(config.config_ini_section, {}),\n"
            '        prefix="sqlalchemy.",\n',
            'connectable = create_engine(\n        config.get_main_option("sqlalchemy.url"),\n',
        ),
        ("import engine_from_config", "import create_engine"),
    )
    done = project.dbctl("migrate", "up", "--json", DATABASE_URL=told)
    assert (done.exit_code, done.json["database"]) == (0, label_of(told)), done
    assert is_untouched(written)


@pytest.mark.parametrize("template", [Template.GENERIC, Template.ASYNC])
@pytest.mark.parametrize(
    "command",
    [["up"], ["stamp", "head"], ["down", "base", "--yes"], ["status"], ["check"]],
    ids=lambda command: command[0],
)
def test_env_py_that_opens_another_database_than_told_exits_2_and_writes_nothing(
    tmp_path: Path, tcp_urls: tuple[str, str], command: list[str], template: Template
) -> None:
    told = with_password(tcp_urls[0], TOLD_PASSWORD)
    written = driver_url(with_password(tcp_urls[1], WRITTEN_PASSWORD), Driver.PSYCOPG)
    project = hard_coded(tmp_path / "shop", template, written)
    for options in ([], ["--json"]):
        done = project.dbctl("migrate", *command, *options, DATABASE_URL=told)
        assert done.exit_code == 2, done
        for url in tcp_urls:
            assert name_of(url) in done.stdout + done.stderr
        for password in (TOLD_PASSWORD, WRITTEN_PASSWORD):
            assert password not in done.stdout + done.stderr
        for url in tcp_urls:
            assert is_untouched(url), "nothing was written"


def test_up_env_py_that_reaches_the_same_database_by_another_way_is_run(
    tmp_path: Path, server: TestServer, tcp_url: str
) -> None:
    project = hard_coded(tmp_path / "shop", Template.GENERIC, driver_url(tcp_url, Driver.PSYCOPG))
    by_socket = server.url_of(name_of(tcp_url))
    assert by_socket != tcp_url
    done = project.dbctl("migrate", "up", "--json", DATABASE_URL=by_socket)
    assert (done.exit_code, done.json["after"]) == (0, ["r2"]), done


def test_up_env_py_of_a_database_that_nobody_told_of_is_run_there(
    tmp_path: Path, tcp_url: str
) -> None:
    project = hard_coded(tmp_path / "shop", Template.ASYNC, driver_url(tcp_url, Driver.ASYNCPG))
    done = project.dbctl("migrate", "up", "--json")
    assert (done.exit_code, done.json["database"]) == (0, label_of(tcp_url)), done


@pytest.mark.parametrize(
    ("template", "driver"),
    [
        (Template.GENERIC, Driver.PSYCOPG),
        (Template.GENERIC, Driver.PSYCOPG2),
        (Template.GENERIC, Driver.PG8000),
        (Template.ASYNC, Driver.ASYNCPG),
        (Template.PYPROJECT, Driver.PSYCOPG),
    ],
)
def test_every_command_uses_the_url_of_the_ini(
    tmp_path: Path, tcp_url: str, template: Template, driver: Driver
) -> None:
    known = Driver.PSYCOPG if driver is Driver.ASYNCPG else driver
    plain = template_project(tmp_path / "plain", template, driver_url(tcp_url, known))
    assert plain.alembic("upgrade", "head").exit_code == 0
    project = template_project(tmp_path / "shop", template, driver_url(tcp_url, driver))
    rows = project.dbctl("inspect", "rows", "customer", "--json")
    assert rows.exit_code == 0, rows
    assert "Ada" in rows.stdout
    health = project.dbctl("health", "--only", "connection,migrations", "--json")
    assert health.exit_code == 0, health
    seeded = project.dbctl("seed", "generate", "invoice=5", "--json")
    assert seeded.exit_code == 0, seeded
    assert fetch(tcp_url, "select count(*) from invoice") == [5]


def test_database_url_wins_over_the_ini_for_every_command(
    tmp_path: Path, tcp_urls: tuple[str, str]
) -> None:
    told, written = tcp_urls
    project = template_project(
        tmp_path / "shop", Template.GENERIC, driver_url(written, Driver.PSYCOPG)
    )
    told_project = replace(project, env={"DATABASE_URL": told})
    assert told_project.dbctl("migrate", "up").exit_code == 0
    for command in (["inspect", "rows", "customer"], ["health", "--only", "migrations"]):
        done = told_project.dbctl(*command, "--json")
        assert done.exit_code == 0, done
    assert told_project.dbctl("seed", "generate", "invoice=5").exit_code == 0
    assert fetch(told, "select count(*) from invoice") == [5]
    assert is_untouched(written)


def test_up_unreachable_url_of_the_ini_exits_3_without_its_password(tmp_path: Path) -> None:
    url = f"postgresql+psycopg2://app:{WRITTEN_PASSWORD}@127.0.0.1:1/app"
    project = init_project(tmp_path / "shop", Template.GENERIC, url)
    project.add_revision("r1", "pass")
    for options in ([], ["--json"]):
        done = project.dbctl("migrate", "up", *options, DB_CONNECT_DEADLINE="0.5")
        assert done.exit_code == 3, done
        assert WRITTEN_PASSWORD not in done.stdout + done.stderr
        assert "127.0.0.1" in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("template", "driver"),
    [
        (Template.GENERIC, Driver.PSYCOPG),
        (Template.GENERIC, Driver.PSYCOPG2),
        (Template.GENERIC, Driver.PG8000),
        (Template.ASYNC, Driver.ASYNCPG),
    ],
)
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("connection.exec_driver_sql('select * from nope')", "nope"),
        ("open('nope.txt')", "No such file or directory: 'nope.txt'"),
    ],
    ids=["statement", "file"],
)
def test_up_env_py_that_fails_once_it_is_connected_exits_2(
    tmp_path: Path, tcp_url: str, template: Template, driver: Driver, line: str, said: str
) -> None:
    project = template_project(tmp_path / "shop", template, driver_url(tcp_url, driver))
    text = project.read("alembic/env.py")
    configure = re.compile(r"^( +)(context\.configure\(\s*connection=)", re.MULTILINE)
    changed, count = configure.subn(rf"\1{line}\n\1\2", text)
    assert count == 1, text
    project.write("alembic/env.py", changed)
    done = project.dbctl("migrate", "up", "--json")
    assert (done.exit_code, done.json["error"]["code"]) == (2, "migration_scripts"), done
    assert said in done.json["error"]["message"]
    assert is_untouched(tcp_url)
