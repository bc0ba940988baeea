"""What is told from the text of a statement alone; that the server agrees is tested elsewhere."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dbctl.migrate.statements import Assessment, LockLevel, Loss, Work, assess
from dbctl.sqltokens import Kind, Token, tokenize, words

AE = LockLevel.ACCESS_EXCLUSIVE
NOTHING = Assessment()


def texts(sql: str) -> list[str]:
    return [token.text for token in tokenize(sql)]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("a--b\n/* c /* d */ e */f", ["a", "f"]),
        ("a /* never closed /* at */ all", ["a"]),
        ("a<--b\n<", ["a", "<", "<"]),
        ("1.5e-3 .5 0x1F 1_000", ["1.5e-3", ".5", "0x1F", "1_000"]),
        ("$1 a$b$c", ["$", "1", "a$b$c"]),
        ("a::b[1]", ["a", "::", "b", "[", "1", "]"]),
        ("ÄÖÅ SELECT", ["ÄÖÅ", "select"]),
        ("a\u00a0b", ["a\u00a0b"]),
    ],
)
def test_text_is_cut_up_as_by_the_server(sql: str, expected: list[str]) -> None:
    assert texts(sql) == expected


@pytest.mark.parametrize(
    "string",
    [
        "'it''s'",
        r"'a\'",
        r"E'it\'s -- '",
        "e'a''b'",
        "U&'d'",
        "x'1F'",
        "$$ ; 'DROP TABLE a' $$",
        "$é1$ $$ $é$ $é1$",
        "'never closed; DROP TABLE a",
        "$a$ never closed $b$",
        "E'ends in a backslash\\",
    ],
)
def test_a_string_is_one_token_whatever_is_in_it(string: str) -> None:
    assert list(tokenize(string)) == [Token(Kind.STRING, string)]


@pytest.mark.parametrize(
    ("quoted", "name"),
    [
        ('"Drop Table"', "Drop Table"),
        ('"a""b"', 'a"b'),
        (r'U&"d\0061t\+000061\\"', "data\\"),
        ('"never closed', "never closed"),
    ],
)
def test_a_quoted_name_is_never_a_keyword(quoted: str, name: str) -> None:
    assert list(tokenize(quoted)) == [Token(Kind.QUOTED, name)]


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("Users", "users"),
        ('"users"', "users"),
        ('"Users"', '"Users"'),
        ('"user"', '"user"'),
        ('"old"', "old"),
        ('"1st"', '"1st"'),
        ('app . "b.c"', 'app."b.c"'),
        ('"a""b"', '"a""b"'),
        ("/* a */ users -- b", "users"),
    ],
)
def test_a_table_is_named_with_quotes_only_where_it_needs_them(written: str, told: str) -> None:
    assert assess(f"DROP TABLE {written}\n;").locks == ((told, AE),)


def test_the_strongest_of_several_actions_and_the_greatest_work_are_told() -> None:
    told = assess("ALTER TABLE a VALIDATE CONSTRAINT c, ALTER b SET STATISTICS 5")
    assert (told.locks, told.work) == ((("a", LockLevel.SHARE_UPDATE_EXCLUSIVE),), Work.SCAN)
    told = assess("ALTER TABLE a DROP b, ALTER c TYPE text, ADD d int DEFAULT random()")
    assert (told.locks, told.work) == ((("a", AE),), Work.REWRITE)
    assert told.losses == (Loss("a", "b"),)


@pytest.mark.parametrize(
    ("sql", "losses"),
    [
        ("DROP TABLE a, app.b CASCADE", (Loss("a"), Loss("app.b"))),
        ("TRUNCATE ONLY a *, b", (Loss("a"), Loss("b"))),
        ("TRUNCATE a CASCADE", (Loss("a"), Loss("every table that refers to a"))),
        ('ALTER TABLE a DROP IF EXISTS "B"', (Loss("a", '"B"'),)),
        ("ALTER TABLE a DROP CONSTRAINT b", ()),
        ("ALTER TABLE a ALTER b DROP DEFAULT", ()),
        ("DELETE FROM a WHERE id = 1", (Loss("a"),)),
        ("MERGE INTO a USING b ON true WHEN MATCHED THEN DELETE", (Loss("a"),)),
        ("MERGE INTO a USING b ON true WHEN MATCHED THEN DO NOTHING", ()),
        ("DROP SCHEMA app CASCADE", (Loss("every table of app"),)),
        ("DROP SCHEMA app", ()),
        (
            "DROP TYPE mood CASCADE",
            (Loss("every table that uses mood", "its columns of that type"),),
        ),
        ("DROP DATABASE a", (Loss("every table of a"),)),
        ("DROP OWNED BY a", (Loss("every table of a"),)),
        ("DROP INDEX a", ()),
        ("DROP VIEW a", ()),
    ],
)
def test_data_that_is_gone_afterwards_is_told(sql: str, losses: tuple[Loss, ...]) -> None:
    assert assess(sql).losses == losses


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        ("CREATE INDEX i ON a (b)", "i"),
        ("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON ONLY a (b)", "i"),
        ("CREATE INDEX ON a (b)", None),
        ("CREATE INDEX CONCURRENTLY ON a (b)", None),
        ('REINDEX (VERBOSE) INDEX CONCURRENTLY app."I"', 'app."I"'),
        ("REINDEX TABLE a", None),
        ("DROP INDEX i", None),
    ],
)
def test_the_index_that_is_built_is_named(sql: str, index: str | None) -> None:
    assert assess(sql).index == index


@pytest.mark.parametrize(
    "sql",
    [
        "DO $$ BEGIN DROP TABLE a; END $$",
        "CALL f()",
        "SELECT f()",
        "SELECT app.lower('a')",
        "WITH a AS (SELECT f(1)) SELECT * FROM a",
        "SELECT * FROM f(1) AS g (a)",
        "EXPLAIN ANALYZE DELETE FROM a",
        "DROP SCHEMA a CASCADE",
        "ALTER DOMAIN a ADD CHECK (VALUE > 0)",
        "VACUUM",
        "CREATE INDEX i",
        "ALTER TABLE",
        "ALTER TABLE ALL IN TABLESPACE a SET TABLESPACE b",
        "no SQL at all",
    ],
)
def test_what_the_text_does_not_tell_is_admitted(sql: str) -> None:
    assert not assess(sql).known


@pytest.mark.parametrize(
    "sql",
    [
        "",
        " ; -- DROP TABLE a",
        "SET lock_timeout = '5s'",
        "BEGIN",
        "SELECT count(*), lower('DROP TABLE a'), pg_catalog.now() FROM generate_series(1, 2)",
        "SELECT pg_advisory_xact_lock(1)",
        "CREATE TYPE t AS ENUM ('a')",
        "COMMENT ON CONSTRAINT c ON DOMAIN d IS 'x'",
    ],
)
def test_what_touches_no_table_is_told_so(sql: str) -> None:
    assert assess(sql) == NOTHING


@pytest.mark.parametrize(
    "body",
    [
        "BEGIN ATOMIC DELETE FROM a; DELETE FROM b; END",
        "LANGUAGE sql AS $$DELETE FROM a; DELETE FROM b$$",
        "LANGUAGE sql AS $f$ DELETE FROM a WHERE c = ''; DELETE FROM b $f$",
        "LANGUAGE SQL AS 'DELETE FROM a WHERE c = ''x''; DELETE FROM b'",
    ],
)
def test_assess_function_in_sql_locks_its_tables_and_loses_nothing(body: str) -> None:
    told = assess(f"CREATE FUNCTION f() RETURNS void {body}")
    level = LockLevel.ROW_EXCLUSIVE
    assert (told.locks, told.losses, told.work) == ((("a", level), ("b", level)), (), Work.NONE)


@pytest.mark.parametrize("sql", ["COMMIT", "END", "ROLLBACK", "ABORT"])
def test_the_end_of_the_transaction_is_noted(sql: str) -> None:
    assert "ends the transaction" in assess(sql).note
    assert "ends the transaction" not in assess("ROLLBACK TO SAVEPOINT a").note


def test_a_table_made_in_the_same_run_is_not_spoken_of() -> None:
    sql = "ALTER TABLE public.new ADD FOREIGN KEY (a) REFERENCES old (id)"
    assert assess(sql, created=["new"]).locks == (("old", LockLevel.SHARE_ROW_EXCLUSIVE),)
    assert assess(sql, created=["new"]).work is Work.NONE
    assert assess(sql, created=["old"]).locks == (("public.new", LockLevel.SHARE_ROW_EXCLUSIVE),)
    assert assess(sql, created=["old"]).work is Work.SCAN
    assert assess("DROP TABLE new", created=["public.new"]) == NOTHING
    assert assess("UPDATE new SET a = 1", created=["new"]) == NOTHING


@pytest.mark.parametrize(
    ("sql", "creates"),
    [
        ("CREATE TABLE A (id int)", ("a",)),
        ("CREATE UNLOGGED TABLE app.a (id int REFERENCES app.a)", ("app.a",)),
        ("CREATE TABLE IF NOT EXISTS a (id int)", ()),
        ("CREATE MATERIALIZED VIEW a AS SELECT 1", ("a",)),
        ("SELECT 1 INTO TEMP TABLE a", ("a",)),
        ("INSERT INTO a SELECT 1", ()),
        ("CREATE TABLE a (id int); ALTER TABLE a RENAME TO b", ("a", "b")),
        ("ALTER TABLE a RENAME TO b", ()),
        ('CREATE TABLE x."A" (id int); ALTER TABLE x."A" RENAME TO b', ('x."A"', "x.b")),
    ],
)
def test_the_tables_that_are_new_are_named(sql: str, creates: tuple[str, ...]) -> None:
    assert assess(sql).creates == creates


def test_a_table_that_takes_the_place_of_another_does_not_hide_its_loss() -> None:
    told = assess("DROP TABLE a; CREATE TABLE a (id int); CREATE INDEX ON a (id)")
    assert (told.locks, told.losses) == ((("a", AE),), (Loss("a"),))
    assert told.work is Work.NONE


@pytest.mark.parametrize(
    ("default", "work"),
    [
        ("DEFAULT NULL", Work.NONE),
        ("DEFAULT ''::text NOT NULL", Work.NONE),
        ("DEFAULT pg_catalog.now()", Work.NONE),
        ("DEFAULT clock_timestamp()", Work.REWRITE),
        ("DEFAULT gen_random_uuid()", Work.REWRITE),
        ("DEFAULT uuidv7()", Work.REWRITE),
        ("DEFAULT nextval('random')", Work.REWRITE),
        ("DEFAULT f()", Work.MAYBE_REWRITE),
        ("DEFAULT app.now()", Work.MAYBE_REWRITE),
        ('DEFAULT "now"()', Work.NONE),
        ("DEFAULT extensions.uuid_generate_v4()", Work.REWRITE),
        ("DEFAULT coalesce(f(), random()::text)", Work.REWRITE),
        ("REFERENCES b ON DELETE SET DEFAULT", Work.NONE),
        ("NOT NULL", Work.SCAN),
        ("NOT NULL DEFAULT NULL", Work.SCAN),
        ("STORAGE DEFAULT CHECK (x <> 'random()')", Work.SCAN),
    ],
)
def test_a_new_column_costs_what_its_default_and_checks_cost(default: str, work: Work) -> None:
    assert assess(f"ALTER TABLE a ADD COLUMN x text {default}").work is work


@pytest.mark.parametrize(
    ("type_", "work"),
    [
        ("CHARACTER VARYING(10)", Work.NONE),
        ("timestamp(3) without time zone", Work.NONE),
        ("pg_catalog.int4", Work.NONE),
        ("app.int4", Work.MAYBE_REWRITE),
        ("mood", Work.MAYBE_REWRITE),
        ('"Mood"[]', Work.MAYBE_REWRITE),
        ("SERIAL", Work.REWRITE),
    ],
)
def test_a_type_that_may_be_a_domain_may_mean_a_rewrite(type_: str, work: Work) -> None:
    assert assess(f"ALTER TABLE a ADD COLUMN x {type_}").work is work


def test_every_row_or_some_is_told_apart() -> None:
    every, some = assess("UPDATE a SET b = 1"), assess("UPDATE a SET b = 1 WHERE id = 1")
    assert (every.work, some.work) == (Work.SCAN, Work.NONE)
    assert "until COMMIT" in every.note
    assert "until COMMIT" in some.note
    nested = "DELETE FROM a USING (SELECT 1 AS one WHERE true) AS b"
    assert assess(nested).work is Work.SCAN


@pytest.mark.parametrize("level", LockLevel)
def test_a_lock_is_told_by_what_it_keeps_others_from(level: LockLevel) -> None:
    expected = {"ACCESS EXCLUSIVE": "reads and writes"} | dict.fromkeys(
        ("SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE"), "writes"
    )
    assert level.blocks == expected.get(level, "schema changes")
    assert assess(f"LOCK TABLE a IN {level} MODE").locks == (("a", level),)


FRAGMENTS = sorted(
    words(
        """
        ALTER TABLE ADD COLUMN CONSTRAINT DROP CREATE INDEX CONCURRENTLY ON ONLY IF EXISTS NOT NULL
        DEFAULT REFERENCES DETACH ATTACH PARTITION OF SELECT FROM WITH AS INSERT INTO UPDATE DELETE
        USING FOR SET COMMENT VACUUM REINDEX LOCK IN MODE OWNED BY TYPE RENAME TO GRANT COPY MERGE
        ( ) [ ] , ; . * $$ ' " /* */ -- a 1
        """
    )
)


@given(st.text() | st.lists(st.sampled_from(FRAGMENTS)).map(" ".join))
@example("ALTER TABLE a RENAME TO")
@example("COMMENT ON COLUMN")
@example("REINDEX")
def test_any_text_can_be_assessed(sql: str) -> None:
    assert isinstance(assess(sql), Assessment)


@given(st.lists(st.sampled_from(FRAGMENTS)).map(" ".join))
def test_nothing_in_a_string_or_a_comment_is_read(text: str) -> None:
    quoted = text.replace("'", "''")
    comment = text.replace("*/", "").replace("/*", "")
    assert assess(f"COMMENT ON TYPE a IS '{quoted}' /*{comment}*/") == NOTHING
