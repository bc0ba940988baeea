"""What `config --check` lists: each obstacle made for real, several at once, nothing changed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from dbctl.config.check.results import ConfigCheck, Problem, Subject, Verdict
from tests.support.cli import ROOT, Finished, environment
from tests.support.databases import TestServer, execute
from tests.support.env_files import PLAIN, digest_of, env_project, plain_env
from tests.support.folders import open_folder
from tests.support.foreign import (
    PASSWORD,
    Driver,
    ForeignProject,
    Template,
    driver_url,
    label_of,
    multidb_project,
    name_of,
    template_project,
)
from tests.support.pgbouncer import Pgbouncer
from tests.support.replica import replicating_binaries, run_replication
from tests.support.tls import TlsServer, free_port

NOTHING_ON = "postgresql://postgres@127.0.0.1:{}/shop"


def check(project: ForeignProject, *options: str, **env: str) -> ConfigCheck:
    """Return what `config --check` prints, whose exit code must fit it."""
    return read(project.dbctl("config", "--check", "--json", *options, **env))


def read(done: Finished) -> ConfigCheck:
    result = ConfigCheck.model_validate(done.json)
    assert done.exit_code == (1 if result.of(Verdict.OBSTACLE) else 0), done
    assert "Traceback" not in done.stderr
    for secret in (PASSWORD, PASSWORD.replace("@", "%40")):
        assert secret not in done.stdout + done.stderr
    for each in result.checked:
        wrong = each.verdict in {Verdict.OBSTACLE, Verdict.WARNING}
        assert (each.code is not None) == wrong, each
        assert each.remedy or not wrong, each
    assert {each.subject for each in result.checked} == set(Subject)
    return result


def codes(result: ConfigCheck, verdict: Verdict = Verdict.OBSTACLE) -> list[Problem | None]:
    return [each.code for each in result.of(verdict)]


def unchecked(result: ConfigCheck) -> set[Subject]:
    return {each.subject for each in result.of(Verdict.NOT_CHECKED)}


@pytest.mark.parametrize(
    ("template", "driver"),
    [(Template.GENERIC, Driver.PSYCOPG), (Template.PYPROJECT_ASYNC, Driver.ASYNCPG)],
)
def test_config_check_foreign_project_has_no_obstacle_and_changes_nothing(
    tmp_path: Path, tcp_url: str, template: Template, driver: Driver
) -> None:
    project = template_project(tmp_path / "shop", template, driver_url(tcp_url, driver))
    before, files = digest_of(tcp_url), sorted(project.root.rglob("*.py"))
    result = check(project)
    assert {each.verdict for each in result.checked} == {Verdict.OK}, result
    assert result.database == label_of(tcp_url)
    said = {each.subject: each.message for each in result.checked}
    assert driver in said[Subject.DRIVER]
    assert "2 revisions, head r2" in said[Subject.REVISIONS]
    assert "empty, 2 pending" in said[Subject.VERSION]
    assert "3 tables of alembic/env.py" in said[Subject.MODELS]
    assert digest_of(tcp_url) == before
    assert sorted(project.root.rglob("*.py")) == files


def without(package: str, project: ForeignProject, tmp_path: Path) -> ConfigCheck:
    """Return what `config --check` prints where everything is installed but `package`."""
    packages = tmp_path / "site-packages"
    packages.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not entry.name.startswith(package):
            (packages / entry.name).symlink_to(entry)
    # Without `site` the packages of this environment are not found beside those.
    return run_with(project, f"{packages}{os.pathsep}{ROOT}", "-S")


def run_with(project: ForeignProject, path: str, *options: str) -> ConfigCheck:
    """Return what `config --check` prints with another PYTHONPATH."""
    done = subprocess.run(
        [sys.executable, *options, "-m", "dbctl", "config", "--check", "--json"],
        cwd=project.root,
        env=environment(**project.env, PYTHONPATH=path),
        capture_output=True,
        text=True,
        check=False,
    )
    return read(Finished(done.returncode, done.stdout, done.stderr))


def test_config_check_lists_several_obstacles_of_all_kinds_at_once(
    tmp_path: Path, tcp_url: str
) -> None:
    url = driver_url(tcp_url, Driver.PSYCOPG2)
    project = template_project(tmp_path / "shop", Template.GENERIC, url)
    project.add_revision("other", "pass", after="r1")
    project.write(
        "pyproject.toml",
        '[tool.dbctl]\ncolour = "red"\npool-size = "many"\nmodels = "shop.nowhere"\n'
        "[tool.dbctl.maks]\n[tool.dbctl.mask]\ncolums = []\n"
        '[tool.dbctl.databases]\nlive = "env:LIVE_URL"\n',
    )
    execute(tcp_url, "create table alembic_version (version_num varchar(32))")
    execute(tcp_url, "insert into alembic_version values ('gone')")
    before = digest_of(tcp_url)
    result = without("psycopg2", project, tmp_path)
    assert codes(result) == [
        Problem.SETTING_UNKNOWN,
        Problem.SETTING_INVALID,
        Problem.SETTING_UNKNOWN,
        Problem.SETTING_INVALID,
        Problem.MULTIPLE_HEADS,
        Problem.DRIVER_MISSING,
        Problem.MODELS_INVALID,
    ]
    assert codes(result, Verdict.WARNING) == [Problem.DATABASE_UNSET]
    driver = next(each for each in result.checked if each.code is Problem.DRIVER_MISSING)
    assert "psycopg2-binary" in str(driver.remedy)
    assert driver.origin == "alembic/env.py"
    assert unchecked(result) == {
        Subject.ENV_PY, Subject.POOLER, Subject.VERSION, Subject.PRIVILEGES
    }  # fmt: skip
    assert digest_of(tcp_url) == before


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"username": "nobody_such"}, Problem.LOGIN_REFUSED),
        ({"database": "no_such_database"}, Problem.DATABASE_UNKNOWN),
        ({"port": None}, Problem.CONNECTION_FAILED),
    ],
)
def test_config_check_cannot_connect_names_why_and_still_looks_at_the_rest(
    tmp_path: Path, tcp_url: str, changes: dict[str, Any], code: Problem
) -> None:
    if "port" in changes:
        changes = {"port": free_port()}
    url = make_url(tcp_url).set(**changes).render_as_string(hide_password=False)
    project = template_project(tmp_path / "shop", Template.GENERIC, driver_url(url, "psycopg"))
    project.add_revision("other", "pass", after="r1")
    result = check(project, DB_CONNECT_DEADLINE="0.5")
    assert codes(result) == [Problem.MULTIPLE_HEADS, code]
    refused = result.of(Verdict.OBSTACLE)[1]
    assert (refused.subject, refused.origin) == (Subject.CONNECTION, "alembic.ini")
    assert "3 tables" in next(e.message for e in result.checked if e.subject is Subject.MODELS)
    env_py = next(each for each in result.checked if each.subject is Subject.ENV_PY)
    assert "it runs up to where it configures Alembic" in env_py.message


def test_config_check_wrong_password_is_a_login_refused(
    tmp_path: Path, tls_server: TlsServer
) -> None:
    url = tls_server.url(password="wrong-one", sslmode="require")
    project = env_project(tmp_path, url, PLAIN)
    result = check(project)
    assert codes(result) == [Problem.LOGIN_REFUSED]
    assert "wrong-one" not in result.model_dump_json()


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("raise RuntimeError('no vault today')", Problem.ENV_FAILED, "no vault today"),
        ("import shop_settings_that_are_nowhere", Problem.MODULE_MISSING, "shop_settings"),
        ("URL = 'postgresql+nodriver://h/d'", Problem.DRIVER_MISSING, "nodriver"),
    ],
)
def test_config_check_env_py_fails_names_its_error_and_what_could_not_be_checked(
    tmp_path: Path, tcp_url: str, line: str, code: Problem, said: str
) -> None:
    project = env_project(tmp_path, tcp_url, f"{line}\n{PLAIN}")
    before = digest_of(tcp_url)
    result = check(project)
    (obstacle,) = result.of(Verdict.OBSTACLE)
    assert (obstacle.code, obstacle.origin) == (code, "alembic/env.py")
    assert said in obstacle.message
    assert Subject.PRIVILEGES in unchecked(result)
    assert Subject.SERVER not in unchecked(result)
    assert digest_of(tcp_url) == before


def test_config_check_env_py_on_another_database_names_both(
    tmp_path: Path, tcp_urls: tuple[str, str]
) -> None:
    theirs, ours = tcp_urls
    project = replace(env_project(tmp_path, theirs, PLAIN), env={"DATABASE_URL": ours})
    result = check(project)
    (obstacle,) = result.of(Verdict.OBSTACLE)
    assert obstacle.code is Problem.ANOTHER_DATABASE
    assert name_of(theirs) in obstacle.message
    assert name_of(ours) in obstacle.message


def test_config_check_env_py_cannot_connect_where_dbctl_can(tmp_path: Path, tcp_url: str) -> None:
    project = env_project(tmp_path, NOTHING_ON.format(free_port()), PLAIN)
    project = replace(project, env={"DATABASE_URL": tcp_url})
    result = check(project, DB_CONNECT_DEADLINE="0.5")
    (obstacle,) = result.of(Verdict.OBSTACLE)
    assert (obstacle.subject, obstacle.code) == (Subject.ENV_PY, Problem.CONNECTION_FAILED)
    assert Subject.CONNECTION not in unchecked(result)


@pytest.mark.parametrize("ours", [True, False], ids=["dbctl", "env.py"])
def test_config_check_pooler_before_either_connection_is_an_obstacle(
    tmp_path: Path, tcp_url: str, pgbouncer: Pgbouncer, ours: bool
) -> None:
    pooled = pgbouncer.url_of(name_of(tcp_url))
    project = env_project(tmp_path, pooled, plain_env("psycopg"))
    project = replace(project, env={"DATABASE_URL": pooled if ours else tcp_url})
    before = digest_of(tcp_url)
    result = check(project)
    (obstacle,) = result.of(Verdict.OBSTACLE)
    assert (obstacle.subject, obstacle.code) == (Subject.POOLER, Problem.POOLER)
    assert "DATABASE_URL_UNPOOLED" in str(obstacle.remedy)
    assert not unchecked(result)
    assert digest_of(tcp_url) == before


def test_config_check_no_models_is_a_warning_that_names_what_does_not_work(
    tmp_path: Path, tcp_url: str
) -> None:
    project = template_project(tmp_path / "shop", Template.GENERIC, driver_url(tcp_url, "psycopg"))
    project.edit_env(("target_metadata = Base.metadata", "target_metadata = None"))
    result = check(project)
    (warning,) = result.of(Verdict.WARNING)
    assert (warning.code, warning.origin) == (Problem.MODELS_MISSING, "alembic/env.py")
    assert "`migrate check`" in warning.message
    assert not codes(result)


@pytest.fixture
def clerk(server: TestServer, tcp_url: str) -> Iterator[str]:
    """The URL of a database for a role that may do nothing in it but connect."""
    database = name_of(tcp_url)
    server.execute("create role config_clerk login")
    execute(tcp_url, "revoke all on schema public from public")
    yield make_url(tcp_url).set(username="config_clerk").render_as_string(hide_password=False)
    server.execute("drop owned by config_clerk", database=database)
    server.execute("drop role config_clerk")


def run_remedies(url: str, result: ConfigCheck) -> None:
    """Run the statements of the remedies for what privileges lack, as superuser."""
    for each in result.of(Verdict.OBSTACLE):
        assert each.code is Problem.PRIVILEGE_MISSING, each
        statements = re.findall(r"(?:GRANT|CREATE SCHEMA) [^;]*;", str(each.remedy))
        assert statements, each
        execute(url, *statements)


@pytest.mark.parametrize("exists", [False, True], ids=["empty", "with a version table"])
def test_config_check_privileges_missing_are_listed_and_their_remedies_let_up_run(
    tmp_path: Path, tcp_url: str, clerk: str, exists: bool
) -> None:
    if exists:
        execute(
            tcp_url,
            "create table alembic_version (version_num varchar(32) primary key)",
            "create schema dbctl",
        )
    project = env_project(tmp_path, clerk, PLAIN, revisions=0)
    project.add_revision("r1", "pass")
    before = digest_of(tcp_url)
    result = check(project)
    assert codes(result) == [Problem.PRIVILEGE_MISSING] * 2, result
    assert {each.origin for each in result.of(Verdict.OBSTACLE)} == {
        "the version table",
        "dbctl's ledger",
    }
    assert digest_of(tcp_url) == before
    refused = project.dbctl("migrate", "up", "--json")
    assert refused.exit_code != 0
    run_remedies(tcp_url, result)
    after = check(project)
    assert not after.of(Verdict.OBSTACLE)
    done = project.dbctl("migrate", "up", "--json")
    assert (done.exit_code, done.json["after"]) == (0, ["r1"]), done


def test_config_check_privileges_are_those_of_the_role_that_env_py_connects_as(
    tmp_path: Path, tcp_url: str, clerk: str
) -> None:
    project = env_project(tmp_path, clerk, PLAIN, revisions=1)
    superuser = replace(project, env={"DATABASE_URL": tcp_url})
    result = check(superuser)
    assert codes(result) == [Problem.PRIVILEGE_MISSING] * 2
    assert all("config_clerk" in each.message for each in result.of(Verdict.OBSTACLE))
    body = (
        "URL = "
        + repr(driver_url(tcp_url, "psycopg"))
        + PLAIN.replace(
            "migrate(", "connection.exec_driver_sql('set role config_clerk')\n    migrate("
        )
    )
    (tmp_path / "second").mkdir()
    other = replace(env_project(tmp_path / "second", tcp_url, body), env={"DATABASE_URL": tcp_url})
    (hidden,) = check(other).of(Verdict.NOT_CHECKED)
    assert hidden.subject is Subject.PRIVILEGES
    assert "takes the role config_clerk" in hidden.message


def test_config_check_database_at_an_unknown_revision_is_an_obstacle(
    tmp_path: Path, tcp_url: str
) -> None:
    project = env_project(tmp_path, tcp_url, PLAIN)
    execute(
        tcp_url,
        "create table alembic_version (version_num varchar(32))",
        "insert into alembic_version values ('gone')",
    )
    result = check(project)
    (obstacle,) = result.of(Verdict.OBSTACLE)
    assert (obstacle.subject, obstacle.code) == (Subject.VERSION, Problem.REVISION_UNKNOWN)
    assert "gone" in obstacle.message


def test_config_check_duplicate_ids_do_not_hide_what_env_py_shows(
    tmp_path: Path, tcp_url: str
) -> None:
    project = template_project(tmp_path / "shop", Template.GENERIC, driver_url(tcp_url, "psycopg"))
    project.write("alembic/versions/copy.py", project.read("alembic/versions/r2.py"))
    result = check(project)
    assert codes(result) == [Problem.REVISIONS_INVALID]
    assert "r2 is in 2 files" in result.of(Verdict.OBSTACLE)[0].message
    assert unchecked(result) == {Subject.VERSION}


def test_config_check_read_only_role_and_no_ini_are_listed_together(
    tmp_path: Path, tcp_url: str
) -> None:
    execute(tcp_url, f'alter database "{name_of(tcp_url)}" set default_transaction_read_only = on')
    project = ForeignProject(tmp_path, env={"DATABASE_URL": tcp_url})
    result = check(project)
    assert codes(result) == [Problem.ALEMBIC_UNCONFIGURED, Problem.READ_ONLY]
    assert {Subject.REVISIONS, Subject.ENV_PY, Subject.PRIVILEGES} <= unchecked(result)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[tool.dbctl\n", Problem.SETTING_INVALID),
        (
            '[tool.dbctl]\ndatabase = "live"\n[tool.dbctl.databases]\nlive = "env:LIVE"\n',
            Problem.DATABASE_UNSET,
        ),
        ('[tool.dbctl]\ndatabase_url = "mysql://h/d"\n', Problem.CONNECTION_STRING_INVALID),
        ('[tool.dbctl]\nenvironment = "production"\n', Problem.SETTING_INVALID),
    ],
)
def test_config_check_database_that_cannot_be_read_takes_no_other_one(
    tmp_path: Path, text: str, code: Problem
) -> None:
    project = ForeignProject(tmp_path)
    project.write("pyproject.toml", text)
    project.write("alembic.ini", "[alembic]\nscript_location = alembic\n")
    env_py = "from alembic import context\ncontext.configure(target_metadata=None)\n"
    project.write("alembic/env.py", env_py)
    (tmp_path / "alembic" / "versions").mkdir()
    result = check(project)
    assert code in codes(result)
    assert result.database is None
    assert Subject.SERVER in unchecked(result)


def test_config_check_embedded_server_is_not_started(tmp_path: Path, state_dir: Path) -> None:
    project = ForeignProject(tmp_path / "shop", env={"DB_PG_BINDIR": ""})
    project.write("pyproject.toml", "[tool.dbctl]\nexample = true\n")
    result = check(project, DBCTL_STATE_DIR=str(state_dir))
    assert not codes(result)
    connection = next(each for each in result.checked if each.subject is Subject.CONNECTION)
    assert (connection.verdict, "dbctl server start" in str(connection.remedy)) == (
        Verdict.NOT_CHECKED,
        True,
    )
    assert not list(state_dir.iterdir())


def test_config_check_several_databases_looks_at_each(
    tmp_path: Path, tcp_urls: tuple[str, str]
) -> None:
    first, second = tcp_urls
    project = multidb_project(
        tmp_path / "shop", driver_url(first, "psycopg"), driver_url(second, "psycopg2")
    )
    execute(second, "create table alembic_version (version_num varchar(32))")
    execute(second, "insert into alembic_version values ('gone')")
    result = check(project)
    (obstacle,) = result.of(Verdict.OBSTACLE)
    assert (obstacle.code, obstacle.database) == (Problem.REVISION_UNKNOWN, label_of(second))
    versions = [each.database for each in result.checked if each.subject is Subject.VERSION]
    assert versions == [label_of(first), label_of(second)]


def test_config_check_text_has_marks_origins_and_remedies(tmp_path: Path, tcp_url: str) -> None:
    project = env_project(tmp_path, tcp_url, f"raise RuntimeError('[red]no')\n{PLAIN}")
    for width in ("80", "200"):
        done = project.dbctl("config", "--check", COLUMNS=width)
        assert done.exit_code == 1
        assert f"✗ {label_of(tcp_url)}: 1 obstacle, 5 not checked" in done.stdout
        assert "✗  env.py" in done.stdout
        assert "RuntimeError: [red]no" in done.stdout
        assert "→ " in done.stdout


def test_config_check_env_py_that_fails_after_configure_shows_what_it_had_configured(
    tmp_path: Path, clerk: str
) -> None:
    late = "migrate(connection)\n    raise RuntimeError('late')"
    body = PLAIN.replace("migrate(connection)", late)
    project = env_project(tmp_path, clerk, body)
    result = check(project)
    assert codes(result) == [Problem.ENV_FAILED, *[Problem.PRIVILEGE_MISSING] * 2]
    assert not unchecked(result)
    assert not result.of(Verdict.WARNING)


def test_config_check_tables_without_a_version_are_a_warning(tmp_path: Path, tcp_url: str) -> None:
    execute(tcp_url, "create table customer (id int)")
    result = check(env_project(tmp_path, tcp_url, PLAIN))
    (warning,) = result.of(Verdict.WARNING)
    assert (warning.code, codes(result)) == (Problem.UNMANAGED, [])
    assert "dbctl migrate stamp" in str(warning.remedy)


def test_config_check_ledger_that_is_not_dbctls_is_named(tmp_path: Path, tcp_url: str) -> None:
    execute(tcp_url, "create schema dbctl", "create table dbctl.dbctl_ledger (id int)")
    result = check(env_project(tmp_path, tcp_url, PLAIN))
    (obstacle,) = result.of(Verdict.OBSTACLE)
    assert (obstacle.code, obstacle.origin) == (Problem.LEDGER_UNUSABLE, "dbctl's ledger")
    assert "DBCTL_SCHEMA" in str(obstacle.remedy)
    assert unchecked(result) == {Subject.VERSION}


def test_config_check_no_postgresql_for_the_embedded_server_is_an_obstacle(tmp_path: Path) -> None:
    project = ForeignProject(tmp_path)  # NO_SERVER names a folder that is not there
    project.write("pyproject.toml", "[tool.dbctl]\nexample = true\n")
    result = check(project)
    assert codes(result) == [Problem.EMBEDDED_UNAVAILABLE]


@pytest.mark.slow
def test_config_check_standby_is_an_obstacle(tmp_path: Path) -> None:
    binaries = replicating_binaries()
    if binaries is None:
        pytest.skip("this PostgreSQL comes without pg_basebackup")
    with open_folder() as folder, run_replication(folder, binaries) as replication:
        replication.wait_until_streaming()
        result = check(env_project(tmp_path, replication.standby.url, PLAIN))
    (obstacle,) = result.of(Verdict.OBSTACLE)
    assert (obstacle.subject, obstacle.code) == (Subject.SERVER, Problem.STANDBY)


@pytest.mark.slow
def test_config_check_alembic_too_old_is_an_obstacle_beside_the_others(
    tmp_path: Path, tcp_url: str
) -> None:
    older = tmp_path / "older"
    install = ["uv", "pip", "install", "--quiet", "--no-deps", "--target", str(older)]
    subprocess.run([*install, "alembic==1.15.2"], check=True)
    project = env_project(tmp_path, tcp_url, PLAIN)
    project.write("pyproject.toml", "[tool.dbctl]\ncolour = 1\n")
    result = run_with(project, f"{older}{os.pathsep}{ROOT}")
    assert codes(result) == [Problem.SETTING_UNKNOWN, Problem.LIBRARY_TOO_OLD]
    assert len(unchecked(result)) == len(Subject) - 2


def test_config_check_alembic_missing_is_an_obstacle(tmp_path: Path, tcp_url: str) -> None:
    result = without("alembic", env_project(tmp_path, tcp_url, PLAIN), tmp_path)
    (obstacle,) = result.of(Verdict.OBSTACLE)
    assert (obstacle.subject, obstacle.code) == (Subject.LIBRARIES, Problem.LIBRARY_MISSING)
    assert "alembic>=1.16" in str(obstacle.remedy)
