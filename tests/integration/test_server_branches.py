"""Branches and snapshots of an embedded server: real databases, repositories and processes."""

import asyncio
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from dbctl.db import dsn
from dbctl.db.embedded import EmbeddedServer
from dbctl.db.embedded_branches import database_of
from tests.acceptance.test_completion import bash
from tests.support.cli import Finished, invoke
from tests.support.databases import TestServer, connected, execute, fetch, holding, wait_for
from tests.support.folders import open_folder
from tests.support.processes import Running
from tests.support.project import Project
from tests.support.terminal import Terminal

DATABASES = "select datname from pg_database where datname ~ '^(app|snapshot|dbctl)' order by 1"
BRANCH_PER_GIT_BRANCH = "[tool.dbctl]\nbranch_per_git_branch = true\n"
WAITS_FOR_LOCK = (
    "exists (select from pg_stat_activity where wait_event_type = 'Lock' and query ~ '{}')"
)


@dataclass(frozen=True)
class Embedded:
    """A project whose embedded server runs; what a test makes there is dropped after it."""

    root: Path
    server: EmbeddedServer

    @property
    def environment(self) -> dict[str, str]:
        return {"DBCTL_STATE_DIR": str(self.server.state_dir), "DBCTL_MODELS": "shop.models"}

    def run(self, *arguments: str, **env: str) -> Finished:
        return invoke(*arguments, env=self.environment | env, cwd=self.root)

    def start(self, *arguments: str, **env: str) -> Running:
        return Running(*arguments, env=self.environment | env, cwd=self.root)

    def url_of(self, database: str) -> str:
        return self.server.url_of(database)

    @property
    def databases(self) -> list[str]:
        return fetch(self.url_of("postgres"), DATABASES)

    def in_use(self, **env: str) -> tuple[str, str]:
        """Return the branch in use and what chose it, without connecting."""
        document = self.run("config", "--json", **env).json
        assert (
            f"/{dsn.parse(document['routes'][0]['url'], environ={}).database}?"
            in (document["routes"][1]["url"])
        )
        return document["branch"], document["branch_origin"]


@pytest.fixture(scope="module")
def _embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    root = tmp_path_factory.mktemp("shop")
    Project.create(
        root, "", "create table team (id int primary key)", "create table fan (id int primary key)"
    )
    with open_folder() as folder:
        server = EmbeddedServer(root, state_dir=folder)
        server.ensure_running()
        try:
            yield Embedded(root, server)
        finally:
            server.destroy()


@pytest.fixture
def embedded(_embedded: Embedded) -> Iterator[Embedded]:
    yield _embedded
    for name in ("pyproject.toml", ".gitignore"):
        (_embedded.root / name).unlink(missing_ok=True)
    shutil.rmtree(_embedded.root / ".git", ignore_errors=True)
    (_embedded.server.cluster_dir / "branch").unlink(missing_ok=True)
    for database in _embedded.databases:
        execute(_embedded.url_of("postgres"), f'drop database "{database}" with (force)')
    execute(_embedded.url_of("postgres"), "create database app")


def git(embedded: Embedded, *arguments: str) -> None:
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
    subprocess.run(
        ["git", *identity, *arguments], cwd=embedded.root, check=True, capture_output=True
    )


def test_config_check_looks_at_the_branch_in_use(embedded: Embedded) -> None:
    assert embedded.run("migrate", "up", "r1").exit_code == 0
    assert embedded.run("server", "branch", "next", "--switch").exit_code == 0
    assert embedded.run("migrate", "up").exit_code == 0
    for branch, database, version in (("next", "app_next", "r2"), ("default", "app", "r1")):
        document = embedded.run("config", "--check", "--json", DBCTL_BRANCH=branch).json
        found = {one["subject"]: one["message"] for one in document["checked"]}
        assert document["database"] == f"{database} (embedded)"
        assert f"at {version}," in found["version"]


def test_three_named_databases_and_two_branches_are_migrated_side_by_side(
    embedded: Embedded, server: TestServer
) -> None:
    with server.database() as one, server.database() as two, server.database() as three:
        lines = [f'{name} = "{url}"' for name, url in zip("abc", (one, two, three), strict=True)]
        (embedded.root / "pyproject.toml").write_text(
            "\n".join(["[tool.dbctl.databases]", *lines, ""])
        )
        assert embedded.run("migrate", "up", "r1").exit_code == 0
        for name in ("left", "feature/right"):
            done = embedded.run("server", "branch", name, "--json")
            assert (done.exit_code, done.json["made_from"]) == (0, "default"), done.stderr
        assert embedded.run("migrate", "up", DBCTL_BRANCH="feature/right").exit_code == 0
        assert embedded.run("migrate", "up", "--database", "b").exit_code == 0
        assert embedded.run("migrate", "up", "r1", DBCTL_DATABASE="c").exit_code == 0
        at = {
            name: embedded.run("migrate", "status", "--json", **env).json["current"]
            for name, env in {
                "default": {},
                "left": {"DBCTL_BRANCH": "left"},
                "right": {"DBCTL_BRANCH": "feature/right"},
                "a": {"DBCTL_DATABASE": "a", "DBCTL_BRANCH": "left"},
                "b": {"DBCTL_DATABASE": "b"},
                "c": {"DBCTL_DATABASE": "c"},
            }.items()
        }
    assert at == {
        "default": ["r1"],
        "left": ["r1"],
        "right": ["r2"],
        "a": [],
        "b": ["r2"],
        "c": ["r1"],
    }


def test_branch_is_used_once_it_is_switched_to_and_shown_everywhere(embedded: Embedded) -> None:
    assert embedded.in_use() == ("default", "default")
    assert embedded.run("server", "branch", "next", "--switch").exit_code == 0
    assert embedded.in_use() == ("next", "dbctl server switch")
    status = embedded.run("server", "status", "--json").json
    assert (status["branch"], status["database"]) == ("next", "app_next")
    assert embedded.run("server", "url", "--json").json["url"] == status["url"]
    assert dsn.parse(status["url"], environ={}).database == "app_next"
    listed = {
        one["name"]: one for one in embedded.run("server", "branches", "--json").json["branches"]
    }
    assert [listed[name]["in_use"] for name in ("default", "next")] == [False, True]
    (stored,) = embedded.run("server", "--json").json["servers"]
    assert stored["branches"] == ["default", "next"]
    assert ": default, next\n" in embedded.run("server", COLUMNS="300").stdout
    state = {"DBCTL_STATE_DIR": str(embedded.server.state_dir)}
    assert bash(embedded.root, state, "server", "switch", "n") == ["next"]

    refused = embedded.run("server", "drop", "next", "--yes")
    assert (refused.exit_code, "is in use" in refused.stderr) == (5, True)
    assert embedded.run("server", "switch", "default").exit_code == 0
    asked = embedded.run("server", "drop", "next")
    assert (asked.exit_code, embedded.databases) == (5, ["app", "app_next"])
    assert embedded.run("server", "drop", "next", "--yes").exit_code == 0
    assert embedded.databases == ["app"]
    gone = embedded.run("migrate", "status", "--json", DBCTL_BRANCH="next")
    assert (gone.exit_code, gone.json["error"]["code"]) == (2, "not_found")
    assert embedded.run("server", "drop", "default", "--yes").exit_code == 5


def test_restore_brings_back_all_that_a_snapshot_had_and_keeps_roles(embedded: Embedded) -> None:
    url, outside = embedded.url_of("app"), embedded.url_of("postgres")
    execute(
        outside,
        "create role keeper",
        "create role reader",
        "alter database app owner to keeper",
        "revoke connect on database app from public",
        "grant create on database app to reader with grant option",
        'alter database app set search_path = shop, "Odd, One"',
        "alter role reader in database app set app.tenant = 'it''s'",
    )
    settings = """
        select concat_ws(' ', pg_get_userbyid(datdba),
            (select array_agg(a::text order by a::text) from unnest(datacl) a),
            (select array_agg(setrole::regrole || ' ' || setconfig::text order by setrole)
             from pg_db_role_setting s where s.setdatabase = d.oid))
        from pg_database d where datname = 'app'
    """
    try:
        execute(url, "create schema shop", "create table shop.team as select 7 as id")
        execute(url, "grant select on shop.team to reader")
        before = fetch(outside, settings)
        taken = embedded.run("server", "snapshot", "before/ruin", "--json")
        assert (taken.exit_code, taken.json["branch"]) == (0, "default"), taken.stderr
        again = embedded.run("server", "snapshot", "before/ruin")
        assert (again.exit_code, "already" in again.stderr) == (2, True)
        with pytest.raises(asyncpg.PostgresError):
            execute(embedded.url_of(taken.json["database"]), "select 1")

        execute(url, "drop schema shop cascade", "create role later")
        asked = embedded.run("server", "restore", "before/ruin", "--json")
        assert (asked.exit_code, asked.json["error"]["code"]) == (5, "confirmation_required")
        done = embedded.run("server", "restore", "before/ruin", "--yes", "--json")
        assert (done.exit_code, done.json["branch"]) == (0, "default"), done.stderr
        assert fetch(url, "select id from shop.team") == [7]
        assert fetch(url, "select has_table_privilege('reader', 'shop.team', 'select')") == [True]
        assert fetch(url, "select count(*) from pg_roles where rolname = 'later'") == [1]
        assert fetch(outside, settings) == before
        assert fetch(url, "show search_path") == ['shop, "Odd, One"']
        assert embedded.databases == ["app", taken.json["database"]]
    finally:
        execute(url, "drop owned by reader", "reassign owned by keeper to postgres")
        for database in embedded.databases:
            execute(outside, f'drop database "{database}" with (force)')
        execute(outside, "create database app", "drop role keeper", "drop role reader")
        execute(outside, "drop role if exists later")


def test_snapshots_are_listed_and_forgotten_from_the_oldest_on(embedded: Embedded) -> None:
    for name in ("one", "two", "three"):
        assert embedded.run("server", "snapshot", name).exit_code == 0
    found = embedded.run("server", "snapshots", "--json").json["snapshots"]
    assert [one["name"] for one in found] == ["three", "two", "one"]
    state = {"DBCTL_STATE_DIR": str(embedded.server.state_dir)}
    assert bash(embedded.root, state, "server", "restore", "t") == ["three", "two"]
    assert embedded.run("server", "forget").exit_code == 2
    assert embedded.run("server", "forget", "one").exit_code == 5
    none = embedded.run("server", "forget", "four", "--yes", "--json")
    assert (none.exit_code, none.json["error"]["code"]) == (2, "not_found")
    done = embedded.run("server", "forget", "--keep", "1", "--yes", "--json")
    assert [one["name"] for one in done.json["snapshots"]] == ["two", "one"]
    assert embedded.databases == ["app", "snapshot_three"]
    unnamed = embedded.run("server", "snapshot", "--json")
    assert unnamed.exit_code == 0
    assert embedded.run("server", "restore", unnamed.json["name"], "--yes").exit_code == 0


async def test_database_in_use_is_copied_only_once_its_sessions_may_be_ended(
    embedded: Embedded,
) -> None:
    async with connected(embedded.url_of("app") + "&application_name=shop") as connection:
        pid = connection.get_server_pid()
        for command in ("branch", "snapshot"):
            run = embedded.start("server", command, "other", "--json")
            done = await asyncio.to_thread(run.finish)
            assert (done.exit_code, done.json["error"]["code"]) == (5, "server_in_use")
            assert f"pid {pid} (shop)" in done.json["error"]["message"]
        run = embedded.start("server", "branch", "other", "--end-sessions")
        assert (await asyncio.to_thread(run.finish)).exit_code == 0
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, ConnectionError)):
            await connection.execute("select 1")
    assert await asyncio.to_thread(lambda: embedded.databases) == ["app", "app_other"]


async def test_own_sessions_are_ended_where_a_terminal_says_yes(embedded: Embedded) -> None:
    url = embedded.url_of("app") + "&application_name=dbctl%20health"
    async with connected(url) as connection:
        with Terminal(
            "server", "branch", "other", env=embedded.environment, cwd=embedded.root
        ) as terminal:
            terminal.wait_for("End pid")
            assert "(dbctl health)" in terminal.screen
            terminal.type("y\r")
            assert terminal.finish() == 0
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, ConnectionError)):
            await connection.execute("select 1")
    assert connection.is_closed()


def test_branch_of_git_has_a_database_of_its_own_made_at_the_first_use(
    embedded: Embedded,
) -> None:
    (embedded.root / "pyproject.toml").write_text(BRANCH_PER_GIT_BRANCH)
    assert embedded.in_use() == ("default", "no git repository")
    assert embedded.run("migrate", "up", "r1").exit_code == 0
    git(embedded, "init", "--initial-branch", "main")
    git(embedded, "add", "alembic.ini")
    git(embedded, "commit", "--message", "first")
    assert embedded.in_use() == ("default", "git branch main")

    git(embedded, "switch", "--create", "feature/Fans")
    assert embedded.in_use() == ("feature/Fans", "git branch feature/Fans")
    unmade = embedded.run("config", "--check", "--json").json
    connection = next(one for one in unmade["checked"] if one["subject"] == "connection")
    assert connection["verdict"] == "not_checked"
    assert "feature/Fans" in connection["message"]
    assert embedded.databases == ["app"]  # nothing has used it
    done = embedded.run("migrate", "up", "--json")
    assert (done.exit_code, [step["revision"] for step in done.json["applied"]]) == (0, ["r2"])
    assert "Making the branch feature/Fans" in done.stderr
    assert "Making" not in embedded.run("migrate", "status").stderr

    git(embedded, "switch", "--create", "default")  # of git, and not dbctl's
    with holding(embedded.url_of("app")):
        refused = embedded.run("migrate", "status", "--json")
        assert (refused.exit_code, refused.json["error"]["code"]) == (5, "server_in_use")
        assert "server branch refs/heads/default --end-sessions" in refused.json["error"]["hint"]
    assert embedded.run("migrate", "status", "--json").json["current"] == ["r1"]
    assert len(embedded.databases) == 3
    git(embedded, "switch", "--detach", "main")
    assert embedded.in_use() == ("default", "git, detached HEAD")
    git(embedded, "switch", "feature/Fans")
    assert embedded.run("migrate", "status", "--json").json["current"] == ["r2"]
    refused = embedded.run("server", "switch", "default")
    assert (refused.exit_code, "branch_per_git_branch" in refused.stderr) == (2, True)
    assert embedded.in_use(DBCTL_BRANCH="default")[0] == "default"
    assert embedded.run("server", "drop", "feature/Fans", "--yes").exit_code == 0
    assert embedded.run("migrate", "status", "--json").json["current"] == ["r1"]


def test_git_that_does_not_answer_is_an_error_and_not_the_default_branch(
    embedded: Embedded, tmp_path: Path
) -> None:
    (embedded.root / "pyproject.toml").write_text(BRANCH_PER_GIT_BRANCH)
    (embedded.root / ".git").mkdir()
    nowhere = embedded.run("config", PATH=str(tmp_path))
    assert (nowhere.exit_code, "git is not installed" in nowhere.stderr) == (2, True)
    git(embedded, "init")
    (embedded.root / ".git" / "config").write_text("[core\n")
    broken = embedded.run("config")
    assert (broken.exit_code, "which branch" in broken.stderr) == (2, True)


def test_processes_that_make_the_same_branch_at_once_make_it_once(embedded: Embedded) -> None:
    runs = [embedded.start("server", "branch", "same", "--json") for _ in range(3)]
    done = [run.finish() for run in runs]
    assert sorted(one.exit_code for one in done) == [0, 2, 2], [one.stderr for one in done]
    (embedded.root / "pyproject.toml").write_text(BRANCH_PER_GIT_BRANCH)
    git(embedded, "init", "--initial-branch", "topic")
    runs = [embedded.start("inspect", "tables", "--json") for _ in range(3)]
    assert [run.finish().exit_code for run in runs] == [0, 0, 0]
    assert embedded.databases == ["app", "app_same", "app_topic"]


@pytest.mark.parametrize("command", ["branch other", "restore kept --yes"])
def test_interrupted_copy_leaves_nothing(embedded: Embedded, command: str) -> None:
    outside = embedded.url_of("postgres")
    assert embedded.run("server", "snapshot", "kept").exit_code == 0
    execute(embedded.url_of("app"), "create table later ()")
    with holding(outside, "lock table pg_catalog.pg_shdepend in share mode"):
        run = embedded.start("server", *command.split())
        wait_for(outside, WAITS_FOR_LOCK.format("^create database"))
        run.send_signal(signal.SIGINT)
        assert run.finish().exit_code == 130
    assert embedded.databases == ["app", "snapshot_kept"]
    assert fetch(embedded.url_of("app"), "select to_regclass('later') is not null") == [True]


def test_copy_whose_run_was_killed_is_swept_by_the_next_command(embedded: Embedded) -> None:
    outside = embedded.url_of("postgres")
    with holding(outside, "lock table pg_catalog.pg_shdescription in share mode"):
        run = embedded.start("server", "branch", "other")
        wait_for(outside, WAITS_FOR_LOCK.format("^comment on database"))
        run.send_signal(signal.SIGKILL)
        run.finish()
    wait_for(outside, "not exists (select from pg_stat_activity where query ~ '^comment on')")
    assert embedded.databases == ["app", "dbctl_unfinished_copy"]
    assert embedded.run("server", "branch", "other").exit_code == 0
    assert embedded.databases == ["app", "app_other"]


def test_database_that_dbctl_did_not_make_is_left_alone(embedded: Embedded) -> None:
    execute(embedded.url_of("postgres"), "create database app_mine")
    for command in (["branch", "mine"], ["drop", "mine", "--yes"]):
        done = embedded.run("server", *command)
        assert (done.exit_code, "dbctl did not make" in done.stderr) == (5, True)
    assert embedded.databases == ["app", "app_mine"]


@pytest.mark.parametrize(
    "variables",
    [{"DATABASE_URL": "postgresql://db.example.com/shop"}, {"ENVIRONMENT": "production"}],
    ids=["another database", "production"],
)
def test_commands_for_the_embedded_server_alone_are_refused_elsewhere(
    embedded: Embedded, variables: dict[str, str]
) -> None:
    for command in ("branches", "snapshots"):
        done = embedded.run("server", command, "--json", **variables)
        assert (done.exit_code, done.json["error"]["code"]) == (2, "configuration")


def test_name_of_a_branch_that_cannot_be_used_is_refused(embedded: Embedded) -> None:
    for name in ("", " ", "a\nb", "x" * 201):
        assert embedded.run("server", "branch", name).exit_code == 2
    assert embedded.databases == ["app"]


def test_names_of_databases_are_identifiers_and_differ_where_the_names_do() -> None:
    names = [
        "next",
        "Next",
        "feature/x",
        "feature_x",
        "feature-x",
        "x" * 200,
        "é",
        "-",
        "1",
        "default",
    ]
    names += [database_of("app", name).removeprefix("app_") for name in names]
    made = {name: database_of("app", name) for name in names}
    assert made["next"] == "app_next"
    assert len(set(made.values())) == len(set(names))
    assert all(len(one) <= 63 and one.isidentifier() and one.isascii() for one in made.values())
    assert made["feature/x"] == database_of("app", "feature/x")
