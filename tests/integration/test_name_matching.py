"""Tables, schemas and settings are found by name whatever collation the database has."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import invoke
from tests.support.databases import TestServer, execute, fetch
from tests.support.health import statuses_of

COLLATIONS = ("c", "turkish", "turkish_icu")
TABLES = (
    'CREATE SCHEMA "Übung"',
    'CREATE TABLE "Items" (id int PRIMARY KEY, "IDX" text)',
    'CREATE TABLE "Ärger" (id int PRIMARY KEY, "Größe" text)',
    'CREATE TABLE "Übung"."İlk" (id int PRIMARY KEY)',
    'CREATE TABLE "Übung".info (id int PRIMARY KEY)',
    """INSERT INTO "Items" VALUES (1, 'i')""",
    """INSERT INTO "Ärger" VALUES (2, 'groß')""",
)


@pytest.fixture(scope="module")
def named(locale_server: TestServer) -> Iterator[TestServer]:
    """The server with the same tables in a database of each collation."""
    for database in COLLATIONS:
        locale_server.execute(*TABLES, database=database)
    yield locale_server
    for database in COLLATIONS:
        locale_server.execute(
            'DROP TABLE "Items", "Ärger"', 'DROP SCHEMA "Übung" CASCADE', database=database
        )


@pytest.mark.parametrize("database", COLLATIONS)
@pytest.mark.parametrize(
    ("typed", "label"),
    [
        ("Items", 'public."Items"'),
        ('"Items"', 'public."Items"'),
        ("items", 'public."Items"'),
        ("ITEMS", 'public."Items"'),
        ("Ärger", 'public."Ärger"'),
        ('"Ärger"', 'public."Ärger"'),
        ("ärger", 'public."Ärger"'),
        ('public."Ärger"', 'public."Ärger"'),
        ("İlk", '"Übung"."İlk"'),
        ('Übung."İlk"', '"Übung"."İlk"'),
        ("INFO", '"Übung".info'),
        ("Übung.INFO", '"Übung".info'),
    ],
)
def test_table_in_any_collation_is_found_by_name(
    named: TestServer, database: str, typed: str, label: str
) -> None:
    done = invoke("inspect", "rows", typed, "--json", env={"DATABASE_URL": named.url_of(database)})
    assert done.exit_code == 0, done
    assert done.json["table"] == label


@pytest.mark.parametrize("database", COLLATIONS)
@pytest.mark.parametrize(
    "arguments",
    [
        ("table", "Ärger"),
        ("table", "Items", "--ddl"),
        ("row", "Ärger", "2"),
        ("row", "Items", "1"),
        ("rows", "Ärger", "Größe=groß"),
        ("rows", "Items", "idx=i", "--order", "Idx:desc"),
        ("tables", "--schema", "Übung"),
        ("indexes", "--schema", "Übung"),
        ("diagram", "Ärger", "Items"),
    ],
)
def test_inspect_in_any_collation_takes_the_name(
    named: TestServer, database: str, arguments: tuple[str, ...]
) -> None:
    done = invoke("inspect", *arguments, env={"DATABASE_URL": named.url_of(database)})
    assert done.exit_code == 0, done


@pytest.mark.parametrize("database", COLLATIONS)
def test_seed_in_any_collation_takes_the_name(named: TestServer, database: str) -> None:
    url = named.url_of(database)
    arguments = ("seed", "generate", "Items=2", "Ärger=2", "--start", "10")
    done = invoke(*arguments, env={"DATABASE_URL": url})
    assert done.exit_code == 0, done
    assert fetch(url, 'select count(*) from "Items", "Ärger"') == [9]
    execute(url, 'DELETE FROM "Items" WHERE id <> 1', 'DELETE FROM "Ärger" WHERE id <> 2')


@pytest.mark.parametrize("database", COLLATIONS)
def test_name_in_any_collation_exact_match_wins(named: TestServer, database: str) -> None:
    url = named.url_of(database)
    execute(url, "CREATE TABLE items (id int PRIMARY KEY)")
    try:
        for typed, label in (("items", "public.items"), ('"Items"', 'public."Items"')):
            done = invoke("inspect", "rows", typed, "--json", env={"DATABASE_URL": url})
            assert done.json["table"] == label
    finally:
        execute(url, "DROP TABLE items")


@pytest.mark.parametrize("database", COLLATIONS)
def test_setting_in_any_collation_is_found_by_name(
    named: TestServer, database: str, tmp_path: Path
) -> None:
    """IntervalStyle has a capital whose lower case is another letter in Turkish."""
    (tmp_path / "pyproject.toml").write_text(
        "[tool.dbctl.health.settings]\nintervalstyle = 'postgres'\n"
    )
    env = {"DATABASE_URL": named.url_of(database)}
    done = invoke("health", "--only", "settings", "--json", env=env, cwd=tmp_path)
    assert statuses_of(done.json)["settings"] == "pass", done


def test_table_on_the_embedded_server_is_found_by_name(empty_url: str) -> None:
    execute(empty_url, *TABLES)
    for typed in ("Ärger", '"Ärger"', "Items", "Übung.İlk"):
        done = invoke("inspect", "rows", typed, env={"DATABASE_URL": empty_url})
        assert done.exit_code == 0, done
