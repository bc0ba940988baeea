"""`--deadline`: a command ends in time, whatever holds it, and says what is so."""

import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer

from dbctl.cli import GROUPS
from dbctl.db import dsn
from tests.support.cli import Finished, run_dbctl
from tests.support.databases import execute, fetch, holding
from tests.support.foreign import Driver
from tests.support.project import Project
from tests.support.proxy import FaultProxy, Mode, Nth

# Seconds: much less than what nobody waits for, on a machine that is busy.
SOON = 60


@pytest.fixture
def proxy(tcp_url: str) -> Iterator[FaultProxy]:
    with FaultProxy(dsn.parse(tcp_url, environ={})) as running:
        yield running


def run(url: str, folder: Path, *arguments: str, deadline: float = 1, models: str = "") -> Finished:
    return run_dbctl(
        *arguments,
        *("--deadline", str(deadline), "--json"),
        env={"DATABASE_URL": url} | ({"DBCTL_MODELS": models} if models else {}),
        cwd=folder,
        timeout=SOON,
    )


def check(done: Finished, *said: str) -> None:
    assert (done.exit_code, done.json["error"]["code"]) == (4, "deadline"), done
    assert done.json["error"]["message"].startswith("the deadline of ")
    assert any(text in done.json["error"]["message"] for text in said), done


@pytest.mark.parametrize("after", [None, b"COPY", b"COMMIT"], ids=str)
def test_load_through_a_hanging_proxy_ends_in_time(
    proxy: FaultProxy, tcp_url: str, tmp_path: Path, after: bytes | None
) -> None:
    execute(tcp_url, "create table t (id int)")
    (tmp_path / "x.csv").write_text("id\n1\n")
    proxy.behave(Mode.HANG, after=after)
    done = run(
        *(proxy.url_of(tcp_url), tmp_path, "seed", "load", "x.csv", "--into", "t"),
        deadline=1 if after is None else 3,
    )
    if after == b"COMMIT" and proxy.faults:
        # It was sent: whether it took effect is asked for on another connection.
        assert (done.exit_code, done.json["inserted"]) == (0, 1), done
        assert "has committed it" in done.stderr
        assert fetch(tcp_url, "select id from t") == [1]
    else:  # on a slow machine the deadline may be over before anything hangs
        check(done, "rolled back", "was lost")
        assert fetch(tcp_url, "select id from t") == []


def test_generate_through_a_hanging_proxy_ends_in_time(
    proxy: FaultProxy, tcp_url: str, tmp_path: Path
) -> None:
    execute(tcp_url, "create table t (id int)")
    proxy.behave(Mode.HANG, after=b"lock table")
    check(run(proxy.url_of(tcp_url), tmp_path, "seed", "generate", "t=5"), "rolled back", "lost")
    assert fetch(tcp_url, "select id from t") == []


@pytest.mark.parametrize("driver", [None, Driver.PSYCOPG2], ids=["own", "psycopg2"])
def test_up_through_a_hanging_proxy_ends_in_time(
    proxy: FaultProxy, tcp_url: str, tmp_path: Path, driver: Driver | None
) -> None:
    project = Project.create(
        *(tmp_path, tcp_url, "create table a (id int)", "create table b (id int)"), driver=driver
    )
    proxy.behave(Mode.HANG, after=b"create table b")
    done = run(
        proxy.url_of(tcp_url), project.root, "migrate", "up", deadline=4, models="shop.models"
    )
    assert done.exit_code == 4, done
    assert done.json["error"]["code"] == "deadline"
    assert done.json["error"]["message"].startswith("the deadline of 4 s is over; ")
    if proxy.faults:  # on a slow machine the deadline may be over before anything hangs
        assert "r2" in done.json["error"]["message"]
        assert [one["revision"] for one in done.json["applied"]] == ["r1"]
    assert fetch(tcp_url, "select to_regclass('b')") == [None]


def test_deadline_ends_what_waits_for_a_lock(empty_url: str, tmp_path: Path) -> None:
    execute(empty_url, "create table t (id int)")
    (tmp_path / "x.csv").write_text("id\n1\n")
    with holding(empty_url, "lock table t"):
        check(run(empty_url, tmp_path, "seed", "load", "x.csv", "--into", "t"), "rolled back")
    assert fetch(empty_url, "select id from t") == []


def test_deadline_that_is_not_reached_changes_nothing(empty_url: str, tmp_path: Path) -> None:
    execute(empty_url, "create table t (id int)")
    done = run_dbctl(
        *("seed", "generate", "t=5", "--deadline", "600", "--json"),
        env={"DATABASE_URL": empty_url},
        cwd=tmp_path,
    )
    assert done.exit_code == 0, done
    assert len(fetch(empty_url, "select id from t")) == 5


# Commands that only read; the slow ones are those whose siblings are not.
READING = [
    "migrate status --drift",
    "inspect rows t --timeout 0",
    *(
        pytest.param(line, marks=pytest.mark.slow)
        for line in (
            "migrate status",
            "migrate plan",
            "migrate check",
            "migrate verify",
            "migrate history",
            "inspect rows t --timeout 0 --all --yes --output rows.csv",
            "inspect query 'select * from t' --timeout 0",
            "inspect row t 1",
            "inspect tables",
            "inspect activity --watch 0.2",
        )
    ),
]


@pytest.mark.parametrize("line", READING)
def test_reading_through_a_hanging_proxy_ends_in_time(
    proxy: FaultProxy, tcp_url: str, tmp_path: Path, line: str
) -> None:
    project = Project.create(tmp_path, tcp_url, "create table t (id int primary key)")
    execute(tcp_url, "create table t (id int primary key)", "insert into t values (1)")
    proxy.behave(Mode.HANG, after=Nth(2))
    arguments = shlex.split(line)
    done = run(proxy.url_of(tcp_url), project.root, *arguments, deadline=3, models="shop.models")
    check(done, "nothing was changed", "was lost")
    assert not (project.root / "rows.csv").exists()


def test_deadline_is_an_option_of_every_command_that_asks_a_database() -> None:
    without = {
        name
        for group in GROUPS
        for name, command in leaves(
            typer.main.get_command(import_module(f"dbctl.{group}.commands").app), (group,)
        )
        if not any("--deadline" in parameter.opts for parameter in command.params)
    }
    # `health` has --timeout, the others ask no server over a network.
    assert {name for name in without if not name.startswith("server")} == {
        *("config", "health", "init", "migrate lint", "migrate new")
    }


def leaves(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Yield every command, a group that is one itself included, with its name."""
    inner = getattr(command, "commands", None)
    if inner is None or getattr(command, "invoke_without_command", False):
        yield " ".join(path), command
    for name, one in (inner or {}).items():
        yield from leaves(one, (*path, name))
