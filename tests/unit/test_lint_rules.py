"""The rules of dbctl's own, each on the statements that break it and on those beside them."""

import re
from pathlib import Path

import pytest

from dbctl.migrate.lint_rules import NAMES, breaches, facts_of
from dbctl.migrate.offline import Statement
from dbctl.migrate.plan_results import Kind

DOCS = Path(__file__).parents[2] / "docs" / "migrate.md"


def rules_broken(*texts: str, transactional: bool = True) -> list[str]:
    """Return the rules that the last of the statements breaks."""
    rendered = [Statement(text, Kind.REVISION, 1, transactional) for text in texts]
    *_, last = facts_of(rendered)
    return [breach.rule for breach in breaches(last)]


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("CLUSTER team USING i", "table-rewrite"),
        ("ALTER TABLE team SET LOGGED", "table-rewrite"),
        ("ALTER TABLE team SET TABLESPACE fast", "table-rewrite"),
        ("ALTER TABLE team SET ACCESS METHOD columnar", "table-rewrite"),
        ("ALTER INDEX i SET TABLESPACE fast", "table-rewrite"),
        ("ALTER TABLE team ADD COLUMN n bigserial", "table-rewrite"),
        ("ALTER TABLE team ALTER n SET EXPRESSION AS (a + 1)", "table-rewrite"),
        ("ALTER TABLE team ADD COLUMN n bigint CHECK (n > 0)", "table-scan"),
        ("ALTER TABLE team ATTACH PARTITION p FOR VALUES FROM (1) TO (2)", "table-scan"),
        ("CREATE TABLE p PARTITION OF team DEFAULT", "table-scan"),
        ("REFRESH MATERIALIZED VIEW m", "refresh-without-concurrently"),
        ("LOCK team IN SHARE MODE", "lock-table"),
        ("UPDATE team SET a = 1", "change-without-where"),
        ("DELETE FROM team USING b", "change-without-where"),
        ("TRUNCATE team", "truncate"),
        ("ALTER TABLE team DISABLE TRIGGER t", "disabled-trigger"),
        (
            "CREATE CONSTRAINT TRIGGER t AFTER INSERT ON team EXECUTE FUNCTION f()",
            "trigger-changed",
        ),
        ("DROP TRIGGER t ON team", "trigger-changed"),
        ("ALTER TABLE team ENABLE ROW LEVEL SECURITY", "row-security"),
        ("ALTER TABLE team DISABLE ROW LEVEL SECURITY", "row-security"),
        ("ALTER TYPE pair ADD ATTRIBUTE c int CASCADE", "composite-type-changed"),
        ("INSERT INTO a SELECT * FROM b", "copied-rows"),
        ("CREATE TABLE n AS SELECT * FROM b", "copied-rows"),
        ("SELECT * INTO n FROM b", "copied-rows"),
        ("CREATE TABLE n (id bigint, a bigint REFERENCES team)", "referenced-table-locked"),
        ("DO $$ BEGIN DROP TABLE a; END $$", "not-analysed"),
        ("SELECT f()", "not-analysed"),
        ("DROP OWNED BY a", "drop-owned"),
        ("VACUUM FULL team", "refused-in-transaction"),
        ("DROP INDEX CONCURRENTLY i", "refused-in-transaction"),
        ("REINDEX TABLE CONCURRENTLY team", "refused-in-transaction"),
        ("ALTER TABLE team DETACH PARTITION p CONCURRENTLY", "refused-in-transaction"),
        ("SET lock_timeout = 0", "lock-timeout-lifted"),
        ("SET LOCAL lock_timeout TO '0'", "lock-timeout-lifted"),
        ("CREATE INDEX ON team (a, b, c, (lower(d)))", "index-of-many-columns"),
        ("CREATE RULE r AS ON INSERT TO team DO NOTHING", "rule-created"),
        ("ALTER TABLE team REPLICA IDENTITY FULL", "replica-identity-full"),
        ("CREATE TABLE n (id bigint, a json)", "prefer-jsonb"),
        ("ALTER TABLE team ADD a json[]", "prefer-jsonb"),
        ("ALTER TABLE team ALTER a TYPE money", "ban-money-field"),
        ("ALTER TABLE team ADD COLUMN a time(3) with time zone", "ban-timetz-field"),
    ],
)
def test_lint_rule_statement_that_breaks_it_is_found(sql: str, rule: str) -> None:
    assert rule in rules_broken(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE team ADD COLUMN a bigint",
        "ALTER TABLE team ADD COLUMN a mood DEFAULT 'ok'",
        "ALTER TABLE team ADD CONSTRAINT c CHECK (a > 0) NOT VALID",
        "ALTER TABLE team SET (fillfactor = 50)",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY m",
        "LOCK team IN ACCESS SHARE MODE",
        "UPDATE team SET a = 1 WHERE id = 1",
        "TRUNCATE team CASCADE",
        "INSERT INTO a VALUES (1)",
        "CREATE TABLE n (id bigint, a jsonb, b text DEFAULT 'money json')",
        "CREATE VIEW v AS SELECT * FROM team",
        "SET lock_timeout = '5s'",
        "CREATE UNIQUE INDEX ON team (a, b, c, d)",
        "CREATE INDEX ON team (a, b, c)",
        "SELECT 1",
        "COMMENT ON TABLE team IS 'json money serial'",
    ],
)
def test_lint_rule_statement_beside_it_is_not_found(sql: str) -> None:
    assert rules_broken(sql) == []


@pytest.mark.parametrize("sql", ["VACUUM FULL team", "REINDEX INDEX CONCURRENTLY i", "VACUUM"])
def test_lint_rule_statement_outside_a_transaction_is_not_refused(sql: str) -> None:
    assert "refused-in-transaction" not in rules_broken(sql, transactional=False)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE n SET a = 1",
        "TRUNCATE n",
        "ALTER TABLE n ADD COLUMN b bigserial",
        "CLUSTER n USING i",
        "CREATE TRIGGER t BEFORE INSERT ON n EXECUTE FUNCTION f()",
        "CREATE TABLE m (n_id bigint REFERENCES n)",
    ],
)
def test_lint_rule_table_of_the_same_revision_is_not_found(sql: str) -> None:
    assert rules_broken("CREATE TABLE n (a bigint)", sql) == []


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO team (mood) VALUES ('new')",
        "UPDATE team SET mood = 'new'::mood WHERE id = 1",
        "ALTER TABLE team ALTER mood SET DEFAULT 'new'",
        "CREATE INDEX ON team (id) WHERE mood = 'new'",
    ],
)
def test_lint_rule_enum_value_used_in_its_transaction_is_found(sql: str) -> None:
    rule = "enum-value-used-too-early"
    add = "ALTER TYPE mood ADD VALUE IF NOT EXISTS 'new' BEFORE 'ok'"
    assert rule in rules_broken(add, sql)
    assert rule in rules_broken(f"{add}; {sql}")
    assert rule not in rules_broken(add, sql.replace("'new'", "'ok'"))
    assert rule not in rules_broken("CREATE TYPE mood AS ENUM ('ok')", add, sql)
    assert rule not in rules_broken(add, sql, transactional=False)


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        ("ALTER TABLE a ADD b int", "UPDATE a SET b = 1 WHERE id = 1", "work-after-exclusive-lock"),
        ("DROP TABLE a", "CREATE INDEX ON b (c)", "work-after-exclusive-lock"),
        ("ALTER TABLE a ADD b int", "INSERT INTO c VALUES (1)", "work-after-exclusive-lock"),
        ("ALTER TABLE a ADD b int", "ALTER TABLE c ADD d int", "several-tables-locked"),
        ("ALTER TABLE a ADD b int", "ALTER TABLE a ADD c int", "several-alters"),
        ("ALTER TABLE a VALIDATE CONSTRAINT c", "UPDATE a SET b = 1 WHERE id = 1", None),
        ("ALTER TABLE a ADD b int", "CREATE TABLE d (id bigint)", None),
        ("ALTER TABLE a ADD b int", "COMMENT ON COLUMN a.b IS 'x'", None),
    ],
)
def test_lint_rule_statement_after_an_exclusive_lock(
    first: str, second: str, found: str | None
) -> None:
    assert rules_broken(first, second) == ([found] if found else [])


def test_lint_rule_next_transaction_begins_without_locks() -> None:
    change = Statement("ALTER TABLE a ADD b int", Kind.REVISION, 1, True)
    fill = Statement("UPDATE a SET b = 1 WHERE id = 1", Kind.REVISION, 2, True)
    commit = Statement("COMMIT", Kind.TRANSACTION, None, True)
    *_, last = facts_of([change, commit, fill])
    assert [*breaches(last)] == []


@pytest.mark.parametrize(
    "before",
    [
        "CREATE TABLE p (LIKE team)",
        "ALTER TABLE p ADD CONSTRAINT c CHECK (id >= 1 AND id < 2)",
    ],
)
def test_lint_rule_partition_that_is_known_to_fit_is_not_read(before: str) -> None:
    attach = "ALTER TABLE team ATTACH PARTITION p FOR VALUES FROM (1) TO (2)"
    assert "table-scan" not in rules_broken(before, attach)


def test_lint_rule_row_security_with_a_policy_is_not_found() -> None:
    enable = "ALTER TABLE team ENABLE ROW LEVEL SECURITY"
    assert "row-security" not in rules_broken("CREATE POLICY p ON team USING (true)", enable)


def test_lint_rules_are_all_in_the_documentation() -> None:
    documented = set(re.findall(r"`([a-z-]+)`", DOCS.read_text()))
    assert documented >= NAMES
