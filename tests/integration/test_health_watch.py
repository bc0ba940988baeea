"""`health --watch`: what a database does, and what is wrong with it, whatever the server does."""

import asyncio
import json
import signal
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from dbctl.db import dsn
from dbctl.db.embedded import EmbeddedServer
from dbctl.db.engine import DatabaseSessionManager
from dbctl.health.report import prepare
from dbctl.health.watch.watcher import Watcher
from dbctl.settings import load_settings
from tests.support.cli import ROOT, invoke
from tests.support.databases import TestServer, connected, execute, holding
from tests.support.health import checks_of, statuses_of, validate
from tests.support.lines import lines_of, next_line
from tests.support.pgbouncer import Pgbouncer
from tests.support.proxy import FaultProxy, Mode
from tests.support.terminal import Terminal

WATCH = ("health", "--watch", "0.2")
RATES = {
    "seconds",
    "commitsPerSecond",
    "rollbacksPerSecond",
    "rowsReadPerSecond",
    "rowsWrittenPerSecond",
}


def test_it_outlives_the_server_and_tells_since_when_it_is_away(
    state_dir: Path, tmp_path: Path
) -> None:
    embedded = EmbeddedServer(tmp_path, state_dir=state_dir)
    url = embedded.ensure_running()
    arguments, env = (*WATCH, "--skip", "migrations"), {"DATABASE_URL": url}
    try:
        with (
            Terminal(*arguments, env=env, cwd=ROOT) as terminal,
            lines_of(*arguments, "--json", env=env) as piped,
        ):
            first = next_line(piped)
            assert first["status"] == "pass"
            terminal.wait_for("no other transaction is open")
            embedded.stop()
            while (gone := next_line(piped))["status"] == "pass":
                validate(gone)
            _check_what_is_told_meanwhile(first, gone)
            terminal.wait_for("cannot be reached since")
            terminal.wait_for("nothing is listening there")
            embedded.ensure_running()
            with holding(url, "select 1"):
                terminal.wait_for("1 transaction open")
                terminal.wait_for("1 idle in xact")
            terminal.type("q")
            assert terminal.finish() == 0
            assert terminal.printed.rstrip().endswith(b"\x1b[?25h\x1b[?1049l")
            while (back := next_line(piped))["status"] != "pass":
                validate(back)
                assert back["vitals"] in ({}, gone["vitals"])
            assert back["checks"].keys() == first["checks"].keys()
            assert "unreachableSince" not in back["vitals"]
            piped.send_signal(signal.SIGTERM)
            piped.communicate()
            assert piped.returncode == 143
    finally:
        embedded.destroy()


def _check_what_is_told_meanwhile(first: dict[str, Any], gone: dict[str, Any]) -> None:
    """Compare the line of a server that is away with the first one."""
    validate(gone)
    assert gone["checks"].keys() == first["checks"].keys()
    assert set(statuses_of(gone).values()) == {"fail", "unknown"}
    assert gone["error"]["code"] == "connection_failed"
    assert gone["vitals"].keys() == {"unreachableSince"}
    assert first["time"] < gone["vitals"]["unreachableSince"] < gone["time"]


async def test_a_blocker_is_shown_with_what_ends_it(database_url: str) -> None:
    arguments = (*WATCH, "--threshold", "blockers.warn=0.1")
    async with connected(database_url) as holder, connected(database_url) as victim:
        await holder.execute("CREATE TABLE held ()")
        await holder.execute("BEGIN; LOCK TABLE held")
        waiting = asyncio.create_task(victim.execute("SELECT FROM held"))
        with Terminal(*arguments, env={"DATABASE_URL": database_url}, cwd=ROOT) as terminal:
            for text in (
                "1 session waiting for a lock",
                f"SELECT pg_terminate_backend({holder.get_server_pid()});",
                "at the head, ",
            ):
                await asyncio.to_thread(terminal.wait_for, text)
            terminal.send_signal(signal.SIGINT)
            assert terminal.finish() == 130
        await holder.execute("ROLLBACK")
        await waiting


def test_statistics_that_are_reset_begin_anew(database_url: str) -> None:
    with lines_of(*WATCH, env={"DATABASE_URL": database_url}) as process:
        assert next_line(process)["vitals"] == {}
        while not (line := next_line(process))["vitals"].keys() >= RATES:
            validate(line)
        execute(database_url, "SELECT pg_stat_reset()")
        while (line := next_line(process))["vitals"]:
            validate(line)
        assert next_line(process)["vitals"].keys() >= RATES


def test_the_rates_are_those_of_others(database_url: str) -> None:
    """What the looks do themselves, some forty transactions a second, is nobody's load."""
    with lines_of(*WATCH, env={"DATABASE_URL": database_url}) as process:
        while next_line(process)["vitals"].get("seconds", 0) < 2:
            pass
        assert mean(next_line(process)["vitals"]["commitsPerSecond"] for _ in range(15)) < 15
        execute(
            database_url,
            "CREATE TABLE busy (id int)",
            *["INSERT INTO busy SELECT generate_series(1, 1000)"] * 20,
        )
        lines = (next_line(process)["vitals"] for _ in range(50))
        assert any(line["rowsWrittenPerSecond"] > 1000 for line in lines)


def test_a_server_that_falls_silent_is_told_and_holds_up_no_end(
    server: TestServer, database_url: str
) -> None:
    with FaultProxy(server.dsn) as proxy:
        env = {"DATABASE_URL": proxy.url_of(database_url), "DB_CONNECT_DEADLINE": "2"}
        with lines_of(*WATCH, env=env) as process:
            assert next_line(process)["status"] != "fail"
            proxy.behave(Mode.HANG)
            while "unreachableSince" not in (line := next_line(process))["vitals"]:
                validate(line)
            validate(line)
            proxy.behave(Mode.FORWARD)
            while next_line(process)["status"] == "fail":
                pass
            proxy.behave(Mode.HANG)
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=20)
            assert process.returncode == 143


@pytest.mark.parametrize("pooled", [False, True])
def test_an_unprivileged_role_sees_the_rates(
    server: TestServer, database_url: str, pooled: bool, request: pytest.FixtureRequest
) -> None:
    if pooled:
        pooler: Pgbouncer = request.getfixturevalue("pgbouncer")
        url = pooler.url_of(str(dsn.parse(database_url, environ={}).database))
    else:
        server.execute("DROP ROLE IF EXISTS watcher", "CREATE ROLE watcher LOGIN")
        url = database_url.replace("//postgres@", "//watcher@")
    with lines_of(*WATCH, "--skip", "migrations", env={"DATABASE_URL": url}) as process:
        while not (line := next_line(process))["vitals"].keys() >= RATES:
            validate(line)
        assert checks_of(line)["connections"]["observed"]["used"] >= 1
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate()
    assert (process.returncode, err) == (143, "")


async def test_quick_checks_are_made_at_each_tick_and_the_others_now_and_then(
    database: DatabaseSessionManager, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    watcher = Watcher(prepare(load_settings()), 0.2)
    first, second = [
        {check.name: check.time for check in (await watcher.tick(database)).report.checks}
        for _ in range(2)
    ]
    made_again = {name for name in first if first[name] != second[name]}
    assert made_again == {
        "connection",
        "pool",
        "connections",
        "blockers",
        "transactions",
        "replication",
    }
    assert first.keys() == second.keys() > made_again


def test_what_waiting_will_not_mend_ends_it_at_once(database_url: str) -> None:
    url = database_url.replace("/test_", "/nowhere_", 1)
    done = invoke(*WATCH, "--json", env={"DATABASE_URL": url})
    assert done.exit_code == 3
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["error"]["code"] == "connection_failed"


@pytest.mark.parametrize(
    "arguments",
    [("--wait", "5"), ("--format", "junit"), ("--format", "csv"), ("--output", "x.prom")],
)
def test_what_has_an_end_is_refused_beside_it(arguments: tuple[str, ...], empty_url: str) -> None:
    done = invoke(*WATCH, *arguments, env={"DATABASE_URL": empty_url})
    assert (done.exit_code, done.stdout) == (2, "")
    assert "--watch" in done.stderr
