"""The tables that only the catalogue knows, held against what the server locks."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.support.databases import TestServer, execute
from tests.support.statement_locks import Case, Session, check, trying

SCHEMA = """
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN label AS text;
CREATE SCHEMA app;
CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION steady(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE FUNCTION moody() RETURNS int LANGUAGE plpgsql VOLATILE AS 'BEGIN RETURN 1; END';
CREATE SEQUENCE shared;
-- partitions: two levels, a default, keys both ways, a row trigger, a check
CREATE TABLE region (id int PRIMARY KEY);
CREATE TABLE sale (
    id int NOT NULL, day int NOT NULL, region_id int, amount numeric(10, 2), note varchar(10),
    CONSTRAINT sale_pkey PRIMARY KEY (id, day),
    CONSTRAINT sale_region FOREIGN KEY (region_id) REFERENCES region
) PARTITION BY RANGE (day);
CREATE TABLE sale_1 PARTITION OF sale FOR VALUES FROM (0) TO (10);
CREATE TABLE sale_2 PARTITION OF sale FOR VALUES FROM (10) TO (20) PARTITION BY RANGE (id);
CREATE TABLE sale_2a PARTITION OF sale_2 FOR VALUES FROM (0) TO (100);
CREATE TABLE sale_rest PARTITION OF sale DEFAULT;
ALTER TABLE sale ADD CONSTRAINT sale_amount CHECK (amount > 0);
ALTER TABLE sale ADD CONSTRAINT sale_later CHECK (amount < 100000) NOT VALID;
CREATE INDEX sale_note ON sale (note);
CREATE TRIGGER act BEFORE INSERT ON sale FOR EACH ROW EXECUTE FUNCTION act();
CREATE TRIGGER each_time AFTER INSERT ON sale FOR EACH STATEMENT EXECUTE FUNCTION act();
CREATE TABLE refund (id int PRIMARY KEY, sale_id int, sale_day int,
    CONSTRAINT refund_sale FOREIGN KEY (sale_id, sale_day) REFERENCES sale);
CREATE TABLE sale_new (id int NOT NULL, day int NOT NULL, region_id int, amount numeric(10, 2),
    note varchar(10));
ALTER TABLE sale_new ADD CONSTRAINT sale_amount CHECK (amount > 0);
ALTER TABLE sale_new ADD CONSTRAINT sale_later CHECK (amount < 100000);
-- inheritance
CREATE TABLE animal (id int NOT NULL, name varchar(10), kind mood, weight numeric(6, 2),
    CONSTRAINT animal_weight CHECK (weight > 0));
CREATE TABLE dog (tricks int) INHERITS (animal);
CREATE TABLE puppy () INHERITS (dog);
CREATE TABLE stray (id int NOT NULL, name varchar(10), kind mood, weight numeric(6, 2), tricks
    int, CONSTRAINT animal_weight CHECK (weight > 0));
-- keys
CREATE TABLE owner (id int PRIMARY KEY, code varchar(10) UNIQUE, at timestamp, big positive, born
    date, note text, price numeric(10, 2),
   short char(4), bits varbit(4), at3 timestamp(3), tz timestamptz, labelled label, list
    varchar(10)[], checked varchar(10) CHECK (checked <> ''), seq int DEFAULT nextval('shared'), j
    json, ip cidr, feeling mood,
   twice int GENERATED ALWAYS AS (id * 2) STORED, spoken varchar(10), filled int NOT NULL, proven
    int CHECK (proven IS NOT NULL), span interval(3), flag bit(4));
CREATE INDEX owner_spoken ON owner (spoken);
CREATE INDEX owner_note ON owner (lower(note));
CREATE TABLE car (id int PRIMARY KEY, owner_id int CONSTRAINT car_owner REFERENCES owner,
    owner_code varchar(10) CONSTRAINT car_code REFERENCES owner (code) ON DELETE CASCADE ON UPDATE
    CASCADE, boss int CONSTRAINT car_boss REFERENCES car);
CREATE TABLE wheel (id int PRIMARY KEY, car_id int CONSTRAINT wheel_car REFERENCES car ON DELETE
    SET NULL);
ALTER TABLE wheel ADD later_id int, ADD CONSTRAINT wheel_later FOREIGN KEY (later_id) REFERENCES
    car NOT VALID;
CREATE TABLE shop (id int PRIMARY KEY, n int DEFAULT nextval('shared'), f int DEFAULT steady(1));
CREATE VIEW owners AS SELECT id, born, price FROM owner;
CREATE VIEW richest AS SELECT id FROM owners WHERE price > 5;
CREATE MATERIALIZED VIEW summary AS SELECT count(*) AS n FROM sale;
CREATE UNIQUE INDEX summary_n ON summary (n);
CREATE VIEW animals AS SELECT id FROM animal;
CREATE TABLE logged (id int, what text);
CREATE TABLE ruled (id int);
CREATE RULE also AS ON INSERT TO ruled DO ALSO INSERT INTO logged VALUES (1, 'x');
CREATE TABLE triggered (id int);
CREATE TRIGGER act AFTER INSERT ON triggered FOR EACH ROW EXECUTE FUNCTION act();
CREATE POLICY everybody ON owner USING (id IN (SELECT id FROM shop));
CREATE STATISTICS owner_stats ON id, price FROM owner;
CREATE TABLE app.thing (id int PRIMARY KEY, owner_id int REFERENCES owner);
CREATE VIEW app.things AS SELECT t.id FROM app.thing t JOIN shop USING (id);
CREATE TYPE pair AS (a int, b int);
CREATE TABLE typed OF pair;
CREATE UNLOGGED TABLE fleeting (id int);
CREATE PUBLICATION pub FOR TABLE shop;
INSERT INTO region VALUES (1);
INSERT INTO sale VALUES (1, 1, 1, 1, 'a'), (2, 11, 1, 1, 'a'), (3, 50, 1, 1, 'a');
INSERT INTO refund VALUES (1, 1, 1);
INSERT INTO sale_new VALUES (1, 25, 1, 1, 'a');
INSERT INTO animal VALUES (1, 'a', 'ok', 1);
INSERT INTO dog VALUES (1, 'a', 'ok', 1, 1);
INSERT INTO puppy VALUES (1, 'a', 'ok', 1, 1);
INSERT INTO stray VALUES (1, 'a', 'ok', 1, 1);
INSERT INTO owner (id, code, at, big, born, note, price, checked, spoken, filled, proven, tz)
    VALUES (1, 'a', now(), 1, now(), 'x', 1, 'a', 'a', 1, 1, now());
INSERT INTO car VALUES (1, 1, 'a', 1); INSERT INTO wheel VALUES (1, 1, 1);
INSERT INTO shop VALUES (1);
INSERT INTO app.thing VALUES (1, 1);
INSERT INTO typed VALUES (1, 1);
INSERT INTO fleeting VALUES (1);
INSERT INTO logged VALUES (1, 'x');
REFRESH MATERIALIZED VIEW summary;
"""
CASES = [
    Case("ALTER TABLE sale ADD COLUMN x int"),
    Case("ALTER TABLE ONLY animal ALTER COLUMN name SET DEFAULT 'x'"),
    Case("ALTER TABLE animal ADD COLUMN x int"),
    Case("ALTER TABLE animal DROP COLUMN name"),
    Case("ALTER TABLE animal ALTER COLUMN name SET DEFAULT 'x'"),
    Case("ALTER TABLE animal ALTER COLUMN name SET NOT NULL"),
    Case("ALTER TABLE animal ALTER COLUMN id DROP NOT NULL"),
    Case("ALTER TABLE animal ALTER COLUMN name TYPE text"),
    Case("ALTER TABLE animal ALTER COLUMN name SET STATISTICS 5"),
    Case("ALTER TABLE animal ALTER COLUMN name SET STORAGE EXTERNAL"),
    Case("ALTER TABLE animal ALTER COLUMN name SET COMPRESSION pglz"),
    Case("ALTER TABLE animal ALTER COLUMN name SET (n_distinct = 5)"),
    Case("ALTER TABLE animal ADD CHECK (id > 0)"),
    Case("ALTER TABLE animal ADD CHECK (id > 0) NOT VALID"),
    Case("ALTER TABLE animal DROP CONSTRAINT animal_weight"),
    Case("ALTER TABLE animal RENAME TO x"),
    Case("ALTER TABLE animal RENAME COLUMN name TO x"),
    Case("ALTER TABLE animal RENAME CONSTRAINT animal_weight TO x"),
    Case("ALTER TABLE animal SET SCHEMA app"),
    Case("ALTER TABLE animal OWNER TO postgres"),
    Case("ALTER TABLE animal SET UNLOGGED"),
    Case("ALTER TABLE animal SET (fillfactor = 50)"),
    Case("ALTER TABLE animal ADD UNIQUE (id)"),
    Case("ALTER TABLE animal ADD PRIMARY KEY (id)"),
    Case("ALTER TABLE animal ADD FOREIGN KEY (id) REFERENCES owner"),
    Case("ALTER TABLE animal DISABLE TRIGGER ALL"),
    Case("ALTER TABLE animal ENABLE ROW LEVEL SECURITY"),
    Case("ALTER TABLE stray INHERIT dog"),
    Case("ALTER TABLE dog NO INHERIT animal"),
    Case("ALTER TABLE puppy NO INHERIT dog"),
    Case("ALTER TABLE sale DROP COLUMN note"),
    Case("ALTER TABLE sale ALTER COLUMN note TYPE varchar(20)"),
    Case("ALTER TABLE sale ALTER COLUMN region_id TYPE bigint"),
    Case("ALTER TABLE sale ALTER COLUMN amount SET NOT NULL"),
    Case("ALTER TABLE sale ADD CONSTRAINT x CHECK (amount < 5000)"),
    Case("ALTER TABLE sale ADD CONSTRAINT x FOREIGN KEY (region_id) REFERENCES region"),
    Case("ALTER TABLE sale ADD CONSTRAINT x UNIQUE (region_id, day, id)"),
    Case("ALTER TABLE sale DROP CONSTRAINT sale_pkey CASCADE"),
    Case("ALTER TABLE sale DROP CONSTRAINT sale_region"),
    Case("ALTER TABLE sale DROP CONSTRAINT sale_amount"),
    Case("ALTER TABLE sale VALIDATE CONSTRAINT sale_later"),
    Case("ALTER TABLE sale ALTER CONSTRAINT sale_region DEFERRABLE"),
    Case("ALTER TABLE sale RENAME COLUMN note TO x"),
    Case("ALTER TABLE sale RENAME CONSTRAINT sale_pkey TO x"),
    Case("ALTER TABLE sale DISABLE TRIGGER act"),
    Case("ALTER TABLE sale DISABLE TRIGGER USER"),
    Case("ALTER TABLE ONLY sale DISABLE TRIGGER act"),
    Case("ALTER TABLE sale ENABLE ROW LEVEL SECURITY"),
    Case("ALTER TABLE sale REPLICA IDENTITY FULL"),
    Case("ALTER TABLE sale OWNER TO postgres"),
    Case("ALTER TABLE sale SET TABLESPACE pg_default"),
    Case("ALTER TABLE sale ATTACH PARTITION sale_new FOR VALUES FROM (20) TO (30)"),
    Case("ALTER TABLE sale DETACH PARTITION sale_2"),
    Case("ALTER TABLE sale_2 DETACH PARTITION sale_2a"),
    Case("ALTER TABLE sale DETACH PARTITION sale_rest"),
    Case("CREATE TABLE n PARTITION OF sale FOR VALUES FROM (30) TO (40)"),
    Case("CREATE TABLE n PARTITION OF sale_2 FOR VALUES FROM (300) TO (400)"),
    Case("CREATE TABLE n (LIKE sale INCLUDING ALL)"),
    Case("CREATE TABLE n () INHERITS (animal)"),
    Case("DROP TABLE refund"),
    Case("DROP TABLE sale CASCADE"),
    Case("DROP TABLE animal CASCADE"),
    Case("DROP TABLE puppy"),
    Case("DROP TABLE car CASCADE"),
    Case("DROP TABLE owner CASCADE"),
    Case("DROP TABLE wheel"),
    Case("DROP TABLE shop CASCADE"),
    Case("TRUNCATE sale CASCADE"),
    Case("TRUNCATE animal"),
    Case("TRUNCATE ONLY animal"),
    Case("TRUNCATE owner CASCADE"),
    Case("TRUNCATE car CASCADE"),
    Case("TRUNCATE wheel"),
    Case("ALTER TABLE car ALTER COLUMN owner_id TYPE bigint"),
    Case("ALTER TABLE car ALTER COLUMN boss TYPE bigint"),
    Case("ALTER TABLE car ALTER COLUMN owner_code TYPE varchar(20)"),
    Case("ALTER TABLE owner ALTER COLUMN code TYPE varchar(20)"),
    Case("ALTER TABLE car ALTER COLUMN id TYPE bigint"),
    Case("ALTER TABLE car DROP CONSTRAINT car_owner"),
    Case("ALTER TABLE car DROP CONSTRAINT car_boss"),
    Case("ALTER TABLE owner DROP CONSTRAINT owner_pkey CASCADE"),
    Case("ALTER TABLE owner DROP CONSTRAINT owner_code_key CASCADE"),
    Case("ALTER TABLE owner DROP COLUMN price CASCADE"),
    Case("ALTER TABLE owner DROP COLUMN code CASCADE"),
    Case("ALTER TABLE owner DROP COLUMN spoken"),
    Case("ALTER TABLE wheel VALIDATE CONSTRAINT wheel_later"),
    Case("ALTER TABLE car ALTER CONSTRAINT car_owner DEFERRABLE"),
    Case("ALTER TABLE car RENAME CONSTRAINT car_owner TO x"),
    Case("ALTER TABLE car DISABLE TRIGGER ALL"),
    Case("ALTER TABLE owner DISABLE TRIGGER ALL"),
    Case("ALTER TABLE car ADD COLUMN x int REFERENCES shop"),
    Case("ALTER TABLE typed NOT OF"),
    Case("ALTER TYPE pair ADD ATTRIBUTE c int CASCADE"),
    Case("ALTER TYPE pair RENAME ATTRIBUTE a TO z CASCADE"),
    Case("ALTER TYPE mood RENAME TO mood2"),
    Case("ALTER TYPE mood ADD VALUE 'x'"),
    Case("ALTER TYPE mood RENAME VALUE 'ok' TO 'fine'"),
    Case("DROP TYPE mood CASCADE"),
    Case("DROP TYPE pair CASCADE"),
    Case("DROP DOMAIN positive CASCADE"),
    Case("DROP DOMAIN label CASCADE"),
    Case("DROP SCHEMA app CASCADE"),
    Case("DROP SEQUENCE shared CASCADE"),
    Case("DROP FUNCTION act() CASCADE"),
    Case("DROP FUNCTION act CASCADE"),
    Case("DROP FUNCTION steady(int) CASCADE"),
    Case("DROP VIEW owners CASCADE"),
    Case("DROP VIEW richest"),
    Case("DROP MATERIALIZED VIEW summary"),
    Case("DROP TRIGGER act ON sale"),
    Case("DROP TRIGGER each_time ON sale"),
    Case("DROP POLICY everybody ON owner"),
    Case("DROP STATISTICS owner_stats"),
    Case("DROP INDEX sale_note"),
    Case("DROP INDEX owner_spoken"),
    Case("DROP INDEX summary_n"),
    Case("DROP RULE also ON ruled"),
    Case("DROP PUBLICATION pub"),
    Case("ALTER DOMAIN positive ADD CONSTRAINT c CHECK (VALUE < 1000)"),
    Case("ALTER DOMAIN positive SET NOT NULL"),
    Case("ALTER DOMAIN label ADD CHECK (VALUE <> '')"),
    Case("ALTER DOMAIN label ADD CHECK (VALUE <> '') NOT VALID"),
    Case("ALTER DOMAIN positive DROP CONSTRAINT positive_check"),
    Case("CREATE INDEX ON sale (amount)"),
    Case("CREATE INDEX ON sale_2 (amount)"),
    Case("CREATE INDEX ON animal (name)"),
    Case("CREATE TRIGGER t BEFORE INSERT ON sale FOR EACH ROW EXECUTE FUNCTION act()"),
    Case("CREATE TRIGGER t BEFORE INSERT ON sale FOR EACH STATEMENT EXECUTE FUNCTION act()"),
    Case("CREATE TRIGGER t BEFORE INSERT ON animal FOR EACH ROW EXECUTE FUNCTION act()"),
    Case("CREATE CONSTRAINT TRIGGER t AFTER INSERT ON car FROM owner DEFERRABLE FOR EACH ROW "
         "EXECUTE FUNCTION act()"),
    Case("ALTER TRIGGER act ON sale RENAME TO t"),
    Case("ALTER TRIGGER each_time ON sale RENAME TO t"),
    Case("CREATE RULE r AS ON DELETE TO shop DO ALSO DELETE FROM logged"),
    Case("CREATE RULE r AS ON DELETE TO shop DO ALSO SELECT * FROM owners"),
    Case("CREATE POLICY p ON shop USING (id IN (SELECT id FROM region))"),
    Case("ALTER POLICY everybody ON owner USING (id IN (SELECT id FROM region))"),
    Case("CREATE STATISTICS s ON id, n FROM shop"),
    Case("ALTER STATISTICS owner_stats RENAME TO x"),
    Case("ALTER STATISTICS owner_stats SET STATISTICS 5"),
    Case("CREATE PUBLICATION p2 FOR TABLE sale"),
    Case("CREATE PUBLICATION p2 FOR TABLE animal"),
    Case("CREATE PUBLICATION p2 FOR ALL TABLES"),
    Case("CREATE PUBLICATION p2 FOR TABLES IN SCHEMA app"),
    Case("ALTER PUBLICATION pub ADD TABLE animal"),
    Case("ALTER PUBLICATION pub DROP TABLE shop"),
    Case("REINDEX TABLE owner"),
    Case("REINDEX INDEX owner_spoken"),
    Case("LOCK TABLE sale"),
    Case("LOCK TABLE ONLY sale"),
    Case("LOCK TABLE animal IN SHARE MODE"),
    Case("LOCK TABLE richest IN SHARE MODE"),
    Case("CLUSTER owner USING owner_spoken"),
    Case("ANALYZE sale"),
    Case("ANALYZE animal"),
    Case("ANALYZE owner"),
    Case("REFRESH MATERIALIZED VIEW summary"),
    Case("REFRESH MATERIALIZED VIEW summary WITH NO DATA"),
    Case("REFRESH MATERIALIZED VIEW CONCURRENTLY summary"),
    Case("SELECT * FROM sale"),
    Case("SELECT * FROM sale WHERE day = 1"),
    Case("SELECT * FROM ONLY animal"),
    Case("SELECT * FROM animal"),
    Case("SELECT * FROM richest"),
    Case("SELECT * FROM animals"),
    Case("SELECT * FROM summary"),
    Case("SELECT * FROM sale FOR UPDATE"),
    Case("SELECT * FROM richest FOR UPDATE"),
    Case("SELECT * INTO n FROM richest"),
    Case("CREATE TABLE n AS SELECT * FROM richest"),
    Case("CREATE TABLE n AS SELECT * FROM sale"),
    Case("CREATE TABLE n AS TABLE animal"),
    Case("CREATE TABLE n AS TABLE animal WITH NO DATA"),
    Case("CREATE TABLE n AS SELECT * FROM sale WITH NO DATA"),
    Case("CREATE TABLE n AS SELECT * FROM richest WITH NO DATA"),
    Case("CREATE TABLE n AS VALUES (1)"),
    Case("CREATE TABLE n AS (SELECT * FROM shop)"),
    Case("CREATE TABLE n AS WITH a AS (SELECT * FROM shop) SELECT * FROM a"),
    Case("CREATE MATERIALIZED VIEW n AS SELECT * FROM richest"),
    Case("CREATE MATERIALIZED VIEW n AS SELECT * FROM richest WITH NO DATA"),
    Case("CREATE VIEW n AS SELECT * FROM richest"),
    Case("CREATE VIEW n AS SELECT * FROM sale"),
    Case("CREATE OR REPLACE VIEW owners AS SELECT id, born, price FROM owner WHERE id > 5"),
    Case("ALTER VIEW owners RENAME TO x"),
    Case("ALTER VIEW owners ALTER COLUMN id SET DEFAULT 5"),
    Case("ALTER VIEW owners SET SCHEMA app"),
    Case("ALTER MATERIALIZED VIEW summary RENAME TO x"),
    Case("INSERT INTO sale VALUES (5, 5, 1, 1, 'a')", known=False),
    Case("INSERT INTO sale SELECT * FROM sale_new", known=False),
    Case("INSERT INTO logged SELECT id, 'x' FROM animal"),
    Case("INSERT INTO ruled VALUES (1)"),
    Case("INSERT INTO triggered VALUES (1)", known=False),
    Case("INSERT INTO car VALUES (2, 1, 'a', 1)"),
    Case("INSERT INTO car (id) VALUES (2)"),
    Case("INSERT INTO refund VALUES (2, 1, 1)"),
    Case("UPDATE sale SET amount = 2", known=False),
    Case("INSERT INTO car (id, owner_id) SELECT id + 9, id FROM owner"),
    Case("INSERT INTO wheel (id, car_id) SELECT id + 9, id FROM car FOR UPDATE"),
    Case("UPDATE owners SET born = now()"),
    Case("UPDATE animals SET id = 2"),
    Case("INSERT INTO app.thing (id, owner_id) SELECT id + 9, id FROM richest"),
    Case("DELETE FROM app.thing USING app.things WHERE thing.id = things.id"),
    Case("UPDATE sale SET region_id = 1 WHERE day = 1", known=False),
    Case("UPDATE animal SET name = 'b'"),
    Case("UPDATE owner SET price = 3"),
    Case("UPDATE owner SET code = 'b'"),
    Case("UPDATE car SET owner_id = 1"),
    Case("UPDATE car SET owner_id = NULL"),
    Case("DELETE FROM owner WHERE id = 7"),
    Case("DELETE FROM wheel"),
    Case("DELETE FROM region WHERE id = 5"),
    Case("DELETE FROM animal"),
    Case("DELETE FROM ONLY animal"),
    Case("UPDATE owners SET price = 3"),
    Case("DELETE FROM richest WHERE id = 9"),
    Case("MERGE INTO shop s USING region r ON r.id = s.id WHEN MATCHED THEN DELETE"),
    Case("COPY shop TO '/dev/null'"),
    Case("COPY (SELECT * FROM sale) TO '/dev/null'"),
    Case("COPY sale FROM '/dev/null'", known=False),
    Case("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT id FROM richest'"),
    Case("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'DELETE FROM shop; SELECT 1'"),
    Case("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC DELETE FROM shop; SELECT 1; END"),
    Case("CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'"),
    Case("CREATE OR REPLACE FUNCTION steady(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT"
         " id FROM shop'"),
    Case("GRANT SELECT ON sale TO postgres", since=18),
    Case("GRANT SELECT ON ALL TABLES IN SCHEMA app TO postgres"),
    Case("COMMENT ON VIEW owners IS 'x'"),
    Case("COMMENT ON TRIGGER act ON sale IS 'x'"),
    Case("ALTER INDEX sale_note RENAME TO x"),
    Case("ALTER INDEX owner_spoken SET (fillfactor = 50)"),
    Case("ALTER INDEX sale_note SET TABLESPACE pg_default"),
    Case("ALTER SEQUENCE shared OWNED BY shop.n"),
    Case("ALTER SEQUENCE shared RENAME TO x"),
    Case("ALTER SCHEMA app RENAME TO x"),
    Case("ALTER SCHEMA app OWNER TO postgres"),
    Case("ALTER FUNCTION act() RENAME TO x"),
    Case("ALTER TABLE owner ALTER COLUMN at TYPE timestamptz"),
    Case("ALTER TABLE owner ALTER COLUMN tz TYPE timestamp"),
    Case("ALTER TABLE owner ALTER COLUMN at3 TYPE timestamp(6)"),
    Case("ALTER TABLE owner ALTER COLUMN at3 TYPE timestamp(2)"),
    Case("ALTER TABLE owner ALTER COLUMN at3 TYPE timestamptz"),
    Case("ALTER TABLE owner ALTER COLUMN at TYPE timestamp(3)"),
    Case("ALTER TABLE owner ALTER COLUMN at TYPE timestamp(6)"),
    Case("ALTER TABLE owner ALTER COLUMN at TYPE date"),
    Case("ALTER TABLE owner ALTER COLUMN big TYPE int"),
    Case("ALTER TABLE owner ALTER COLUMN big TYPE bigint"),
    Case("ALTER TABLE owner ALTER COLUMN filled TYPE positive"),
    Case("ALTER TABLE owner ALTER COLUMN labelled TYPE text"),
    Case("ALTER TABLE owner ALTER COLUMN labelled TYPE varchar"),
    Case("ALTER TABLE owner ALTER COLUMN spoken TYPE label"),
    Case("ALTER TABLE owner ALTER COLUMN spoken TYPE text"),
    Case('ALTER TABLE owner ALTER COLUMN spoken TYPE text COLLATE "C"'),
    Case("ALTER TABLE owner ALTER COLUMN spoken TYPE varchar(20)"),
    Case("ALTER TABLE owner ALTER COLUMN spoken TYPE varchar(5)"),
    Case("ALTER TABLE owner ALTER COLUMN spoken TYPE varchar"),
    Case("ALTER TABLE owner ALTER COLUMN spoken TYPE char(10)"),
    Case("ALTER TABLE owner ALTER COLUMN note TYPE varchar(10)"),
    Case("ALTER TABLE owner ALTER COLUMN checked TYPE varchar(20)"),
    Case("ALTER TABLE owner ALTER COLUMN checked TYPE text"),
    Case("ALTER TABLE owner ALTER COLUMN short TYPE char(8)"),
    Case("ALTER TABLE owner ALTER COLUMN short TYPE char(4)"),
    Case("ALTER TABLE owner ALTER COLUMN short TYPE text"),
    Case("ALTER TABLE owner ALTER COLUMN short TYPE varchar(10)"),
    Case("ALTER TABLE owner ALTER COLUMN bits TYPE varbit(8)"),
    Case("ALTER TABLE owner ALTER COLUMN flag TYPE bit(8)"),
    Case("ALTER TABLE owner ALTER COLUMN flag TYPE varbit"),
    Case("ALTER TABLE owner ALTER COLUMN flag TYPE bit(4)"),
    Case("ALTER TABLE owner ALTER COLUMN list TYPE varchar(20)[]"),
    Case("ALTER TABLE owner ALTER COLUMN list TYPE text[]"),
    Case("ALTER TABLE owner ALTER COLUMN list TYPE varchar(5)[]"),
    Case("ALTER TABLE owner ALTER COLUMN j TYPE jsonb"),
    Case("ALTER TABLE owner ALTER COLUMN j TYPE text"),
    Case("ALTER TABLE owner ALTER COLUMN ip TYPE inet"),
    Case("ALTER TABLE owner ALTER COLUMN feeling TYPE text"),
    Case("ALTER TABLE owner ALTER COLUMN filled TYPE oid"),
    Case("ALTER TABLE owner ALTER COLUMN filled TYPE bigint USING filled::bigint"),
    Case("ALTER TABLE owner ALTER COLUMN filled TYPE int USING filled"),
    Case("ALTER TABLE owner ALTER COLUMN filled TYPE int USING filled + 1"),
    Case("ALTER TABLE owner ALTER COLUMN spoken TYPE varchar(20) USING spoken::varchar(20)"),
    Case("ALTER TABLE owner ALTER COLUMN spoken TYPE varchar(20) USING spoken::text"),
    Case("ALTER TABLE owner ALTER COLUMN span TYPE interval(6)"),
    Case("ALTER TABLE owner ALTER COLUMN span TYPE interval"),
    Case("ALTER TABLE animal ALTER COLUMN weight TYPE numeric(8, 2)"),
    Case("ALTER TABLE animal ALTER COLUMN weight TYPE numeric(8, 3)"),
    Case("ALTER TABLE animal ALTER COLUMN weight TYPE numeric(5, 2)"),
    Case("ALTER TABLE animal ALTER COLUMN weight TYPE numeric"),
    Case("ALTER TABLE animal ALTER COLUMN kind TYPE text"),
    Case("ALTER TABLE owner ALTER COLUMN proven SET NOT NULL"),
    Case("ALTER TABLE owner ALTER COLUMN filled SET NOT NULL"),
    Case("ALTER TABLE shop ADD COLUMN x positive"),
    Case("ALTER TABLE shop ADD COLUMN x label"),
    Case("ALTER TABLE shop ADD COLUMN x label DEFAULT 'a'"),
    Case("ALTER TABLE shop ADD COLUMN x positive DEFAULT 5"),
    Case("ALTER TABLE shop ADD COLUMN x mood DEFAULT 'ok'"),
    Case("ALTER TABLE shop ADD COLUMN x pair"),
    Case("ALTER TABLE shop ADD COLUMN x int DEFAULT steady(1)"),
    Case("ALTER TABLE shop ADD COLUMN x int DEFAULT moody()"),
    Case("ALTER TABLE shop ADD COLUMN x positive[]"),
    Case("ALTER TABLE owner ALTER COLUMN twice SET EXPRESSION AS (id * 3)", since=18),
    Case("ALTER TABLE owner SET LOGGED"),
    Case("ALTER TABLE owner SET TABLESPACE pg_default"),
    Case("ALTER TABLE owner SET ACCESS METHOD heap"),
    Case("DROP TABLE wheel, car"),
    Case("DROP TABLE sale_2a CASCADE"),
    Case("DROP TABLE sale_2 CASCADE"),
    Case("DROP TABLE sale_rest CASCADE"),
    Case("TRUNCATE sale_1, refund"),
    Case("ALTER TABLE refund ALTER COLUMN sale_id TYPE bigint"),
    Case("ALTER TABLE refund ADD FOREIGN KEY (sale_id, sale_day) REFERENCES sale NOT VALID"),
    Case("ALTER TABLE refund ADD FOREIGN KEY (sale_id, sale_day) REFERENCES sale"),
    Case("ALTER TABLE refund VALIDATE CONSTRAINT refund_sale"),
    Case("ALTER TABLE refund ALTER CONSTRAINT refund_sale DEFERRABLE"),
    Case("ALTER TABLE refund DROP CONSTRAINT refund_sale"),
    Case("CREATE TABLE n (a int, b int, FOREIGN KEY (a, b) REFERENCES sale)"),
    Case("ALTER TABLE app.thing DROP COLUMN owner_id"),
    Case("ALTER TABLE owner DROP COLUMN id CASCADE"),
    Case("DROP TABLE region CASCADE"),
    Case("DELETE FROM sale WHERE day = 11"),
    Case("DELETE FROM sale_2 WHERE id = 2"),
    Case("DELETE FROM wheel WHERE id = 1"),
    Case("MERGE INTO wheel s USING region r ON r.id = s.id + 9 WHEN NOT MATCHED THEN INSERT "
         "VALUES (r.id + 1, 1)"),
    Case("INSERT INTO shop (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET n = 4"),
    Case("DROP VIEW app.things"),
    Case("DROP TABLE app.thing CASCADE"),
    Case('ALTER TABLE IF EXISTS ONLY public."sale_1" ADD CONSTRAINT x CHECK (id > 0)'),
    Case("ALTER TABLE sale_1 ALTER COLUMN note SET NOT NULL"),
    Case("ALTER TABLE sale_1 ALTER COLUMN note SET DEFAULT 'x'"),
    Case("ALTER TABLE sale_1 ADD FOREIGN KEY (id) REFERENCES region NOT VALID"),
    Case("ALTER TABLE sale_1 DISABLE TRIGGER act"),
    Case("ALTER TABLE sale_1 SET (fillfactor = 50)"),
    Case("ALTER TABLE sale_1 RENAME TO x"),
    Case("ALTER TABLE sale_1 ENABLE ROW LEVEL SECURITY"),
    Case("ALTER TABLE sale_2 ADD CONSTRAINT x CHECK (id > 0)"),
    Case("ALTER TABLE sale_2 ADD UNIQUE (id, day)"),
    Case("ALTER TABLE sale_2 ADD FOREIGN KEY (id) REFERENCES region NOT VALID", since=18),
    Case("ALTER TABLE dog ADD COLUMN x int"),
    Case("ALTER TABLE dog DROP COLUMN tricks"),
    Case("ALTER TABLE dog ALTER COLUMN tricks TYPE bigint"),
    Case("ALTER TABLE ONLY dog DROP COLUMN tricks"),
    Case("ALTER TABLE dog ADD CHECK (tricks > 0)"),
    Case("ALTER TABLE ONLY animal ADD CHECK (id > 0) NO INHERIT"),
    Case("ALTER TABLE ONLY animal ADD UNIQUE (id)"),
    Case("ALTER TABLE animal ADD COLUMN x int UNIQUE"),
    Case("ALTER TABLE animal ADD CHECK (id > 0) NO INHERIT"),
    Case("DROP TABLE dog CASCADE"),
    Case("DROP VIEW owners, richest"),
    Case("DROP MATERIALIZED VIEW summary CASCADE"),
    Case("ALTER TABLE owner DROP COLUMN born CASCADE"),
    Case("ALTER TABLE owner DROP COLUMN big"),
    Case("ALTER TABLE owner DROP COLUMN seq"),
    Case("ALTER TABLE owner ADD COLUMN x int, DROP COLUMN note, ALTER COLUMN filled TYPE bigint"),
    Case("ALTER TABLE car ADD COLUMN x int, DROP COLUMN owner_id, ADD FOREIGN KEY (boss) "
         "REFERENCES owner NOT VALID"),
    Case("ALTER TABLE car ALTER COLUMN owner_id DROP NOT NULL, ALTER COLUMN owner_id SET "
         "DEFAULT 4"),
    Case("CREATE TABLE n (id int PRIMARY KEY, a int REFERENCES n, b int REFERENCES owner, "
         "c int REFERENCES app.thing)"),
    Case("CREATE TABLE n (LIKE owners)"),
    Case("CREATE TABLE n (a int) INHERITS (dog, logged)"),
    Case("CREATE TABLE n (CHECK (id > 0)) INHERITS (animal)"),
    Case("CREATE TABLE IF NOT EXISTS n (id int REFERENCES owner)"),
    Case("CREATE TEMP TABLE n (id int)"),
    Case("CREATE TEMP TABLE n ON COMMIT DROP AS SELECT * FROM owners"),
    Case("CREATE TABLE n PARTITION OF sale FOR VALUES FROM (40) TO (50) PARTITION BY RANGE (id)"),
    Case("CREATE TABLE n PARTITION OF sale_2 DEFAULT"),
    Case("COPY (SELECT * FROM owners) TO '/dev/null'"),
    Case("COPY car FROM '/dev/null'"),
    Case("LOCK TABLE owners, animals"),
    Case("LOCK TABLE car, wheel IN ROW SHARE MODE NOWAIT"),
    Case("ALTER VIEW owners SET (security_barrier = true)"),
    Case("ALTER VIEW owners RENAME COLUMN id TO z"),
    Case("ALTER TABLE owners RENAME TO x"),
    Case("ALTER VIEW richest OWNER TO postgres"),
    Case("ALTER MATERIALIZED VIEW summary SET SCHEMA app"),
    Case("ALTER MATERIALIZED VIEW summary ALTER COLUMN n SET STATISTICS 5"),
    Case("ALTER MATERIALIZED VIEW summary CLUSTER ON summary_n"),
    Case("ALTER MATERIALIZED VIEW summary SET WITHOUT CLUSTER"),
    Case("CREATE STATISTICS s (mcv) ON (id + 1), price FROM owner"),
    Case("ALTER TABLE owner CLUSTER ON owner_spoken"),
    Case("ALTER SEQUENCE shared AS bigint", spared=True),
    Case("ALTER SEQUENCE shared OWNED BY NONE"),
    Case("CREATE SEQUENCE s OWNED BY owner.filled"),
    Case("CREATE OR REPLACE VIEW richest AS SELECT id FROM owners WHERE price > 6"),
    Case("CREATE RULE r AS ON INSERT TO owners DO INSTEAD NOTHING"),
    Case("CREATE RULE r AS ON UPDATE TO shop DO ALSO (INSERT INTO logged VALUES (1, 'x'); "
         "DELETE FROM ruled)"),
    Case("SELECT count(*) FROM (SELECT * FROM animal) x"),
    Case("SELECT * FROM sale TABLESAMPLE SYSTEM (1)"),
    Case("SELECT * FROM shop WHERE id IN (SELECT id FROM richest) UNION SELECT id, 1, 1 "
         "FROM region"),
    Case("SELECT * FROM animals a JOIN app.things t USING (id) FOR SHARE OF a"),
    Case("SELECT * FROM animals a JOIN shop t USING (id) FOR UPDATE OF t"),
    Case("WITH x AS (UPDATE shop SET n = 1 WHERE id = 1 RETURNING id) SELECT * FROM x "
         "JOIN animals USING (id)"),
    Case("WITH x AS (SELECT * FROM sale) DELETE FROM shop USING x WHERE x.id = shop.id + 99"),
    Case("SELECT EXISTS (SELECT FROM owners WHERE id = 1)"),
    Case("SELECT (SELECT max(id) FROM car), array(SELECT id FROM wheel)"),
    Case("UPDATE sale SET day = 12 WHERE day = 50", known=False),
    Case("UPDATE sale SET amount = (SELECT max(price) FROM owner)", known=False),
    Case("INSERT INTO shop (id) SELECT id + 5 FROM app.things RETURNING id"),
    Case("MERGE INTO car USING owner ON car.owner_id = owner.id WHEN MATCHED THEN UPDATE "
         "SET boss = 1"),
    Case("DELETE FROM owner WHERE id = 9"),
    Case("UPDATE region SET id = 5 WHERE id = 9"),
    Case("UPDATE region SET id = 1"),
    Case("ALTER DOMAIN positive RENAME TO x"),
    Case("ALTER DOMAIN positive DROP NOT NULL"),
    Case("ALTER DOMAIN positive SET DEFAULT 4"),
    Case("DROP FUNCTION steady CASCADE"),
    Case("DROP FUNCTION steady(int), moody() CASCADE"),
    Case("DROP ROUTINE act CASCADE"),
    Case("DROP TABLE shop, owner CASCADE"),
    Case("DROP TABLE app.thing, car, wheel CASCADE"),
    Case("TRUNCATE sale, refund"),
    Case("TRUNCATE car, wheel"),
    Case("TRUNCATE animal, logged RESTART IDENTITY CASCADE"),
    Case("REINDEX TABLE sale_1"),
    Case("REINDEX (VERBOSE) TABLE app.thing"),
    Case("CREATE UNIQUE INDEX ON sale_1 (id)"),
    Case("CREATE INDEX IF NOT EXISTS owner_spoken ON owner (spoken)"),
    Case("CREATE INDEX ON owner (id) WHERE filled > 1"),
    Case("DROP INDEX sale_note CASCADE"),
    Case("DROP INDEX owner_spoken, owner_note"),
    Case("ALTER INDEX owner_spoken RENAME TO x"),
    Case("CREATE TRIGGER t INSTEAD OF INSERT ON owners FOR EACH ROW EXECUTE FUNCTION act()"),
    Case("CREATE OR REPLACE TRIGGER act BEFORE INSERT ON sale FOR EACH ROW EXECUTE FUNCTION act()"),
    Case("ALTER TABLE sale ENABLE ALWAYS TRIGGER act"),
    Case("ALTER TABLE owner FORCE ROW LEVEL SECURITY"),
    Case("CLUSTER VERBOSE owner USING owner_pkey"),
    Case("ANALYZE VERBOSE sale (id), owner"),
    Case("ANALYZE ONLY animal", since=18),
    Case("REFRESH MATERIALIZED VIEW summary WITH DATA"),
    Case("COMMENT ON COLUMN owner.id IS 'x'"),
    Case("COMMENT ON CONSTRAINT car_owner ON car IS 'x'"),
    Case("COMMENT ON MATERIALIZED VIEW summary IS 'x'"),
    Case("COMMENT ON INDEX owner_spoken IS 'x'"),
    Case("COMMENT ON POLICY everybody ON owner IS 'x'"),
    Case("COMMENT ON RULE also ON ruled IS 'x'"),
    Case("ALTER TABLE typed ADD CHECK (a > 0)"),
    Case("ALTER TYPE pair ALTER ATTRIBUTE a TYPE bigint CASCADE", spared=True),
    Case("ALTER TYPE pair DROP ATTRIBUTE b CASCADE"),
    Case("ALTER TABLE car ALTER CONSTRAINT car_owner NOT DEFERRABLE"),
    Case("ALTER TABLE car RENAME CONSTRAINT car_pkey TO x"),
    Case("ALTER TABLE owner ALTER COLUMN filled ADD GENERATED BY DEFAULT AS IDENTITY"),
    Case("ALTER TABLE owner ALTER COLUMN twice DROP EXPRESSION"),
    Case("ALTER TABLE owner ADD COLUMN x int GENERATED ALWAYS AS (filled + 1) STORED"),
    Case('ALTER TABLE owner ADD COLUMN x label COLLATE "C" NOT NULL DEFAULT \'x\''),
    Case("ALTER TABLE animal ADD COLUMN x positive"),
    Case("ALTER TABLE sale ADD COLUMN x serial"),
    Case("ALTER TABLE animal ALTER COLUMN name TYPE varchar(5)"),
    Case("ALTER TABLE animal ALTER COLUMN name TYPE varchar(30), ALTER COLUMN weight TYPE "
         "numeric(9,2)"),
    Case("ALTER TABLE sale ALTER COLUMN amount TYPE numeric(12, 2)"),
    Case("ALTER TABLE owner ALTER note TYPE char varying (20)"),
    Case("ALTER TABLE owner ALTER note TYPE character varying"),
    Case("ALTER TABLE owner ALTER spoken SET DATA TYPE pg_catalog.text USING (spoken)"),
    Case("ALTER TABLE owner ALTER spoken TYPE text USING CAST(spoken AS text)"),
    Case("ALTER TABLE owner ALTER filled TYPE decimal(10)"),
    Case("ALTER TABLE owner ALTER filled TYPE float"),
    Case("ALTER TABLE owner ALTER tz TYPE timestamptz(0)"),
    Case("ALTER TABLE owner ALTER tz TYPE timestamp(6) with time zone"),
    Case("ALTER TABLE owner ALTER at TYPE timestamptz USING at AT TIME ZONE 'UTC'"),
    Case("ALTER TABLE owner ALTER flag TYPE bit"),
    Case("ALTER TABLE owner ALTER feeling TYPE mood USING feeling::text::mood"),
    Case("ALTER TABLE owner ALTER feeling TYPE mood"),
    Case("ALTER TABLE owner ALTER list TYPE varchar(10)[]"),
    Case("ALTER TABLE owner ALTER list TYPE varchar(10) ARRAY"),
    Case("ALTER TABLE owner ALTER labelled TYPE label"),
    Case("ALTER TABLE owner ALTER labelled TYPE varchar(5)"),
    Case("GRANT SELECT ON owner, car TO postgres", since=18),
    Case("MERGE INTO sale s USING region r ON r.id = s.id AND s.day = 1 "
         "WHEN MATCHED THEN UPDATE SET amount = 4", known=False),
]  # fmt: skip


@pytest.fixture(scope="module")
def url(server: TestServer) -> Iterator[str]:
    """The URL of one database for every statement."""
    with server.database() as url:
        execute(url, SCHEMA)
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def session(url: str) -> AsyncIterator[Session]:
    """A session on which each statement is tried."""
    async with trying(url, CASES) as session:
        yield session


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.sql)
async def test_plan_statement_reaching_other_tables_names_what_the_server_locks(
    session: Session, case: Case
) -> None:
    if session.connection.get_server_version().major < case.since:
        pytest.skip(f"this is SQL of PostgreSQL {case.since}")
    await check(session, case)
