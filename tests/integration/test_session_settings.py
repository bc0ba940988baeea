"""Each revision starts from the settings that the session had before the one before it."""

from pathlib import Path

import pytest

from tests.support.databases import execute, fetch
from tests.support.foreign import Driver
from tests.support.project import Project

# What a revision may leave behind, by the setting that the next one must not find.
LEFT = {
    "search_path": "select set_config('search_path', '', false)",
    "role": "set role settings_other",
    "session_authorization": "set session authorization settings_other",
    "lock_timeout": "set lock_timeout = '17s'",
    "default_transaction_read_only": "set default_transaction_read_only = on",
    "row_security": "set row_security = off",
    "session_replication_role": "set session_replication_role = replica",
    "check_function_bodies": "set check_function_bodies = off",
    "timezone": "set timezone to 'Asia/Tokyo'",
    "statement_timeout": "do $$ begin perform set_config('statement_timeout', '9s', false); end $$",
}


@pytest.fixture
def other_role(empty_url: str) -> object:
    execute(empty_url, "create role settings_other")
    try:
        yield
    finally:
        execute(empty_url, "drop role settings_other")


@pytest.mark.usefixtures("other_role")
@pytest.mark.parametrize(
    "driver", [None, Driver.ASYNCPG, Driver.PSYCOPG, Driver.PSYCOPG2], ids=lambda d: d or "shipped"
)
def test_revision_settings_of_the_one_before_are_gone(
    empty_url: str, tmp_path: Path, driver: Driver | None
) -> None:
    found = ", ".join(f"current_setting('{name}') as \"{name}\"" for name in LEFT)
    project = Project.create(
        tmp_path,
        empty_url,
        f"create table before as select {found}",
        "create table unqualified (id int)",
        driver=driver,
    )
    last = 2
    for statement in LEFT.values():
        project.add_revision(f"r{last + 1}", f"op.execute({statement!r})", after=[f"r{last}"])
        create = f"create table after{last} as select {found}"
        project.add_revision(f"r{last + 2}", f"op.execute({create!r})", after=[f"r{last + 1}"])
        last += 2
    done = project.run("migrate", "up", "--json")
    assert (done.exit_code, done.json["after"]) == (0, [f"r{last}"]), done.stderr
    before = fetch(empty_url, "select to_jsonb(before)::text from before")
    for number in range(2, last, 2):
        after = fetch(empty_url, f"select to_jsonb(t)::text from public.after{number} t")
        assert after == before, list(LEFT)[number // 2 - 1]


@pytest.mark.parametrize(
    "body",
    [
        "op.execute(\"select set_config('search_path', '', false)\")\n    raise ValueError",
        "op.execute('select nothing_there')",
    ],
)
def test_revision_failed_after_a_setting_is_told_by_its_own_error(
    empty_url: str, tmp_path: Path, body: str
) -> None:
    project = Project.create(tmp_path, empty_url, "select 1", driver=Driver.PSYCOPG)
    project.add_revision("r2", body, after=["r1"])
    done = project.run("migrate", "up", "--json")
    assert (done.exit_code, done.json["after"]) == (4, ["r1"]), done.stderr
    assert done.json["error"]["code"] == "migration_failed"


@pytest.mark.parametrize("driver", [None, Driver.PSYCOPG], ids=lambda d: d or "shipped")
def test_settings_left_by_an_autocommit_block_are_gone(
    empty_url: str, tmp_path: Path, driver: Driver | None
) -> None:
    """Those are committed, whatever becomes of the revision; its index waits without a limit."""
    project = Project.create(tmp_path, empty_url, "create table item (id int)", driver=driver)
    block = "with op.get_context().autocommit_block():\n        op.execute({!r})"
    for number, statement in (
        (2, "set search_path to pg_catalog"),
        (3, "create index concurrently item_id on item (id)"),
        (4, "create table limits as select current_setting('lock_timeout') as setting"),
    ):
        project.add_revision(f"r{number}", block.format(statement), after=[f"r{number - 1}"])
    limited = "create table limited as select current_setting('lock_timeout') as setting"
    project.add_revision("r5", f"op.execute({limited!r})", after=["r4"])
    done = project.run("migrate", "up", "--json")
    assert (done.exit_code, done.json["after"]) == (0, ["r5"]), done.stderr
    assert fetch(empty_url, "select setting from public.limits") == ["0"]
    assert fetch(empty_url, "select setting from public.limited") == ["2s"]


# What sets something without a word of it in the statement of the revision.
UNSEEN = {
    "function": "op.execute('select sets()')",
    "cursor": "op.get_bind().connection.cursor().execute('select sets()')",
    "definition": "op.execute('create table made as select count(*) from sets()')",
    "several": "op.execute('create table first (); select sets()')",
    "event trigger": "op.execute('create table triggering (id int)')",
}


@pytest.mark.parametrize("driver", [Driver.ASYNCPG, Driver.PSYCOPG], ids=str)
def test_settings_left_by_code_of_the_database_are_gone(
    empty_url: str, tmp_path: Path, driver: Driver
) -> None:
    project = Project.create(
        tmp_path,
        empty_url,
        "create function sets() returns void language sql begin atomic"
        " select set_config('timezone', 'Asia/Tokyo', false);"
        " select set_config('search_path', 'pg_temp', false); end",
        "create function fires() returns event_trigger language plpgsql as $$ begin"
        " if not exists (select from pg_event_trigger_ddl_commands() c"
        " where c.object_identity = 'public.triggering') then return; end if;"
        " perform set_config('timezone', 'Asia/Tokyo', false); end $$",
        "create event trigger fires on ddl_command_end execute function fires()",
        driver=driver,
    )
    last = 3
    for body in UNSEEN.values():
        project.add_revision(f"r{last + 1}", body, after=[f"r{last}"])
        found = f"create table after{last} as select current_setting('timezone') as zone"
        project.add_revision(f"r{last + 2}", f"op.execute({found!r})", after=[f"r{last + 1}"])
        last += 2
    done = project.run("migrate", "up", "--json")
    assert (done.exit_code, done.json["after"]) == (0, [f"r{last}"]), done.stderr
    for number in range(3, last, 2):
        assert fetch(empty_url, f"select zone from public.after{number}") != ["Asia/Tokyo"]
