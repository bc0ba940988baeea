"""Where rows may be written: what is refused, what lifts it, and that nothing was written."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import Finished, invoke
from tests.support.databases import TestServer, execute, fetch
from tests.support.remote import Remote, run_remote
from tests.support.schema import dump_of
from tests.support.terminal import Terminal

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def remote(server: TestServer) -> Iterator[Remote]:
    """The tests' server, reached over a network."""
    with run_remote(server.dsn) as running:
        yield running


@pytest.fixture
def remote_url(remote: Remote, database_url: str) -> str:
    """The URL of a database at the head, over the network."""
    return remote.url_of(database_url)


def run(url: str, *arguments: str, **env: str) -> Finished:
    return invoke("seed", *arguments, "--json", env={"DATABASE_URL": url} | env)


def refusal(done: Finished) -> dict[str, str]:
    assert done.exit_code == 5, done.stdout
    error: dict[str, str] = done.json["error"]
    return error


def name_of(url: str) -> str:
    name: str = fetch(url, "select current_database()")[0]
    return name


def test_an_unmarked_database_over_the_network_gets_no_row(
    remote_url: str, database_url: str
) -> None:
    before = dump_of(database_url)
    for arguments in (["--dev"], ["--dev", "--plan"], ["--dev", "--reset", "--yes"]):
        error = refusal(run(remote_url, *arguments, ENVIRONMENT="staging"))
        assert error["code"] == "seed_guard"
        assert name_of(database_url) in error["message"]
        assert remote_url.partition("@")[2].partition(":")[0] in error["message"]
        assert "ENVIRONMENT=staging from environment" in error["message"]
        assert f"dbctl seed allow --name {name_of(database_url)}" in error["hint"]
    assert dump_of(database_url) == before


def test_what_the_refusal_says_lifts_it_and_revoke_restores_it(remote_url: str) -> None:
    hint = refusal(run(remote_url, "--dev"))["hint"]
    command = hint.partition("`dbctl seed ")[2].partition("`")[0].split()
    allowed = run(remote_url, *command)
    assert (allowed.exit_code, allowed.json["verdict"], allowed.json["changed"]) == (
        0,
        "allowed",
        True,
    )
    assert run(remote_url, *command).json["changed"] is False
    assert run(remote_url, "--dev").json["created"] == 6
    assert run(remote_url, "allow", "--revoke").json["verdict"] is None
    assert refusal(run(remote_url, "--dev"))["code"] == "seed_guard"


def test_the_name_has_to_be_that_of_the_database(remote_url: str, database_url: str) -> None:
    before = dump_of(database_url)
    refusal(run(remote_url, "allow", "--name", "another"))
    assert refusal(run(remote_url, "allow"))["code"] == "confirmation_required"
    assert dump_of(database_url) == before


@pytest.mark.parametrize(("typed", "code", "marked"), [("{}", 0, True), ("yes", 5, False)])
def test_a_person_is_asked_for_the_name(
    remote_url: str, database_url: str, typed: str, code: int, marked: bool
) -> None:
    env = {"DATABASE_URL": remote_url}
    with Terminal("seed", "allow", env=env, cwd=ROOT) as terminal:
        terminal.wait_for("Type the name of the database")
        terminal.type(f"{typed.format(name_of(database_url))}\r")
        assert terminal.finish() == code
    is_marked = fetch(database_url, "select to_regclass('dbctl.dbctl_seed_marker') is not null")
    assert is_marked == [marked]
    assert not marked or run(remote_url, "--dev").json["created"] == 6


def test_a_copy_of_an_allowed_database_is_not_allowed(
    remote: Remote, server: TestServer, database_url: str
) -> None:
    run(remote.url_of(database_url), "allow", "--name", name_of(database_url))
    with server.database(name_of(database_url)) as copy:
        assert fetch(copy, "select verdict from dbctl.dbctl_seed_marker") == ["allowed"]
        assert refusal(run(remote.url_of(copy), "--dev"))["code"] == "seed_guard"
    execute(database_url, "update dbctl.dbctl_seed_marker set system_identifier = 1")
    assert refusal(run(remote.url_of(database_url), "--dev"))["code"] == "seed_guard"


def test_a_forbidden_database_gets_no_row_even_on_this_machine(database_url: str) -> None:
    done = run(database_url, "forbid", DBCTL_ACTOR="ada")
    assert (done.exit_code, done.json["marked_by"]) == (0, "ada")
    before = dump_of(database_url)
    error = refusal(run(database_url, "--dev"))
    assert error["code"] == "seed_guard"
    assert "marked so by ada" in error["message"]
    assert refusal(run(database_url, "allow", "--name", name_of(database_url)))["code"] == (
        "seed_guard"
    )
    assert dump_of(database_url) == before
    name = name_of(database_url)
    assert refusal(run(database_url, "forbid", "--revoke", "--name", "x"))
    assert run(database_url, "forbid", "--revoke", "--name", name).json["changed"] is True
    assert run(database_url, "--dev").json["created"] == 6


def test_a_copy_of_a_forbidden_database_is_forbidden(server: TestServer, database_url: str) -> None:
    run(database_url, "forbid")
    with server.database(name_of(database_url)) as copy:
        assert refusal(run(copy, "--dev"))["code"] == "seed_guard"


def test_a_mark_counts_in_whichever_schema_it_is(database_url: str) -> None:
    run(database_url, "forbid")
    execute(
        database_url, "create schema kept", "alter table dbctl.dbctl_seed_marker set schema kept"
    )
    assert refusal(run(database_url, "--dev"))["code"] == "seed_guard"


@pytest.mark.parametrize("made", ["as select 1 as x", "as select 'perhaps' as verdict"])
def test_a_mark_that_cannot_be_understood_is_refused(database_url: str, made: str) -> None:
    execute(database_url, f"create table dbctl_seed_marker {made}")
    before = dump_of(database_url)
    for arguments in (["--dev"], ["forbid"], ["allow", "--name", name_of(database_url)]):
        error = refusal(run(database_url, *arguments))
        assert error["code"] == "seed_guard"
        assert '"public"."dbctl_seed_marker" holds what is no mark' in error["message"]
    assert dump_of(database_url) == before


def test_production_is_refused_before_anything_connects(database_url: str) -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    for arguments in (["--dev"], ["allow", "--name", "nothing"], ["forbid", "--revoke"]):
        error = refusal(run(nowhere, *arguments, ENVIRONMENT="production"))
        assert error["code"] == "production_guard"
        assert "ENVIRONMENT=production from environment" in error["message"]
    done = run(database_url, "forbid", ENVIRONMENT="production")
    assert done.json["verdict"] == "forbidden"


def test_a_role_that_may_not_read_the_mark_is_refused(database_url: str) -> None:
    run(database_url, "forbid")
    role = f"blind_{name_of(database_url)}"
    execute(
        database_url,
        f"create role {role} login",
        "revoke all on dbctl.dbctl_seed_marker from public",
        f"grant select, insert on alembic_version, users, tasks to {role}",
    )
    try:
        blind = database_url.replace("//postgres@", f"//{role}@")
        error = refusal(run(blind, "--dev"))
        assert error["code"] == "seed_guard"
        assert "cannot be read" in error["message"]
        # Another that may not make the table is told what it lacks.
        execute(database_url, "drop table dbctl.dbctl_seed_marker")
        done = run(blind, "forbid")
        assert (done.exit_code, "GRANT USAGE, CREATE ON SCHEMA" in done.json["error"]["hint"]) == (
            4,
            True,
        )
    finally:
        execute(database_url, f"drop owned by {role}", f"drop role {role}")


def test_the_marks_are_no_drift_and_fill_no_database(database_url: str, empty_url: str) -> None:
    run(database_url, "--dev")
    run(database_url, "forbid")
    assert fetch(database_url, "select count(*) from dbctl.dbctl_seeds") == [1]
    done = invoke("migrate", "check", "--json", env={"DATABASE_URL": database_url})
    assert (done.exit_code, done.json["differences"]) == (0, [])
    run(empty_url, "forbid")
    status = invoke("migrate", "status", "--json", env={"DATABASE_URL": empty_url})
    assert status.json["state"] == "empty"


def test_a_mark_is_told_to_people_in_words(database_url: str) -> None:
    env = {"DATABASE_URL": database_url}
    told = invoke("seed", "forbid", env=env).stdout
    assert f"{name_of(database_url)}: seeds are never written there (by " in told
    csv = invoke("seed", "forbid", "--format", "csv", env=env).stdout
    assert csv.splitlines()[0] == "database,name,verdict,changed,marked_by,marked_at"
    assert json.loads(run(database_url, "forbid").stdout)["changed"] is False
