"""Constants that may be secrets: in statements of others, and in definitions of masked columns."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.cli import Finished, invoke
from tests.support.databases import TestServer, execute, holding

SECRETS = ("hunter", "31415")
TABLES = (
    "CREATE DOMAIN code AS text CHECK (VALUE <> 'hunter-domain')",
    "CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "CREATE TABLE logins (id int, kind text DEFAULT 'shown-default',"
    " password text DEFAULT 'hunter-default' CHECK (password <> 'hunter-check'),"
    " api_token code, size int CHECK (size < 1000), otp int CHECK (otp <> 31415),"
    " CHECK (kind <> 'shown-check')) PARTITION BY LIST (password)",
    "CREATE TABLE logins_a PARTITION OF logins FOR VALUES IN ('hunter-bound')",
    "CREATE INDEX of_some ON logins (id) WHERE password = 'hunter-index'",
    "CREATE INDEX of_others ON logins ((password || 'hunter-key'))",
    "CREATE INDEX of_plain ON logins (id) WHERE kind = 'shown-index'",
    "CREATE STATISTICS both_of ON (password || 'hunter-statistics'), id FROM logins_a",
    "ALTER TABLE logins ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY own ON logins USING (password = 'hunter-policy' AND kind = 'x')",
    "CREATE TRIGGER seen AFTER UPDATE ON logins FOR EACH ROW"
    " WHEN (NEW.password = 'hunter-trigger') EXECUTE FUNCTION noted('hunter-argument')",
    "CREATE VIEW few AS SELECT id, kind FROM logins WHERE password = 'hunter-view'",
    "CREATE RULE also AS ON INSERT TO logins_a WHERE NEW.password = 'hunter-rule' DO NOTHING",
    "CREATE VIEW many AS SELECT id FROM logins WHERE kind = 'shown-view'",
)


@pytest.fixture(scope="module")
def url(server: TestServer) -> Iterator[str]:
    """A database whose definitions hold values of masked columns."""
    with server.database() as url:
        execute(url, *TABLES)
        yield url


def inspected(url: str, *arguments: str, **env: str) -> Finished:
    done = invoke("inspect", *arguments, env={"DATABASE_URL": url} | env)
    assert done.exit_code == 0, done.stderr
    return done


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (("table", "logins"), ("shown-default", "shown-check", "shown-index", "1000")),
        (("table", "logins", "--json"), ("shown-default", "shown-check", "shown-index", "1000")),
        (("table", "logins_a", "--json"), ("shown-default",)),
        (("table", "few", "--json"), ("SELECT",)),
        (("table", "many", "--json"), ("shown-view",)),
        (("table", "logins", "--ddl"), ("shown-default", "shown-check", "shown-index", "1000")),
        (("table", "logins_a", "--ddl"), ("shown-default",)),
        (("table", "few", "--ddl"), ("CREATE VIEW",)),
        (("indexes", "--json"), ("shown-index",)),
    ],
    ids=lambda value: " ".join(value),
)
def test_definitions_show_no_constants_of_masked_columns(
    url: str, arguments: tuple[str, ...], shown: tuple[str, ...]
) -> None:
    masked = inspected(url, *arguments).stdout
    assert not [secret for secret in SECRETS if secret in masked]
    assert not [text for text in shown if text not in masked]
    if arguments != ("table", "many", "--json"):
        assert "hunter" in inspected(url, *arguments, "--reveal").stdout
        assert ("…" in masked) or ("\\u2026" in masked)


def test_ddl_says_that_constants_are_left_out(url: str) -> None:
    assert "--reveal writes them" in inspected(url, "table", "logins", "--ddl").stdout
    for arguments in (("logins", "--reveal"), ("many",)):
        text = inspected(url, "table", "--ddl", *arguments).stdout
        assert "--reveal writes them" not in text


OTHERS = [
    "SELECT 'hunter' AS password, 31415 AS otp",
    "SELECT E'it\\'s hunter', $$hunter$$",
    "SET app.token = hunter",
    "SELECT 1 /* password='hunter' */",
]


@pytest.mark.parametrize("sql", OTHERS)
@pytest.mark.parametrize("command", ["activity", "locks", "activity --all"])
def test_statements_of_other_sessions_are_shown_without_constants(
    url: str, command: str, sql: str
) -> None:
    with holding(url, "LOCK TABLE logins IN SHARE MODE", sql):
        for format_ in ("--json", "--format=table", "--format=csv"):
            done = inspected(url, *command.split(), format_)
            assert not [secret for secret in SECRETS if secret in done.stdout]
        masked = inspected(url, *command.split(), "--json").stdout
        revealed = inspected(url, *command.split(), "--json", "--reveal").stdout
    begin = sql.split()[0]
    assert begin in masked
    assert "hunter" in revealed


@pytest.mark.parametrize("command", ["activity", "locks", "table logins", "indexes"])
def test_constants_are_not_revealed_in_production_unless_allowed(url: str, command: str) -> None:
    env = {"DATABASE_URL": url, "ENVIRONMENT": "production"}
    done = invoke("inspect", *command.split(), "--reveal", "--json", env=env)
    assert (done.exit_code, done.json["error"]["code"]) == (5, "production_guard")
    allowed = invoke("inspect", *command.split(), "--reveal", "--allow-production", env=env)
    assert allowed.exit_code == 0


def test_foreign_tables_show_no_secret_of_their_options(empty_url: str) -> None:
    execute(
        empty_url,
        "CREATE FOREIGN DATA WRAPPER loose",
        "CREATE SERVER loose FOREIGN DATA WRAPPER loose",
        "CREATE FOREIGN TABLE f (id int) SERVER loose"
        " OPTIONS (api_key 'hunter', place 'shown-option')",
    )
    text = inspected(empty_url, "table", "f", "--ddl").stdout
    assert "hunter" not in text
    assert "shown-option" in text
    described = json.loads(inspected(empty_url, "table", "f", "--json").stdout)
    assert described["name"] == "f"
