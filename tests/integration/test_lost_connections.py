"""A connection that is lost at any moment: what is said of it is what the database has."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import Connection, make_url

from dbctl.db import drivers
from dbctl.db.failures import connection_loss
from dbctl.errors import ExitCode
from dbctl.migrate import indexes
from dbctl.migrate.run.execution import Execution
from tests.support.cli import Finished
from tests.support.databases import TestServer, execute, fetch
from tests.support.drivers import DRIVERS, on
from tests.support.foreign import Driver
from tests.support.project import Project, every_driver
from tests.support.proxy import FaultProxy, Mode, Moment, Nth
from tests.support.seeds import Seeds

KILL = (
    "select pg_terminate_backend(pid) from pg_stat_activity"
    " where datname = current_database() and pid <> pg_backend_pid()"
)
REASON = "(terminating connection due to administrator command)"
REFUSE = "create function refuse() returns trigger language plpgsql as $$ begin raise 'no'; end $$"


def kill_all(url: str) -> None:
    """End every session in the database of `url`, from a thread in which no event loop runs."""
    thread = Thread(target=execute, args=(url, KILL))
    thread.start()
    thread.join()


class Lossy:
    """A project with three revisions, reached through a proxy; in r2 `fault()` is called."""

    def __init__(self, project: Project, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch):
        self.project, self.proxy = project, proxy
        self._monkeypatch = monkeypatch

    def on_fault(self, fault: Callable[[], object]) -> None:
        self._monkeypatch.setattr(builtins, "fault", fault, raising=False)

    def run(self, *arguments: str) -> Finished:
        url = self.proxy.url_of(self.project.url)
        return self.project.run(
            "migrate", *arguments, "--json", DATABASE_URL=url, DB_CONNECT_DEADLINE="3"
        )

    def applied(self) -> list[Any]:
        return fetch(self.project.url, "select version_num::text from alembic_version")


@pytest.fixture
def lossy(
    server: TestServer,
    tcp_url: str,
    tmp_path: Path,
    driver: Driver | None,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Lossy]:
    project = Project.create(tmp_path, tcp_url, "create table a (id int)", driver=driver)
    body = 'op.execute("create table b (id int)"); fault()'
    project.add_revision("r2", body, after=["r1"], downgrade='op.execute("drop table b"); fault()')
    project.add_revision("r3", 'op.execute("create table c (id int)")', after=["r2"])
    with FaultProxy(server.dsn) as proxy:
        yield Lossy(project, proxy, monkeypatch)


@every_driver
def test_up_answer_to_the_last_commit_is_lost_exits_0_with_a_notice(lossy: Lossy) -> None:
    lossy.on_fault(lambda: lossy.proxy.behave(Mode.RESET, after=b"COMMIT", moment=Moment.DONE))
    done = lossy.run("up", "r2")
    assert done.exit_code == 0, done
    lossy.proxy.wait_for_fault()
    assert "error" not in done.json
    assert done.json["after"] == ["r2"]
    assert done.json["unfinished"] is None
    assert [step["revision"] for step in done.json["applied"]] == ["r1", "r2"]
    assert "the version was read again" in done.stderr
    assert lossy.applied() == ["r2"]


def test_down_answer_to_the_last_commit_is_lost_exits_0_with_a_notice(lossy: Lossy) -> None:
    lossy.on_fault(lambda: None)
    assert lossy.run("up", "r2").exit_code == 0
    lossy.on_fault(lambda: lossy.proxy.behave(Mode.CLOSE, after=b"COMMIT", moment=Moment.DONE))
    done = lossy.run("down", "r1", "--yes")
    assert (done.exit_code, done.json["after"]) == (0, ["r1"]), done
    assert "the version was read again" in done.stderr


@every_driver
@pytest.mark.parametrize("moment", [Moment.DONE, Moment.ANSWERED])
def test_up_lost_at_a_commit_before_the_last_names_the_revision(
    lossy: Lossy, moment: Moment
) -> None:
    lossy.on_fault(lambda: lossy.proxy.behave(Mode.RESET, after=b"COMMIT", moment=moment))
    done = lossy.run("up")
    assert (done.exit_code, done.json["error"]["code"]) == (3, "connection_failed")
    assert "was lost after r2 was committed" in done.json["error"]["message"]
    assert [step["revision"] for step in done.json["applied"]] == ["r1", "r2"]
    assert (done.json["after"], done.json["unfinished"]) == (["r2"], None)
    assert lossy.run("up").exit_code == 0  # as the hint says
    assert lossy.applied() == ["r3"]


def test_down_lost_at_a_commit_before_the_last_names_the_revision(lossy: Lossy) -> None:
    lossy.on_fault(lambda: None)
    assert lossy.run("up").exit_code == 0
    lossy.on_fault(lambda: lossy.proxy.behave(Mode.RESET, after=b"COMMIT", moment=Moment.DONE))
    done = lossy.run("down", "base", "--yes")
    assert (done.exit_code, done.json["after"]) == (3, ["r1"])
    assert "was lost after r2 was committed" in done.json["error"]["message"]
    assert [step["revision"] for step in done.json["applied"]] == ["r3", "r2"]


def test_up_commit_that_the_server_refused_unheard_is_not_applied(lossy: Lossy) -> None:
    execute(
        lossy.project.url,
        REFUSE,
        "create table once (id int)",
        "create constraint trigger refuse after insert on once initially deferred"
        " for each row execute function refuse()",
    )
    lossy.project.add_revision(
        "r2", 'op.execute("insert into once values (1)"); fault()', after=["r1"]
    )
    lossy.on_fault(lambda: lossy.proxy.behave(Mode.RESET, after=b"COMMIT", moment=Moment.DONE))
    done = lossy.run("up")
    assert (done.exit_code, done.json["after"]) == (3, ["r1"])
    assert [step["revision"] for step in done.json["applied"]] == ["r1"]
    assert done.json["unfinished"]["revision"] == "r2"
    assert "it was rolled back" in done.json["error"]["message"]


def test_up_nobody_to_ask_after_the_commit_is_unknown(lossy: Lossy) -> None:
    lossy.on_fault(lambda: lossy.proxy.behave(Mode.REFUSE, after=b"COMMIT", moment=Moment.DONE))
    done = lossy.run("up")
    assert (done.exit_code, done.json["after"]) == (3, None)
    assert "it cannot be asked what took effect" in done.json["error"]["message"]
    assert done.json["unfinished"]["revision"] == "r2"


CONCURRENTLY = """
    with op.get_context().autocommit_block():
        fault()
        op.execute("create index concurrently i on a (id)")"""


@every_driver
@pytest.mark.parametrize("body", ['fault(); op.execute("select 1")', CONCURRENTLY])
def test_up_session_ended_in_a_revision_is_a_lost_connection(lossy: Lossy, body: str) -> None:
    lossy.project.add_revision("r2", body, after=["r1"])
    lossy.on_fault(lambda: kill_all(lossy.project.url))
    done = lossy.run("up")
    assert (done.exit_code, done.json["error"]["code"]) == (3, "connection_failed"), done
    message = done.json["error"]["message"]
    assert message.startswith("revision r2 (make r2) failed: the connection to ")
    # libpq, as psycopg2 uses it, does not report the reason.
    assert REASON in message or lossy.project.driver is Driver.PSYCOPG2
    assert ("it was rolled back" in message) is (body is not CONCURRENTLY)
    assert done.json["after"] == ["r1"]


@every_driver
@pytest.mark.parametrize("mode", [Mode.RESET, Mode.CLOSE])
def test_up_connection_cut_while_an_index_is_built_is_a_lost_connection(
    lossy: Lossy, mode: Mode
) -> None:
    lossy.project.add_revision("r2", CONCURRENTLY, after=["r1"])
    lossy.on_fault(lambda: lossy.proxy.behave(mode, after=b"create index concurrently"))
    done = lossy.run("up")
    assert (done.exit_code, done.json["error"]["code"]) == (3, "connection_failed"), done
    assert "revision r2 (make r2) failed: the connection to " in done.json["error"]["message"]


@every_driver
def test_up_sessions_ended_between_two_revisions_is_a_lost_connection(
    lossy: Lossy, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = Execution.finish

    def finish_and_lose(execution: Execution) -> None:
        finish(execution)
        if execution.done[-1].revision == "r2":
            kill_all(lossy.project.url)

    monkeypatch.setattr(Execution, "finish", finish_and_lose)
    lossy.on_fault(lambda: None)
    done = lossy.run("up")
    assert (done.exit_code, done.json["error"]["code"]) == (3, "connection_failed"), done
    assert "was lost after r2 was committed" in done.json["error"]["message"]
    assert REASON in done.json["error"]["message"] or lossy.project.driver is Driver.PSYCOPG2


@pytest.mark.parametrize("moment", [Moment.DONE, Moment.ANSWERED])
def test_up_reading_what_was_left_is_lost_as_well_is_read_again(
    lossy: Lossy, moment: Moment
) -> None:
    """A server that ends cuts one connection after the other."""
    commits: list[object] = []

    def lose_twice() -> None:
        lossy.proxy.behave(Mode.RESET, after=b"COMMIT", moment=moment)
        commits.append(1)

    lossy.on_fault(lose_twice)
    reading = indexes.invalid_indexes

    def lost_once(connection: Connection) -> Any:
        if len(commits) == 1:
            commits.append(2)
            lossy.proxy.behave(Mode.RESET)
            lossy.proxy.behave(Mode.FORWARD)
        return reading(connection)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dbctl.migrate.outcome.invalid_indexes", lost_once)
        done = lossy.run("up")
    assert commits == [1, 2]
    assert (done.exit_code, done.json["after"]) == (3, ["r2"]), done
    assert "was lost after r2 was committed" in done.json["error"]["message"]


@pytest.mark.parametrize("driver_name", DRIVERS)
def test_connection_loss_past_sqlalchemy_is_known_on_every_driver(
    tcp_url: str, driver_name: str
) -> None:
    found: list[object] = []

    def lose(connection: Connection) -> None:
        for _ in range(2):  # the second time the driver knows by itself
            kill_all(tcp_url)
            try:
                drivers.query(connection, "select 1")
            except Exception as error:
                found.append(connection_loss(error))
        connection.invalidate()

    on(driver_name, tcp_url, lose)
    assert len(found) == 2
    assert None not in found


@pytest.mark.parametrize(
    "statement",
    [
        "select 1/0",
        "select * from nowhere",
        "do $$ begin raise sqlstate '08006' using message = 'lost'; end $$",
    ],
)
@pytest.mark.parametrize("driver_name", DRIVERS)
def test_connection_loss_other_errors_are_none(
    tcp_url: str, driver_name: str, statement: str
) -> None:
    def fail(connection: Connection) -> object:
        error: Exception | None = None
        try:
            connection.exec_driver_sql(statement).fetchall()
        except Exception as raised:
            error = raised
        connection.rollback()
        assert error is not None
        assert connection.exec_driver_sql("select 1").scalar() == 1
        connection.rollback()
        return connection_loss(error)

    assert on(driver_name, tcp_url, fail) is None


LOAD = ("seed", "load", "rows.csv", "--into", "t", "--json")
UPDATE = (*LOAD, "--on-conflict", "update")
SET = ("seed", "--set", "base", "--json")
GENERATE = ("seed", "generate", "t=3", "--json")


@pytest.fixture
def shop(server: TestServer, empty_url: str, tmp_path: Path) -> Iterator[tuple[Seeds, FaultProxy]]:
    """A table, a set that fills it, and a file, through a proxy."""
    body = "yield Item(id=2, name='two')\nawait run(session, 'select 7')"
    models = """
    class Item(Base, table=True):
        __tablename__ = "t"
        id: int = Field(primary_key=True)
        name: str | None = None
    """
    seeds = Seeds.create(tmp_path, empty_url, models, base=body)
    seeds.make_tables("create table t (id int primary key, name text)")
    execute(empty_url, "insert into t values (1, 'one')")
    (tmp_path / "rows.csv").write_text("id,name\n1,uno\n2,two\n")
    with FaultProxy(server.dsn) as proxy:
        yield seeds, proxy


def seeded(shop: tuple[Seeds, FaultProxy], *arguments: str) -> Finished:
    seeds, proxy = shop
    return seeds.project.run(
        *arguments, DATABASE_URL=proxy.url_of(seeds.project.url), DB_CONNECT_DEADLINE="3"
    )


@pytest.mark.parametrize(
    ("arguments", "after"),
    [
        pytest.param(UPDATE, b"savepoint dbctl_load", id="load, before the COPY"),
        pytest.param(UPDATE, b"analyze", id="load, after the COPY"),
        pytest.param(UPDATE, b"insert into", id="load, the rows"),
        pytest.param(UPDATE, b"set constraints", id="load, the end"),
        pytest.param(GENERATE, b"analyze", id="generate"),
        pytest.param(SET, b"pg_advisory_xact_lock", id="set"),
        pytest.param(SET, b"select 7", id="set, its own statement"),
        pytest.param(SET, b"INSERT INTO", id="set, a row"),
    ],
)
@pytest.mark.parametrize("moment", [Moment.SENT, Moment.ANSWERED])
def test_seed_lost_between_two_statements_says_that_nothing_was_written(
    shop: tuple[Seeds, FaultProxy], arguments: tuple[str, ...], after: bytes, moment: Moment
) -> None:
    seeds, proxy = shop
    proxy.behave(Mode.RESET, after=after, moment=moment)
    done = seeded(shop, *arguments)
    assert proxy.faults == 1, done
    assert (done.exit_code, done.json["error"]["code"]) == (3, "connection_failed"), done.stderr
    assert "was lost" in done.json["error"]["message"]
    assert "Nothing was written" in done.json["error"]["hint"]
    assert fetch(seeds.project.url, "select name from t") == ["one"]


@pytest.mark.parametrize("arguments", [LOAD, UPDATE, GENERATE, SET])
def test_seed_answer_to_commit_is_lost_exits_0_with_a_notice(
    shop: tuple[Seeds, FaultProxy], arguments: tuple[str, ...]
) -> None:
    seeds, proxy = shop
    if arguments is LOAD:
        execute(seeds.project.url, "delete from t")
    proxy.behave(Mode.RESET, after=b"COMMIT", moment=Moment.DONE)
    done = seeded(shop, *arguments)
    assert proxy.faults == 1, done
    assert done.exit_code == 0, done
    assert "was lost during the COMMIT; the server, asked again, has committed it" in done.stderr
    assert fetch(seeds.project.url, "select count(*) from t")[0] > 1


def test_seed_allow_answer_to_commit_is_lost_exits_0_with_a_notice(
    shop: tuple[Seeds, FaultProxy],
) -> None:
    seeds, proxy = shop
    name = make_url(seeds.project.url).database or ""
    proxy.behave(Mode.RESET, after=b"COMMIT", moment=Moment.DONE)
    done = seeded(shop, "seed", "allow", "--name", name, "--json")
    assert proxy.faults == 1, done
    assert done.exit_code == 0, done
    assert "has committed it" in done.stderr


SWEPT: dict[str, tuple[str, ...]] = {
    "load": LOAD,
    "load update": UPDATE,
    "generate": GENERATE,
    "set": SET,
    "up": ("migrate", "up", "--json"),
    "down": ("migrate", "down", "base", "--yes", "--json"),
    "stamp": ("migrate", "stamp", "base", "--json"),
    "status": ("migrate", "status", "--json"),
    "check": ("migrate", "check", "--json"),
    "verify": ("migrate", "verify", "--json"),
    "plan": ("migrate", "plan", "--json"),
    "rows": ("inspect", "rows", "t", "--json"),
}


@pytest.mark.campaign
@pytest.mark.parametrize("moment", list(Moment))
@pytest.mark.parametrize("name", SWEPT)
def test_any_command_lost_at_any_message_is_a_lost_connection(
    shop: tuple[Seeds, FaultProxy], name: str, moment: Moment
) -> None:
    """The nth message of a run, for every n, is the last one of its connection."""
    seeds, proxy = shop
    seeds.project.add_revision("r2", 'op.execute("create table b (id int)")', after=["r1"])
    number = missed = hits = 0
    while missed < 4:  # a message that says good-bye has no answer
        number += 1
        proxy.behave(Mode.FORWARD)
        execute(
            seeds.project.url,
            "drop schema if exists dbctl cascade",
            "drop table if exists b",
            "truncate t",
            f"update alembic_version set version_num = '{'r1' if name == 'up' else 'r2'}'",
        )
        if name == "down":
            execute(seeds.project.url, "create table b (id int)")
        before = proxy.faults
        proxy.behave(Mode.RESET, after=Nth(number), moment=moment)
        done = seeded(shop, *SWEPT[name])
        is_hit = proxy.faults > before
        missed = 0 if is_hit else missed + 1
        hits += is_hit
        assert done.exit_code in {0, 1, ExitCode.UNREACHABLE}, (number, done)
        rows = fetch(seeds.project.url, "select count(*) from t")[0]
        if done.exit_code == ExitCode.UNREACHABLE:
            assert "unknown" in done.json["error"]["message"] or rows == 0, (number, done)
    assert hits > 10
