"""What is described of a statement, held against what the server does."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest
import pytest_asyncio

from dbctl.migrate.statements import assess
from dbctl.sqltokens import RESERVED
from tests.support.databases import TestServer, execute
from tests.support.statement_locks import (
    Case,
    Session,
    check,
    connected,
    described,
    mode_name,
    named_locks,
    plain,
    trying,
)

SCHEMA = """
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE SCHEMA app;
CREATE SEQUENCE seq;
CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';

CREATE TABLE parent (id int PRIMARY KEY, name varchar(10), num int, spare int NOT NULL);
ALTER TABLE parent ADD CONSTRAINT num_check CHECK (num > 0) NOT VALID;
CREATE INDEX parent_num ON parent (num);
CREATE TRIGGER act BEFORE INSERT ON parent FOR EACH ROW EXECUTE FUNCTION act();
CREATE POLICY everybody ON parent USING (true);
CREATE PUBLICATION pub FOR TABLE parent;
CREATE TABLE child (id serial PRIMARY KEY, parent_id int REFERENCES parent, later_id int);
ALTER TABLE child ADD CONSTRAINT later FOREIGN KEY (later_id) REFERENCES parent NOT VALID;
CREATE TABLE alone (id int NOT NULL, k int, parent_id int);
CREATE UNIQUE INDEX alone_id ON alone (id);
CREATE TABLE made (
    id int PRIMARY KEY, number int GENERATED ALWAYS AS IDENTITY,
    twice int GENERATED ALWAYS AS (id * 2) STORED, plus positive
);
CREATE RULE nothing AS ON INSERT TO made DO ALSO NOTHING;
CREATE UNLOGGED TABLE fleeting (id int);
CREATE TABLE loose (id int);
CREATE TABLE ancestor (id int);
CREATE TABLE heir () INHERITS (ancestor);
CREATE TABLE "Odd ""Name" ("Col" int, "order" int);
CREATE TABLE app.thing (id int);
CREATE TABLE parted (id int) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (1) TO (10);
CREATE TABLE catching (id int) PARTITION BY RANGE (id);
CREATE TABLE catching_1 PARTITION OF catching FOR VALUES FROM (1) TO (10);
CREATE TABLE catching_default PARTITION OF catching DEFAULT;
CREATE INDEX parted_id ON ONLY parted (id);
CREATE INDEX parted_1_id ON parted_1 (id);
CREATE VIEW seen AS SELECT num FROM parent;
CREATE MATERIALIZED VIEW kept AS SELECT num FROM parent;

INSERT INTO parent SELECT n, n, n, n FROM generate_series(1, 5) AS n;
INSERT INTO child (parent_id, later_id) VALUES (1, 1);
INSERT INTO alone VALUES (1, 1, 1);
INSERT INTO made (id) VALUES (1);
INSERT INTO fleeting VALUES (1);
INSERT INTO loose VALUES (20);
INSERT INTO "Odd ""Name" VALUES (1, 1);
INSERT INTO app.thing VALUES (1);
INSERT INTO parted VALUES (1);
INSERT INTO catching VALUES (1);
REFRESH MATERIALIZED VIEW kept;
CREATE UNIQUE INDEX kept_num ON kept (num);
"""
WAITING = """
SELECT relation::regclass::text, mode FROM pg_locks WHERE locktype = 'relation' AND NOT granted
"""
IN_THE_WAY_OF = {
    "SHARE UPDATE EXCLUSIVE": "SHARE UPDATE EXCLUSIVE",
    "ACCESS EXCLUSIVE": "ACCESS SHARE",
}

CASES = [
    Case("CREATE TABLE n (id int)"),
    Case("CREATE TABLE n AS SELECT * FROM parent"),
    Case("CREATE TABLE n (LIKE parent INCLUDING ALL)"),
    Case("CREATE TABLE n (id int UNIQUE REFERENCES parent (id), boss int REFERENCES n (id))"),
    Case("CREATE TABLE n (a int, FOREIGN KEY (a) REFERENCES parent ON DELETE SET DEFAULT)"),
    Case("CREATE TABLE n (b int) INHERITS (loose, alone)"),
    Case("CREATE TABLE n PARTITION OF parted FOR VALUES FROM (200) TO (300)"),
    Case("CREATE TABLE n PARTITION OF parted DEFAULT"),
    Case(
        "CREATE TABLE n PARTITION OF catching FOR VALUES FROM (200) TO (300)",
    ),
    Case("CREATE TEMPORARY TABLE n ON COMMIT DROP AS "
         "SELECT p.id FROM parent AS p, LATERAL (SELECT p.id) AS x, child"),
    Case("SELECT * INTO n FROM parent"),
    Case("DROP TABLE alone"),
    Case("DROP TABLE IF EXISTS alone, app.thing, \"Odd \"\"Name\" RESTRICT"),
    Case("DROP TABLE child"),
    Case("DROP TABLE parent CASCADE"),
    Case("DROP TABLE parted_1"),
    Case("TRUNCATE alone"),
    Case("TRUNCATE TABLE ONLY loose, alone RESTART IDENTITY"),
    Case("TRUNCATE parent CASCADE"),
    # ALTER TABLE, columns
    Case("ALTER TABLE alone ADD COLUMN x int"),
    Case("alter table public.alone add x numeric(10, 2) default 5 not null;"),
    Case("ALTER TABLE alone ADD COLUMN x uuid DEFAULT gen_random_uuid()"),
    Case("ALTER TABLE alone ADD COLUMN x timestamptz DEFAULT clock_timestamp() NOT NULL"),
    Case("ALTER TABLE alone ADD COLUMN x text DEFAULT upper(md5(random()::text))"),
    Case("ALTER TABLE alone ADD COLUMN x timestamp with time zone DEFAULT now() NOT NULL"),
    Case("ALTER TABLE alone ADD COLUMN x timestamptz(3) DEFAULT CURRENT_TIMESTAMP(3)"),
    Case("ALTER TABLE alone ADD COLUMN x timestamp DEFAULT (timezone('utc', now()))"),
    Case("ALTER TABLE alone ADD COLUMN x bigint DEFAULT nextval('seq')"),
    Case("ALTER TABLE alone ADD COLUMN x bigserial NOT NULL"),
    Case("ALTER TABLE alone ADD COLUMN x int GENERATED BY DEFAULT AS IDENTITY"),
    Case("ALTER TABLE alone ADD COLUMN x int GENERATED ALWAYS AS (id * 2) STORED"),
    Case("ALTER TABLE alone ADD COLUMN x int GENERATED ALWAYS AS (id * 2) VIRTUAL", since=18),
    Case("ALTER TABLE alone ADD COLUMN x positive"),
    Case("ALTER TABLE alone ADD COLUMN x mood DEFAULT 'ok' NOT NULL"),
    Case("ALTER TABLE alone ADD COLUMN x varchar(5)[] DEFAULT '{}'"),
    Case("ALTER TABLE alone ADD COLUMN x double precision DEFAULT 'NaN'::float8"),
    Case("ALTER TABLE alone ADD COLUMN x text COLLATE \"C\" DEFAULT 'clock_timestamp()'"),
    Case("ALTER TABLE alone ADD COLUMN x int REFERENCES parent ON DELETE SET DEFAULT"),
    Case("ALTER TABLE alone ADD COLUMN x int DEFAULT 1 REFERENCES parent"),
    Case("ALTER TABLE alone ADD COLUMN x int CHECK (x > 0)"),
    Case("ALTER TABLE alone ADD COLUMN x int CONSTRAINT once UNIQUE"),
    Case("ALTER TABLE alone ADD COLUMN x serial PRIMARY KEY"),
    Case("ALTER TABLE IF EXISTS ONLY alone ADD COLUMN IF NOT EXISTS x int"),
    Case('ALTER TABLE "Odd ""Name" ADD COLUMN "x, y" int'),
    Case("ALTER TABLE ancestor ADD COLUMN x int"),
    Case("ALTER TABLE alone DROP COLUMN k"),
    Case("ALTER TABLE child DROP parent_id"),
    Case("ALTER TABLE parent ALTER COLUMN name TYPE varchar(20)"),
    Case("ALTER TABLE parent ALTER COLUMN name TYPE varchar(5)"),
    Case("ALTER TABLE parent ALTER name SET DATA TYPE text USING upper(name)"),
    Case("ALTER TABLE child ALTER COLUMN parent_id TYPE bigint"),
    Case("ALTER TABLE parent ALTER COLUMN num SET DEFAULT 4"),
    Case("ALTER TABLE parent ALTER COLUMN num DROP DEFAULT"),
    Case("ALTER TABLE parent ALTER COLUMN num SET NOT NULL"),
    Case("ALTER TABLE parent ALTER spare DROP NOT NULL"),
    Case("ALTER TABLE parent ALTER COLUMN num SET STATISTICS 100"),
    Case("ALTER TABLE parent ALTER COLUMN name SET STORAGE EXTERNAL"),
    Case("ALTER TABLE parent ALTER COLUMN name SET COMPRESSION pglz"),
    Case("ALTER TABLE parent ALTER COLUMN name SET (n_distinct = 5)"),
    Case("ALTER TABLE parent ALTER COLUMN name RESET (n_distinct)"),
    Case("ALTER TABLE parent ALTER COLUMN spare ADD GENERATED ALWAYS AS IDENTITY"),
    Case("ALTER TABLE made ALTER COLUMN number RESTART WITH 50"),
    Case("ALTER TABLE made ALTER COLUMN number DROP IDENTITY"),
    Case("ALTER TABLE made ALTER COLUMN twice DROP EXPRESSION"),
    Case("ALTER TABLE made ALTER COLUMN twice SET EXPRESSION AS (id * 3)", since=17),
    # ALTER TABLE, constraints
    Case("ALTER TABLE parent ADD CHECK (num < 100)"),
    Case("ALTER TABLE parent ADD CONSTRAINT c CHECK (num < 100) NOT VALID"),
    Case("ALTER TABLE parent ADD CONSTRAINT c NOT NULL num", since=18),
    Case("ALTER TABLE parent ADD CONSTRAINT c NOT NULL num NOT VALID", since=18),
    Case("ALTER TABLE alone ADD CONSTRAINT c FOREIGN KEY (parent_id) REFERENCES public.parent"),
    Case("ALTER TABLE alone ADD FOREIGN KEY (parent_id) REFERENCES parent (id) NOT VALID"),
    Case("ALTER TABLE alone ADD FOREIGN KEY (k) REFERENCES parent NOT ENFORCED", since=18),
    Case("ALTER TABLE child ADD CONSTRAINT c FOREIGN KEY (parent_id) REFERENCES child (id)"),
    Case("ALTER TABLE parted ADD FOREIGN KEY (id) REFERENCES parent"),
    Case("ALTER TABLE alone ADD CONSTRAINT c UNIQUE (k)"),
    Case("ALTER TABLE alone ADD CONSTRAINT c UNIQUE USING INDEX alone_id"),
    Case("ALTER TABLE alone ADD PRIMARY KEY (id)"),
    Case("ALTER TABLE alone ADD CONSTRAINT c EXCLUDE USING btree (id WITH =)"),
    Case("ALTER TABLE parent VALIDATE CONSTRAINT num_check"),
    Case("ALTER TABLE child VALIDATE CONSTRAINT later"),
    Case("ALTER TABLE parent DROP CONSTRAINT num_check"),
    Case("ALTER TABLE child DROP CONSTRAINT child_parent_id_fkey"),
    Case("ALTER TABLE child ALTER CONSTRAINT child_parent_id_fkey DEFERRABLE"),
    # ALTER TABLE, the rest
    Case("ALTER TABLE parent RENAME TO renamed"),
    Case("ALTER TABLE alone RENAME COLUMN k TO l"),
    Case("ALTER TABLE parent RENAME CONSTRAINT num_check TO c"),
    Case("ALTER TABLE parent SET SCHEMA app"),
    Case("ALTER TABLE parent OWNER TO somebody"),
    Case("ALTER TABLE alone SET TABLESPACE elsewhere"),
    Case("ALTER TABLE parent SET ACCESS METHOD heap"),
    Case("ALTER TABLE alone SET UNLOGGED"),
    Case("ALTER TABLE fleeting SET LOGGED"),
    Case("ALTER TABLE alone SET (fillfactor = 70, autovacuum_enabled = off)"),
    Case("ALTER TABLE alone SET (user_catalog_table = true)"),
    Case("ALTER TABLE alone RESET (fillfactor)"),
    Case("ALTER TABLE parent CLUSTER ON parent_num"),
    Case("ALTER TABLE parent SET WITHOUT CLUSTER"),
    Case("ALTER TABLE parent DISABLE TRIGGER act"),
    Case("ALTER TABLE parent ENABLE ALWAYS TRIGGER act"),
    Case("ALTER TABLE parent ENABLE REPLICA TRIGGER act"),
    Case("ALTER TABLE made DISABLE RULE nothing"),
    Case("ALTER TABLE parent ENABLE ROW LEVEL SECURITY"),
    Case("ALTER TABLE parent NO FORCE ROW LEVEL SECURITY"),
    Case("ALTER TABLE alone REPLICA IDENTITY USING INDEX alone_id"),
    Case("ALTER TABLE parted ATTACH PARTITION loose FOR VALUES FROM (20) TO (30)"),
    Case(
        "ALTER TABLE catching ATTACH PARTITION loose FOR VALUES FROM (20) TO (30)",
    ),
    Case("ALTER TABLE parted DETACH PARTITION parted_1"),
    Case("ALTER TABLE app.thing INHERIT ancestor"),
    Case("ALTER TABLE heir NO INHERIT ancestor"),
    Case("ALTER TABLE parent ALTER num SET STATISTICS 100, VALIDATE CONSTRAINT num_check"),
    Case("ALTER TABLE alone ADD COLUMN y uuid DEFAULT gen_random_uuid(), DROP COLUMN k"),
    Case("ALTER TABLE alone ADD x int, ADD FOREIGN KEY (parent_id) REFERENCES parent (id)"),
    # Indexes
    Case("CREATE INDEX ON parent (num)"),
    Case("CREATE UNIQUE INDEX IF NOT EXISTS i ON app.thing USING btree (lower(id::text))"),
    Case("CREATE INDEX i ON ONLY parted (id)"),
    Case("CREATE INDEX i ON catching (id)"),
    Case("DROP INDEX parent_num"),
    Case("DROP INDEX IF EXISTS alone_id, public.parent_num"),
    Case("ALTER INDEX parent_num RENAME TO i"),
    Case("ALTER INDEX IF EXISTS parent_num SET (fillfactor = 50)"),
    Case("ALTER INDEX parent_num SET TABLESPACE elsewhere"),
    Case("ALTER INDEX parted_id ATTACH PARTITION parted_1_id"),
    Case("REINDEX INDEX parent_num"),
    Case("REINDEX (VERBOSE, CONCURRENTLY false) TABLE parent"),
    # Types, sequences, views
    Case("CREATE TYPE t AS ENUM ('a')"),
    Case("ALTER TYPE mood ADD VALUE 'new'"),
    Case("DROP TYPE mood"),
    Case("CREATE DOMAIN d AS int CHECK (VALUE > 0)"),
    Case("ALTER DOMAIN positive ADD CONSTRAINT c CHECK (VALUE < 50) NOT VALID"),
    Case("CREATE SEQUENCE s OWNED BY alone.id"),
    Case("ALTER SEQUENCE seq OWNED BY NONE"),
    Case("ALTER SEQUENCE seq OWNED BY public.alone.id"),
    Case("ALTER SEQUENCE seq RENAME TO s"),
    Case("DROP SEQUENCE seq"),
    Case("CREATE VIEW w AS SELECT * FROM parent NATURAL JOIN child"),
    Case("CREATE OR REPLACE VIEW seen AS SELECT num FROM parent WHERE id > 1"),
    Case("ALTER VIEW seen RENAME TO w"),
    Case("DROP VIEW seen"),
    Case("CREATE MATERIALIZED VIEW m AS SELECT id FROM parent WITH NO DATA"),
    Case("REFRESH MATERIALIZED VIEW kept"),
    Case("REFRESH MATERIALIZED VIEW kept WITH NO DATA"),
    Case("REFRESH MATERIALIZED VIEW CONCURRENTLY kept"),
    Case("ALTER MATERIALIZED VIEW kept RENAME TO m"),
    Case("DROP MATERIALIZED VIEW kept"),
    # Triggers, rules, rights, comments
    Case("CREATE TRIGGER t AFTER UPDATE OF num ON parent EXECUTE FUNCTION act()"),
    Case("DROP TRIGGER act ON parent"),
    Case("ALTER TRIGGER act ON parent RENAME TO t"),
    Case("CREATE POLICY p ON parent USING (true)"),
    Case("DROP POLICY everybody ON parent"),
    Case("CREATE OR REPLACE RULE r AS ON DELETE TO alone DO INSTEAD NOTHING"),
    Case("DROP RULE nothing ON made"),
    Case("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END"),
    Case("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT id FROM parent; $$"),
    Case("CREATE SCHEMA s"),
    Case("CREATE EXTENSION IF NOT EXISTS plpgsql"),
    Case("CREATE STATISTICS s ON id, k FROM alone"),
    Case("ALTER PUBLICATION pub ADD TABLE alone"),
    Case("COMMENT ON TABLE parent IS 'DROP TABLE child'"),
    Case("COMMENT ON COLUMN app.thing.id IS NULL"),
    Case("COMMENT ON CONSTRAINT num_check ON parent IS 'c'"),
    Case("COMMENT ON INDEX parent_num IS 'i'"),
    Case("COMMENT ON TYPE mood IS 't'"),
    Case("GRANT SELECT (id), UPDATE ON TABLE parent, child TO somebody", since=18),
    Case("REVOKE ALL ON SCHEMA app FROM somebody"),
    # Queries
    Case("INSERT INTO alone (id) VALUES (2), (3) ON CONFLICT (id) DO UPDATE SET k = 1"),
    Case("INSERT INTO alone (id, k) SELECT num + 9, max(id) FROM parent GROUP BY num"),
    Case("INSERT INTO child (parent_id) VALUES (1)"),
    Case("UPDATE alone SET k = 2"),
    Case("UPDATE ONLY alone AS a SET k = p.num FROM parent p, app.thing WHERE p.id = a.id"),
    Case("UPDATE alone SET k = extract(year FROM now()) WHERE id IN (SELECT id FROM child)"),
    Case("DELETE FROM alone"),
    Case("DELETE FROM alone a USING parent JOIN child USING (id) WHERE parent.id = a.id"),
    Case("DELETE FROM parent WHERE id = 4"),
    Case("WITH gone AS (DELETE FROM alone RETURNING id) INSERT INTO loose SELECT * FROM gone"),
    Case("WITH RECURSIVE a AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM a WHERE n < 3), "
         "b (m) AS MATERIALIZED (SELECT id FROM parent) "
         "UPDATE alone SET k = m FROM a, b WHERE n = m"),
    Case("MERGE INTO alone a USING parent p ON p.id = a.id "
         "WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (p.id)"),
    Case("SELECT 1 FROM alone WHERE id IS DISTINCT FROM k"),
    Case("SELECT count(*) FROM parent LEFT JOIN child ON parent.id = parent_id, alone"),
    Case("SELECT substring('abc' FROM 2 FOR 1), trim(BOTH FROM 'x') FROM generate_series(1, 3)"),
    Case("(SELECT id FROM parent) UNION (SELECT id FROM child)"),
    Case("SELECT * FROM parent FOR UPDATE"),
    Case("SELECT * FROM parent p JOIN child AS c ON true FOR NO KEY UPDATE OF c SKIP LOCKED"),
    Case("SELECT * FROM alone WHERE id IN (SELECT id FROM parent FOR SHARE)"),
    Case("SELECT * FROM seen"),
    Case("SELECT setval('seq', 5)"),
    Case("VALUES (1), (2)"),
    Case("TABLE parent"),
    Case("COPY alone (id) FROM '/dev/null'"),
    Case("COPY (SELECT * FROM parent) TO '/dev/null'"),
    # The rest
    Case("LOCK TABLE parent"),
    Case("LOCK parent, ONLY child IN SHARE ROW EXCLUSIVE MODE NOWAIT"),
    Case("CLUSTER parent USING parent_num"),
    Case("ANALYZE (VERBOSE) parent (id), child"),
    Case("SET LOCAL lock_timeout = 500"),
    Case("/* DROP /* TABLE */ parent */ -- DROP TABLE child\nSELECT 1"),
]  # fmt: skip
# With what undoes it.
NOT_IN_A_TRANSACTION: dict[str, tuple[str, ...]] = {
    "CREATE INDEX CONCURRENTLY i ON alone (k)": ("DROP INDEX i",),
    "DROP INDEX CONCURRENTLY parent_num": ("CREATE INDEX parent_num ON parent (num)",),
    "ALTER TABLE parted DETACH PARTITION parted_1 CONCURRENTLY": (
        "ALTER TABLE parted ATTACH PARTITION parted_1 FOR VALUES FROM (1) TO (10)",
    ),
    "REINDEX INDEX CONCURRENTLY parent_num": (),
    "REINDEX (CONCURRENTLY) TABLE parent": (),
    "REINDEX SCHEMA app": (),
    "VACUUM alone": (),
    "VACUUM FULL alone": (),
    "VACUUM (FULL, ANALYZE) alone": (),
    "VACUUM (FULL false) alone": (),
    "VACUUM": (),
    "CLUSTER": (),
    "ALTER SYSTEM RESET work_mem": (),
    "DISCARD ALL": (),
    "CREATE DATABASE elsewhere TEMPLATE template0": ("DROP DATABASE elsewhere",),
    "DROP DATABASE IF EXISTS nowhere": (),
}


@pytest.fixture(scope="module")
def url(server: TestServer) -> Iterator[str]:
    """The URL of one database for every statement."""
    server.execute("CREATE ROLE somebody")
    server.execute("SET allow_in_place_tablespaces = on", "CREATE TABLESPACE elsewhere LOCATION ''")
    with server.database() as url:
        execute(url, SCHEMA)
        yield url
    server.execute("DROP TABLESPACE elsewhere", "DROP ROLE somebody")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def session(url: str) -> AsyncIterator[Session]:
    """A session on which each statement is tried."""
    async with trying(url, CASES) as session:
        yield session


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.sql)
async def test_the_locks_and_the_work_are_those_of_the_server(session: Session, case: Case) -> None:
    if session.connection.get_server_version().major < case.since:
        pytest.skip(f"this is SQL of PostgreSQL {case.since}")
    await check(session, case)


@pytest.mark.parametrize(("sql", "undo"), NOT_IN_A_TRANSACTION.items())
def test_what_is_told_to_run_on_its_own_does_so_and_not_in_a_transaction(
    url: str, sql: str, undo: tuple[str, ...]
) -> None:
    assert not assess(sql).transactional
    with pytest.raises(asyncpg.ActiveSQLTransactionError):
        execute(url, "BEGIN", sql)
    execute(url, sql, *undo)


@pytest.mark.parametrize("sql", [sql for sql in NOT_IN_A_TRANSACTION if assess(sql).locks])
async def test_what_runs_on_its_own_waits_for_the_lock_that_is_told(url: str, sql: str) -> None:
    async with connected(url) as holder, connected(url) as connection:
        effect = (await described(url, [sql]))[sql]
        table, level = next(iter(named_locks(effect)[0].items()))
        # The weakest lock that is in its way, so that none of its weaker ones has to wait.
        await holder.execute(f"BEGIN; LOCK TABLE {table} IN {IN_THE_WAY_OF[level]} MODE")
        statement = asyncio.create_task(connection.execute(sql))
        while not (waiting := await holder.fetch(WAITING)):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        statement.cancel()
        with pytest.raises(asyncio.CancelledError):
            await statement
    assert [(plain(name), mode_name(mode)) for name, mode in waiting] == [(table, level)]


async def test_the_words_that_need_quotes_are_those_of_the_server(url: str) -> None:
    async with connected(url) as connection:
        query = "SELECT word FROM pg_get_keywords() WHERE catcode IN ('R', 'T')"
        reserved = {each["word"] for each in await connection.fetch(query)}
    assert reserved <= RESERVED
    assert len(RESERVED - reserved) < 5  # those that a later version added
