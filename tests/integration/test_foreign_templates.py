"""Projects as `alembic init` writes them, run by plain Alembic and by dbctl, unedited."""

from pathlib import Path

import pytest

from dbctl.migrate.lock import LOCK_KEY
from tests.support.databases import fetch, holding
from tests.support.foreign import (
    PASSWORD,
    Driver,
    ForeignProject,
    TcpServer,
    Template,
    driver_url,
    label_of,
    ledger_of,
    multidb_project,
    name_of,
    state_of,
    states_after_alembic,
    tables_of,
    template_project,
)

# Long: run with -m slow.
pytestmark = pytest.mark.slow


TABLES = ["public.alembic_version", "public.audit", "public.customer", "public.invoice"]
PAIRS = [
    (Template.GENERIC, Driver.PSYCOPG),
    (Template.GENERIC, Driver.PSYCOPG2),
    (Template.GENERIC, Driver.PG8000),
    (Template.ASYNC, Driver.PSYCOPG),
    (Template.ASYNC, Driver.ASYNCPG),
    (Template.PYPROJECT, Driver.PSYCOPG),
    (Template.PYPROJECT_ASYNC, Driver.ASYNCPG),
]


def test_alembic_asyncpg_several_statements_fails(tmp_path: Path, tcp_url: str) -> None:
    project = template_project(
        tmp_path / "shop", Template.ASYNC, driver_url(tcp_url, Driver.ASYNCPG)
    )
    done = project.alembic("upgrade", "head")
    assert done.exit_code == 1
    assert "cannot insert multiple commands into a prepared statement" in done.stderr


@pytest.mark.parametrize(("template", "driver"), PAIRS)
def test_up_and_down_template_project_leave_what_alembic_leaves(
    tmp_path: Path, tcp_server: TcpServer, tcp_url: str, template: Template, driver: Driver
) -> None:
    # asyncpg refuses several statements in one string, and Alembic alone does not help it.
    known = Driver.PSYCOPG if driver is Driver.ASYNCPG else driver
    plain = template_project(tmp_path / "plain", template, driver_url(tcp_url, known))
    (upgraded,), _, (downgraded,) = states_after_alembic(
        tcp_server, plain, [tcp_url], ["upgrade", "head"], ["check"], ["downgrade", "base"]
    )

    project = template_project(tmp_path / "shop", template, driver_url(tcp_url, driver))
    done = project.dbctl("migrate", "up", "--json")
    assert done.exit_code == 0, done
    assert (done.json["before"], done.json["after"]) == ([], ["r2"])
    assert [step["revision"] for step in done.json["applied"]] == ["r1", "r2"]
    assert done.json["database"] == label_of(tcp_url)
    assert state_of(tcp_url) == upgraded
    assert ledger_of(tcp_url) == ["r1", "r2"]

    status = project.dbctl("migrate", "status", "--json")
    assert (status.exit_code, status.json["state"]) == (0, "current"), status
    check = project.dbctl("migrate", "check", "--json")
    assert (check.exit_code, check.json["differences"]) == (0, []), check

    down = project.dbctl("migrate", "down", "base", "--yes", "--json")
    assert (down.exit_code, down.json["after"]) == (0, []), down
    assert state_of(tcp_url) == downgraded
    behind = project.dbctl("migrate", "status", "--json")
    assert (behind.exit_code, behind.json["state"]) == (1, "empty"), behind

    again = project.dbctl("migrate", "up", "--json")
    assert (again.exit_code, again.json["after"]) == (0, ["r2"]), again
    assert state_of(tcp_url) == upgraded
    assert project.dbctl("migrate", "up", "--json").json["applied"] == []
    for run in (done, status, check, down, again):
        for secret in (PASSWORD, PASSWORD.replace("@", "%40")):
            assert secret not in run.stdout + run.stderr


@pytest.mark.parametrize("template", [Template.GENERIC, Template.ASYNC])
def test_up_one_revision_at_a_time_stops_where_it_is_told(
    tmp_path: Path, tcp_url: str, template: Template
) -> None:
    project = template_project(tmp_path / "shop", template, driver_url(tcp_url, Driver.PSYCOPG))
    first = project.dbctl("migrate", "up", "+1", "--json")
    assert (first.exit_code, first.json["after"]) == (0, ["r1"]), first
    pending = project.dbctl("migrate", "status", "--json")
    assert (pending.exit_code, pending.json["state"]) == (1, "pending")
    assert [revision["revision"] for revision in pending.json["pending"]] == ["r2"]
    assert project.dbctl("migrate", "up", "r2", "--json").json["before"] == ["r1"]
    down = project.dbctl("migrate", "down", "--yes", "--json")
    assert (down.json["before"], down.json["after"]) == (["r2"], ["r1"])


@pytest.mark.parametrize("template", [Template.GENERIC, Template.ASYNC])
def test_check_model_changed_exits_1_and_names_the_column(
    tmp_path: Path, tcp_url: str, template: Template
) -> None:
    project = template_project(tmp_path / "shop", template, driver_url(tcp_url, Driver.PSYCOPG))
    assert project.dbctl("migrate", "up").exit_code == 0
    project.edit("shop/models.py", ("note: Mapped[str | None]", "memo: Mapped[str | None]"))
    assert project.alembic("check").exit_code != 0
    done = project.dbctl("migrate", "check", "--json")
    assert done.exit_code == 1, done
    found = {(d["kind"], d["table"], d["name"]) for d in done.json["differences"]}
    assert found == {("add_column", "invoice", "memo"), ("remove_column", "invoice", "note")}


@pytest.mark.parametrize(("template", "driver"), PAIRS[:5])
def test_up_failing_revision_exits_4_and_keeps_those_before_it(
    tmp_path: Path, tcp_url: str, template: Template, driver: Driver
) -> None:
    project = template_project(tmp_path / "shop", template, driver_url(tcp_url, driver))
    project.add_revision(
        "r3", 'op.execute("create table c (id int)")\nop.execute("select 1/0")', after="r2"
    )
    done = project.dbctl("migrate", "up", "--json")
    assert (done.exit_code, done.json["error"]["code"]) == (4, "migration_failed"), done
    assert "revision r3 (make r3) failed: division by zero" in done.json["error"]["message"]
    assert done.json["after"] == ["r2"]
    assert [step["revision"] for step in done.json["applied"]] == ["r1", "r2"]
    assert tables_of(tcp_url) == TABLES
    assert ledger_of(tcp_url) == ["r1", "r2"]
    assert "Traceback" not in done.stderr


@pytest.fixture
def multidb(tmp_path: Path, tcp_urls: tuple[str, str]) -> ForeignProject:
    """A project of the template multidb, on two drivers."""
    first, second = tcp_urls
    return multidb_project(
        tmp_path / "shop",
        driver_url(first, Driver.PSYCOPG),
        driver_url(second, Driver.PSYCOPG2),
    )


def test_up_multidb_reports_and_records_each_database(
    multidb: ForeignProject, tcp_server: TcpServer, tcp_urls: tuple[str, str]
) -> None:
    (upgraded,) = states_after_alembic(tcp_server, multidb, tcp_urls, ["upgrade", "head"])
    done = multidb.dbctl("migrate", "up", "--json")
    assert done.exit_code == 0, done
    assert [
        (
            part["database"],
            part["before"],
            part["after"],
            [step["revision"] for step in part["applied"]],
        )
        for part in done.json["databases"]
    ] == [(label_of(url), [], ["r2"], ["r1", "r2"]) for url in tcp_urls]
    assert [state_of(url) for url in tcp_urls] == upgraded
    assert [ledger_of(url) for url in tcp_urls] == [["r1", "r2"]] * 2
    again = multidb.dbctl("migrate", "up", "--json")
    assert again.exit_code == 0, again
    assert [part["applied"] for part in again.json["databases"]] == [[], []]


def test_status_check_and_down_multidb_cover_both_databases(
    multidb: ForeignProject, tcp_server: TcpServer, tcp_urls: tuple[str, str]
) -> None:
    _, downgraded = states_after_alembic(
        tcp_server, multidb, tcp_urls, ["upgrade", "head"], ["downgrade", "base"]
    )
    behind = multidb.dbctl("migrate", "status", "--json")
    assert behind.exit_code == 1, behind
    assert multidb.dbctl("migrate", "up").exit_code == 0
    for command in ("status", "check"):
        done = multidb.dbctl("migrate", command, "--json")
        assert done.exit_code == 0, done
    down = multidb.dbctl("migrate", "down", "base", "--yes", "--json")
    assert down.exit_code == 0, down
    assert [part["after"] for part in down.json["databases"]] == [[], []]
    assert [state_of(url) for url in tcp_urls] == downgraded


def test_up_multidb_text_names_both_databases(
    multidb: ForeignProject, tcp_urls: tuple[str, str]
) -> None:
    done = multidb.dbctl("migrate", "up")
    assert done.exit_code == 0, done
    for url in tcp_urls:
        assert name_of(url) in done.stdout


def test_up_multidb_second_database_locked_exits_4_and_names_it(
    multidb: ForeignProject, tcp_urls: tuple[str, str]
) -> None:
    locked = tcp_urls[1]
    with holding(locked, f"select pg_advisory_xact_lock({LOCK_KEY})"):
        done = multidb.dbctl("migrate", "up", "--lock-wait", "0.5", "--json")
        assert (done.exit_code, done.json["error"]["code"]) == (4, "lock_busy"), done
        assert name_of(locked) in done.json["error"]["message"]
        assert tables_of(locked) == []
    assert multidb.dbctl("migrate", "up").exit_code == 0
    assert [ledger_of(url) for url in tcp_urls] == [["r1", "r2"]] * 2


def test_up_multidb_second_database_fails_reports_what_each_kept(
    multidb: ForeignProject, tcp_urls: tuple[str, str]
) -> None:
    multidb.edit("alembic/versions/r2.py", ("ADD COLUMN kind", "ADD COLUMN id"))
    done = multidb.dbctl("migrate", "up", "--json")
    assert (done.exit_code, done.json["error"]["code"]) == (4, "migration_failed"), done
    assert name_of(tcp_urls[1]) in done.json["error"]["message"]
    for part, url in zip(done.json["databases"], tcp_urls, strict=True):
        version = fetch(url, "select version_num from alembic_version")
        assert part["after"] == version, "what it says is so"
    assert fetch(tcp_urls[1], "select version_num from alembic_version") in (["r1"], [])


def test_up_multidb_env_py_undoes_the_second_database_exits_4(
    multidb: ForeignProject, tcp_urls: tuple[str, str]
) -> None:
    multidb.edit_env(
        (
            "    except:\n        for rec in engines.values():\n",
            '        with engines["engine2"]["engine"].begin() as undo:\n'
            '            undo.exec_driver_sql("delete from alembic_version")\n'
            "    except:\n        for rec in engines.values():\n",
        )
    )
    done = multidb.dbctl("migrate", "up", "--json")
    assert (done.exit_code, done.json["error"]["code"]) == (4, "migration_failed"), done
    assert name_of(tcp_urls[1]) in done.json["error"]["message"]
    assert done.json["databases"][1]["after"] == []
