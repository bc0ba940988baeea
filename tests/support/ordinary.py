"""Statements that people run every day: `inspect query` answers them.

They run on what `SETUP` makes, as the owner of the database.
"""

from pathlib import Path

SETUP = (
    "CREATE TABLE users (id int PRIMARY KEY, name text, password text)",
    "INSERT INTO users VALUES (1, 'ada', 'pw1'), (2, 'bob', 'pw2')",
    "CREATE TABLE est (a int, b int)",
    "INSERT INTO est SELECT g, g % 5 FROM generate_series(1, 100) g",
    "CREATE STATISTICS est_both ON a, b FROM est",
    "CREATE FUNCTION lvl3() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "ANALYZE est",
    # Types of the project's own, and functions that belong to them.
    "CREATE TYPE mood AS ENUM ('sad', 'ok')",
    "CREATE DOMAIN mail AS text CHECK (VALUE ~ '@')",
    "CREATE TYPE point3 AS (x int, y int, z int)",
    "CREATE TYPE span AS RANGE (subtype = float8, subtype_diff = float8mi)",
    "CREATE TYPE stay AS RANGE (subtype = timestamp)",
    "CREATE FUNCTION far(point3) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ($1).x::text'",
    "CREATE CAST (point3 AS text) WITH FUNCTION far(point3)",
    "CREATE FUNCTION nearer(point3, point3) RETURNS bool LANGUAGE sql IMMUTABLE AS"
    " 'SELECT ($1).x < ($2).x'",
    "CREATE OPERATOR <<< (LEFTARG = point3, RIGHTARG = point3, FUNCTION = nearer)",
    "CREATE AGGREGATE product (int) (SFUNC = int4mul, STYPE = int, INITCOND = '1')",
    "CREATE TABLE own (id int, m mood, e mail, p point3, s span, t stay)",
    "INSERT INTO own VALUES (1, 'ok', 'a@b', ROW(1, 2, 3), span(1, 2), NULL)",
    "CREATE VIEW seen AS SELECT id, m, s * span(0, 9) AS cut FROM own",
)
# Code that cannot be read, behind types of which no value is in an ordinary statement.
UNREADABLE_SETUP = (
    "CREATE TYPE odd AS ENUM ('x', 'y')",
    "CREATE FUNCTION odd_text(odd) RETURNS text LANGUAGE c IMMUTABLE AS"
    " '$libdir/citext', 'citext_hash'",
    "CREATE FUNCTION odd_eq(odd, odd) RETURNS bool LANGUAGE c AS '$libdir/citext', 'citext_eq'",
    "CREATE FUNCTION odd_int(odd, int) RETURNS bool LANGUAGE c AS '$libdir/citext', 'citext_eq'",
    "CREATE FUNCTION odd_cmp(odd, odd) RETURNS int LANGUAGE c AS '$libdir/citext', 'citext_cmp'",
    "CREATE FUNCTION odd_ok(text) RETURNS bool LANGUAGE c AS '$libdir/citext', 'citext_hash'",
    "CREATE FUNCTION odd_hash(odd) RETURNS int LANGUAGE c AS '$libdir/citext', 'citext_hash'",
    "CREATE CAST (odd AS int) WITH FUNCTION odd_hash(odd)",
    "CREATE CAST (odd AS text) WITH FUNCTION odd_text(odd)",
    "CREATE OPERATOR = (LEFTARG = odd, RIGHTARG = odd, FUNCTION = odd_eq)",
    "CREATE OPERATOR ~ (LEFTARG = odd, RIGHTARG = odd, FUNCTION = odd_eq)",
    "CREATE OPERATOR = (LEFTARG = odd, RIGHTARG = int, FUNCTION = odd_int)",
    "CREATE OPERATOR <<<< (LEFTARG = odd, RIGHTARG = odd, FUNCTION = odd_eq)",
    "CREATE OPERATOR CLASS odd_ops FOR TYPE odd USING btree AS OPERATOR 1 <<<<,"
    " FUNCTION 1 odd_cmp(odd, odd)",
    "CREATE DOMAIN odd_domain AS text CHECK (odd_ok(VALUE))",
    "CREATE TABLE odd_table (o odd, d odd_domain CHECK (odd_ok(d)))",
    "CREATE INDEX ON odd_table (odd_text(o))",
)
EXTENSIONS = (
    "amcheck", "citext", "cube", "earthdistance", "fuzzystrmatch", "hstore", "intarray", "isn",
    "ltree", "pageinspect", "pg_buffercache", "pg_freespacemap", "pg_stat_statements", "pg_trgm",
    "pg_visibility", "pg_walinspect", "pgrowlocks", "pgstattuple", "seg", "tablefunc",
    "tsm_system_rows", "tsm_system_time", "unaccent",
)  # fmt: skip

QUERIES = [
    line
    for line in (Path(__file__).parent / "ordinary.sql").read_text(encoding="utf-8").splitlines()
    if not line.startswith("--")
]

# The same kinds elsewhere: types of one's own, extensions, the system's views.
SIBLINGS = [
    "SELECT * FROM own",
    "SELECT * FROM seen",
    "SELECT m, count(*) FROM own GROUP BY m ORDER BY m",
    "SELECT enum_range(NULL::mood), 'ok'::mood > 'sad', array_agg(m) FROM own",
    "SELECT 'a@b'::mail, '{a@b}'::mail[], e || 'x' FROM own",
    "SELECT (p).x, p::text, ROW(1, 2, 3)::point3, p IS NOT NULL FROM own",
    "SELECT p <<< p, p = p FROM own",
    "SELECT product(id), s && span(1, 3), s @> 1.5::float8, lower(s) FROM own GROUP BY s",
    "SELECT span_multirange(span(1, 2), span(3, 4)), '{[1,2]}'::span_multirange",
    "SELECT range_agg(s), unnest(span_multirange(s)) FROM own GROUP BY s",
    "SELECT stay(now()::timestamp, NULL) && t FROM own",
    'SELECT * FROM jsonb_to_record(\'{"m": "ok", "e": "a@b"}\') AS x (m mood, e mail)',
    "SELECT * FROM jsonb_populate_record(NULL::own, '{\"id\": 1}')",
    "SELECT to_json(own), own::text FROM own",
    "SELECT * FROM est TABLESAMPLE BERNOULLI (10)",
    "SELECT * FROM est TABLESAMPLE SYSTEM_TIME (100)",
    "SELECT attname, n_distinct, correlation FROM pg_stats WHERE tablename = 'est'",
    "SELECT attname, most_common_vals::text FROM pg_stats WHERE tablename = 'est'",
    "SELECT * FROM pg_stats_ext WHERE tablename = 'est'",
    "SELECT * FROM pg_stats_ext_exprs",
    "SELECT * FROM pg_statistic LIMIT 1",
    "SELECT a FROM pg_attribute a LIMIT 1",
    "SELECT c FROM pg_class c LIMIT 1",
    "SELECT * FROM pg_policies",
    "SELECT * FROM pg_roles LIMIT 1",
    "SELECT * FROM pg_user",
    "SELECT * FROM pg_views LIMIT 1",
    "SELECT * FROM pg_tables LIMIT 1",
    "SELECT * FROM pg_rules LIMIT 1",
    "SELECT * FROM pg_publication_tables",
    "SELECT * FROM pg_stat_database",
    "SELECT * FROM pg_stat_user_indexes",
    "SELECT * FROM pg_statio_user_tables",
    "SELECT * FROM pg_stat_user_functions",
    "SELECT * FROM pg_stat_archiver",
    "SELECT * FROM pg_stat_slru",
    "SELECT * FROM pg_stat_progress_create_index",
    "SELECT * FROM pg_stat_subscription",
    "SELECT * FROM pg_stat_wal_receiver",
    "SELECT * FROM pg_stat_gssapi",
    "SELECT * FROM pg_ident_file_mappings",
    "SELECT * FROM pg_prepared_xacts",
    "SELECT * FROM pg_extension",
    "SELECT * FROM information_schema.tables LIMIT 1",
    "SELECT * FROM information_schema.referential_constraints",
    "SELECT pg_get_viewdef('seen'::regclass), pg_get_indexdef('users_pkey'::regclass)",
    "SELECT pg_blocking_pids(pg_backend_pid()), pg_current_xact_id_if_assigned()",
    "SELECT pg_input_is_valid('1', 'int')",
    "SELECT * FROM crosstab('SELECT a, b, a FROM est ORDER BY 1, 2', 'SELECT 1 UNION SELECT 2')"
    " AS ct (a int, x int, y int)",
    "SELECT * FROM ts_stat('SELECT to_tsvector(name) FROM users')",
    "SELECT * FROM pgstattuple('est'), pg_freespace('est')",
    "SELECT * FROM pgrowlocks('est')",
    "SELECT * FROM verify_heapam('users')",
    "SELECT count(*) FROM pg_buffercache",
    "SELECT * FROM pg_visibility_map_summary('est')",
    "SELECT * FROM bt_metap('users_pkey'), bt_page_stats('users_pkey', 1)",
    "SELECT name <-> 'ad', show_trgm(name) FROM users ORDER BY 1",
    "SELECT skeys('a=>1'::hstore), akeys('b=>2'), hstore(ROW(1, 2)) || 'c=>3'",
    "SELECT 'Top.Science'::ltree ~ '*.Science', subpath('a.b.c', 1)",
    "SELECT '{1,2}'::int[] && '{2}', '{1,2}'::int[] @@ '1&2', sort('{2,1}'::int[])",
    "SELECT isbn('978-0-393-04002-9'), '1 .. 2'::seg, cube(1, 2)",
    "SELECT dmetaphone('x'), difference('a', 'b')",
    "SELECT 2 ^ -1, 5 -1, 1 - -1, @ -5, |/ 4, 7 % -2, -3 % 2 *-1",
    "SELECT name SIMILAR TO 'a%', name LIKE 'a_', name ~* 'A', name NOT ILIKE 'b%' FROM users",
    "SELECT range_merge(s, span(5, 6)), s -|- s FROM own",
    "SELECT CASE name WHEN 'ada' THEN 1 END, nullif(id, 2), id BETWEEN 2 AND 1 FROM users",
    "SELECT EXISTS (SELECT FROM est WHERE a = u.id), u.id IN (SELECT b FROM est) FROM users u",
    "SELECT * FROM users NATURAL JOIN (SELECT id FROM users) q",
    "SELECT * FROM generate_series(1, 3) WITH ORDINALITY AS t (v, n) ORDER BY v USING >",
    "SELECT array_sample(ARRAY[1, 2], 1), array_shuffle(ARRAY[1]), trim_array(ARRAY[1, 2], 1)",
    "SELECT json_build_object('a', 1), jsonb_agg(a), jsonb_set('{}', '{a}', '1') FROM est",
    "SELECT date_bin('15 minutes', now(), '2020-01-01'), age(now()), make_interval(days => 1)",
    "SELECT string_to_table('a,b', ','), format('%I', 'x'), quote_literal('a'), to_hex(10)",
    "SELECT inet_client_addr(), pg_backend_pid(), current_user, session_user, current_database()",
    "SHOW ALL",
    "EXPLAIN (ANALYZE, VERBOSE, SETTINGS) SELECT * FROM own WHERE s && span(1, 2)",
]

# Not answered, each with what the refusal says.
REFUSED = {
    # Its bytes are those of every column, the masked ones too.
    "SELECT * FROM heap_page_items(get_raw_page('users',0))": "reads whole pages, past the masks",
    # What the server keeps in its folders is not the database's.
    "SELECT * FROM pg_ls_waldir()": "lists a folder of the server",
    "SELECT pg_read_file('PG_VERSION')": "reads a file of the server",
    # The SQL is made as the statement runs.
    "SELECT * FROM crosstab('SELECT ' || '1,2,3') AS ct(a int, b int)": "runs SQL of its own",
    "SELECT query_to_xml(name, true, true, '') FROM users": "runs SQL of its own",
    # It keeps every writer of the table waiting.
    "SELECT bt_index_parent_check('users_pkey')": "locks a table against writing",
    # It changes what a later statement finds.
    "SELECT set_limit(0.9)": "changes a setting",
    "SELECT pg_stat_statements_reset()": "resets statistics",
    "SELECT nextval('users_id_seq')": "changes a sequence",
    "SELECT pg_advisory_lock(1)": "advisory lock",
}
# What a server that is built or configured in another way does not have.
LACKING = ("unsupported XML feature", "must be loaded via")
