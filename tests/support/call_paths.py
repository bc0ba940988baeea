"""Every way in which the server calls a function for a statement that reads, with a function in it.

`docs/inspect.md` lists them by the same names, each with its verdict.
"""

from dataclasses import dataclass

# Who plants functions: may create in the schema public, and nothing else.
PLANTER = "path_planter"
# Takes a lock that is seen, whatever it says of itself.
FUNCTIONS = (
    """CREATE FUNCTION evil() RETURNS bool LANGUAGE plpgsql IMMUTABLE AS
       $$ BEGIN PERFORM pg_advisory_xact_lock(7); RETURN true; END $$""",
    """CREATE FUNCTION evil(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
       $$ BEGIN PERFORM pg_advisory_xact_lock(7); RETURN $1; END $$""",
    "CREATE FUNCTION mild(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1'",
)


@dataclass(frozen=True)
class CallPath:
    """A statement that calls what `setup` has planted, without naming it.

    `relation` is the one that `inspect rows` reads in its place, if there is one. What a
    `superuser` made, nobody else can make. `privileged` is False where the planter's rights must
    run the statement for the function to be called.
    """

    name: str
    setup: tuple[str, ...]
    sql: str
    relation: str | None = None
    superuser: bool = False
    privileged: bool = True
    version: int = 14


def path(
    name: str,
    sql: str,
    *setup: str,
    relation: str | None = None,
    superuser: bool = False,
    privileged: bool = True,
    version: int = 14,
) -> CallPath:
    """Return the path that a statement takes to what `setup` has planted."""
    return CallPath(name, setup, sql, relation, superuser, privileged, version)


REFUSED = [
    # Parsing.
    path(
        "array literal over a domain",
        "SELECT '{1}'::array_domain[]",
        "CREATE DOMAIN array_domain AS int CHECK (evil())",
    ),
    path(
        "composite literal over a domain",
        "SELECT '(1)'::composite_of_domain",
        "CREATE DOMAIN field_domain AS int CHECK (evil())",
        "CREATE TYPE composite_of_domain AS (a field_domain)",
    ),
    path(
        "range literal over a domain",
        "SELECT '[1,2]'::range_of_domain",
        "CREATE DOMAIN bound_domain AS int CHECK (evil())",
        "CREATE TYPE range_of_domain AS RANGE (subtype = bound_domain)",
    ),
    # Syntax.
    path(
        "SIMILAR TO",
        "SELECT 'a'::similar_kind SIMILAR TO 'a'",
        "CREATE TYPE similar_kind AS ENUM ('a')",
        """CREATE FUNCTION similar_evil(similar_kind, text) RETURNS bool LANGUAGE sql AS
           'SELECT evil()'""",
        "CREATE OPERATOR ~ (LEFTARG = similar_kind, RIGHTARG = text, FUNCTION = similar_evil)",
    ),
    path(
        "LIKE, IN, BETWEEN, CASE, NULLIF, USING",
        "SELECT * FROM joined a JOIN joined b USING (k)",
        "CREATE TYPE joined_kind AS (a int)",
        """CREATE FUNCTION joined_evil(joined_kind, joined_kind) RETURNS bool LANGUAGE sql AS
           'SELECT evil()'""",
        "CREATE OPERATOR = (LEFTARG = joined_kind, RIGHTARG = joined_kind, FUNCTION = joined_evil)",
        "CREATE TABLE joined (k joined_kind)",
        "INSERT INTO joined VALUES (ROW(1))",
    ),
    path(
        "operators without a blank between them",
        "SELECT 1 *+-'a'::cut_kind",
        "CREATE TYPE cut_kind AS ENUM ('a')",
        "CREATE FUNCTION cut_mild(cut_kind) RETURNS cut_kind LANGUAGE sql AS 'SELECT $1'",
        "CREATE FUNCTION cut_evil(cut_kind) RETURNS int LANGUAGE sql AS 'SELECT evil(1)'",
        "CREATE OPERATOR - (RIGHTARG = cut_kind, FUNCTION = cut_mild)",
        "CREATE OPERATOR + (RIGHTARG = cut_kind, FUNCTION = cut_evil)",
    ),
    path(
        "attribute notation",
        "SELECT r.of_a_row FROM rowed r",
        "CREATE TABLE rowed (id int)",
        "INSERT INTO rowed VALUES (1)",
        "CREATE FUNCTION of_a_row(rowed) RETURNS bool LANGUAGE sql AS 'SELECT evil()'",
    ),
    path(
        "JSON_TABLE and other columns with a type",
        "SELECT * FROM json_to_record('{\"a\": 1}') AS x (a column_domain)",
        "CREATE DOMAIN column_domain AS int CHECK (evil())",
    ),
    path(
        "casts",
        "SELECT to_json(k) FROM casted",
        "CREATE TYPE casted_kind AS ENUM ('a')",
        """CREATE FUNCTION casted_evil(casted_kind) RETURNS json LANGUAGE sql AS
           'SELECT evil()::text::json'""",
        "CREATE CAST (casted_kind AS json) WITH FUNCTION casted_evil(casted_kind)",
        "CREATE TABLE casted (k casted_kind)",
        "INSERT INTO casted VALUES ('a')",
        relation="casted",
    ),
    path(
        "implicit casts",
        "SELECT length(k) FROM implied",
        "CREATE TYPE implied_kind AS (a int)",
        """CREATE FUNCTION implied_evil(implied_kind) RETURNS text LANGUAGE sql AS
           'SELECT evil()::text'""",
        "CREATE CAST (implied_kind AS text) WITH FUNCTION implied_evil(implied_kind) AS IMPLICIT",
        "CREATE TABLE implied (k implied_kind)",
        "INSERT INTO implied VALUES (ROW(1))",
    ),
    # Rewriting.
    path(
        "views",
        "SELECT id FROM viewed",
        "CREATE VIEW viewed AS SELECT 1 AS id WHERE evil()",
        relation="viewed",
    ),
    path(
        "row-level security",
        "SELECT * FROM policed",
        "CREATE TABLE policed (id int)",
        "INSERT INTO policed VALUES (1)",
        "ALTER TABLE policed ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
        "CREATE POLICY odd ON policed USING (evil())",
        relation="policed",
        privileged=False,
    ),
    # Planning.
    path(
        "CHECK constraints",
        "SELECT * FROM checked WHERE id = 1",
        "CREATE TABLE checked (id int)",
        "CREATE TABLE checked_child (CHECK (id > evil(0))) INHERITS (checked)",
        relation="checked",
    ),
    path(
        "CHECK constraints of partitions",
        "SELECT * FROM parted WHERE id = 1",
        "CREATE TABLE parted (id int) PARTITION BY LIST (id)",
        "CREATE TABLE parted_default PARTITION OF parted (CHECK (id > evil(0))) DEFAULT",
        relation="parted",
    ),
    path(
        "index expressions and predicates",
        "SELECT * FROM indexed WHERE id = 1",
        "CREATE TABLE indexed (id int)",
        "CREATE TABLE indexed_child () INHERITS (indexed)",
        "CREATE INDEX ON indexed_child (id) WHERE id > evil(0)",
        relation="indexed",
    ),
    path(
        "extended statistics",
        "SELECT * FROM counted WHERE id = 1",
        "CREATE TABLE counted (id int)",
        "INSERT INTO counted SELECT g FROM generate_series(1, 100) g",
        "CREATE STATISTICS odd ON (id + evil(0)) FROM counted",
        "ANALYZE counted",
        relation="counted",
    ),
    path(
        "partition keys",
        "SELECT * FROM keyed WHERE id = 1",
        "CREATE TABLE keyed (id int) PARTITION BY RANGE ((id + evil(0)))",
        "CREATE TABLE keyed_part PARTITION OF keyed FOR VALUES FROM (0) TO (9)",
        relation="keyed",
    ),
    path(
        "negators of operators",
        "SELECT NOT ('a'::negated OPERATOR(public.===) 'a'::negated)",
        "CREATE TYPE negated AS ENUM ('a')",
        "CREATE FUNCTION negated_mild(negated, negated) RETURNS bool LANGUAGE plpgsql AS"
        " 'BEGIN RETURN true; END'",
        "CREATE FUNCTION negated_evil(negated, negated) RETURNS bool LANGUAGE plpgsql AS"
        " 'BEGIN RETURN evil(); END'",
        "CREATE OPERATOR === (LEFTARG = negated, RIGHTARG = negated, FUNCTION = negated_mild,"
        " NEGATOR = !==)",
        "CREATE OPERATOR !== (LEFTARG = negated, RIGHTARG = negated, FUNCTION = negated_evil,"
        " NEGATOR = ===)",
    ),
    path(
        "negators of PostgreSQL's own operators",
        "SELECT NOT (a @> a) FROM contained",
        "CREATE TABLE contained (a int[])",
        "INSERT INTO contained VALUES ('{1}')",
        "CREATE FUNCTION contained_evil(anyarray, anyarray) RETURNS bool LANGUAGE sql AS"
        " 'SELECT evil()'",
        "CREATE OPERATOR !@> (LEFTARG = anyarray, RIGHTARG = anyarray, FUNCTION = contained_evil,"
        " NEGATOR = OPERATOR(pg_catalog.@>))",
        superuser=True,
    ),
    path(
        "how ranges are measured",
        "SELECT * FROM measured WHERE r && '[10,20]'",
        "CREATE FUNCTION measure(float8, float8) RETURNS float8 LANGUAGE sql IMMUTABLE AS"
        " 'SELECT public.evil(1)::float8'",
        "CREATE TYPE measured_range AS RANGE (subtype = float8, subtype_diff = measure)",
        "CREATE TABLE measured (r measured_range)",
        "INSERT INTO measured SELECT measured_range(g, g + 2) FROM generate_series(1, 300) g",
        "ANALYZE measured",
        relation="measured",
    ),
    # Executing.
    path(
        "domains",
        "SELECT 1::simple_domain",
        "CREATE DOMAIN simple_domain AS int CHECK (evil())",
    ),
    path(
        "function bodies",
        "SELECT outer_call()",
        "CREATE FUNCTION inner_call() RETURNS bool LANGUAGE sql AS 'SELECT evil()'",
        "CREATE FUNCTION outer_call() RETURNS bool LANGUAGE plpgsql AS"
        " $$ BEGIN RETURN inner_call(); END $$",
    ),
    path(
        "default arguments",
        "SELECT defaulted()",
        "CREATE FUNCTION defaulted(a bool DEFAULT evil()) RETURNS bool LANGUAGE sql AS 'SELECT a'",
    ),
    path(
        "aggregates",
        "SELECT summed(g) FROM generate_series(1, 2) g",
        "CREATE FUNCTION summed_step(int, int) RETURNS int LANGUAGE sql AS 'SELECT evil(1)'",
        "CREATE AGGREGATE summed (int) (SFUNC = summed_step, STYPE = int, INITCOND = '0')",
    ),
    path(
        "operator classes",
        "SELECT * FROM sorted ORDER BY k",
        "CREATE TYPE sorted_kind AS (a int)",
        "CREATE FUNCTION sorted_lt(sorted_kind, sorted_kind) RETURNS bool LANGUAGE sql IMMUTABLE"
        " AS 'SELECT true'",
        "CREATE FUNCTION sorted_evil(sorted_kind, sorted_kind) RETURNS int LANGUAGE sql IMMUTABLE"
        " AS 'SELECT evil(0)'",
        "CREATE OPERATOR =<= (LEFTARG = sorted_kind, RIGHTARG = sorted_kind, FUNCTION = sorted_lt)",
        "CREATE OPERATOR <<< (LEFTARG = sorted_kind, RIGHTARG = sorted_kind, FUNCTION = sorted_lt)",
        "CREATE OPERATOR CLASS sorted_ops DEFAULT FOR TYPE sorted_kind USING btree AS"
        " OPERATOR 1 <<<, OPERATOR 3 =<=, FUNCTION 1 sorted_evil(sorted_kind, sorted_kind)",
        "CREATE TABLE sorted (k sorted_kind)",
        "INSERT INTO sorted VALUES (ROW(1)), (ROW(2))",
        superuser=True,
    ),
    path(
        "functions that find a type by its name",
        "SELECT pg_input_is_valid('1', 'named_' || 'domain')",
        "CREATE DOMAIN named_domain AS int CHECK (evil())",
        version=16,
    ),
    path(
        "functions that find an index by its oid",
        "SELECT bt_index_check(('verified_' || 'index')::regclass, true)",
        "CREATE TABLE verified (id int)",
        "INSERT INTO verified VALUES (1)",
        "CREATE INDEX verified_index ON verified (evil(id))",
    ),
    path(
        "functions that are given SQL",
        "SELECT * FROM crosstab('SELECT evil(1)::text, 1::text, 1::text') AS x (a text, b text)",
    ),
    path(
        "names with UESCAPE",
        "SELECT escaped()",
        "CREATE FUNCTION escaped() RETURNS bool LANGUAGE sql AS"
        " $$ SELECT U&\"!0065vil\" UESCAPE '!' () $$",
    ),
    path(
        "strings that are read in another way",
        "SELECT misread()",
        r"CREATE FUNCTION misread() RETURNS text LANGUAGE sql"
        r" SET standard_conforming_strings = off AS $$ SELECT 'a\'' || evil() || '\'' $$",
    ),
    path(
        "foreign tables that run a program",
        "SELECT * FROM programmed",
        "CREATE TABLE programmed (line text)",
        "CREATE FOREIGN TABLE programmed_child () INHERITS (programmed) SERVER files"
        " OPTIONS (program 'echo x')",
        relation="programmed",
        superuser=True,
    ),
    path(
        "partitions that run a program",
        "SELECT * FROM sliced",
        "CREATE TABLE sliced (line text) PARTITION BY LIST (line)",
        "CREATE FOREIGN TABLE sliced_child PARTITION OF sliced DEFAULT SERVER files"
        " OPTIONS (program 'echo x')",
        relation="sliced",
        superuser=True,
    ),
    path(
        "foreign tables of others, where a superuser reads",
        "SELECT * FROM borrowed",
        "CREATE SERVER borrowing FOREIGN DATA WRAPPER postgres_fdw"
        " OPTIONS (host ':host', port ':port', dbname ':database')",
        "CREATE USER MAPPING FOR PUBLIC SERVER borrowing OPTIONS (user 'postgres')",
        "CREATE VIEW lent AS SELECT current_user::text AS who",
        "CREATE FOREIGN TABLE borrowed (who text) SERVER borrowing OPTIONS (table_name 'lent')",
        relation="borrowed",
    ),
]

# What PostgreSQL lets nobody but a superuser make, or not at all.
CLOSED = {
    "types with input and output functions": "CREATE TYPE t (INPUT = int4in, OUTPUT = int4out)",
    "operator families and classes of others": "CREATE OPERATOR FAMILY f USING btree",
    "planner support functions": "CREATE FUNCTION f() RETURNS int LANGUAGE sql"
    " SUPPORT generate_series_int4_support AS 'SELECT 1'",
    "selectivity estimators": "CREATE FUNCTION f(internal, oid, internal, int) RETURNS float8"
    " LANGUAGE sql AS 'SELECT 1'",
    "sampling methods": "CREATE FUNCTION f(internal) RETURNS tsm_handler LANGUAGE plpgsql AS ''",
    "canonical functions of ranges": "CREATE TYPE shell; CREATE FUNCTION f(shell) RETURNS shell"
    " LANGUAGE sql AS 'SELECT $1'",
    "functions in C": "CREATE FUNCTION f() RETURNS int LANGUAGE internal AS 'int4in'",
    "access methods": "CREATE ACCESS METHOD m TYPE TABLE HANDLER heap_tableam_handler",
    "foreign data wrappers": "CREATE FOREIGN DATA WRAPPER w",
    "procedural languages": "CREATE LANGUAGE l HANDLER plpgsql_call_handler",
    "text search templates": "CREATE TEXT SEARCH TEMPLATE t (LEXIZE = dsimple_lexize)",
    "conversions": "CREATE FUNCTION f(int, int, cstring, internal, int) RETURNS void"
    " LANGUAGE sql AS ''",
    "transforms": "CREATE FUNCTION f(internal) RETURNS internal LANGUAGE sql AS 'SELECT $1'",
    "event and login triggers": "CREATE EVENT TRIGGER e ON ddl_command_start"
    " EXECUTE FUNCTION fired()",
    "rules ON SELECT": "CREATE TABLE ruled_select (id int); CREATE RULE r AS ON SELECT TO"
    " ruled_select DO INSTEAD SELECT evil(1) AS id",
    "virtual generated columns": "CREATE TABLE t (id int, v int GENERATED ALWAYS AS (evil(id)))",
}

# What is there and not called for a statement that reads.
UNCALLED = [
    path(
        "triggers",
        "SELECT * FROM triggered",
        "CREATE TABLE triggered (id int)",
        "CREATE TRIGGER t BEFORE INSERT OR UPDATE OR DELETE ON triggered"
        " FOR EACH ROW EXECUTE FUNCTION fired()",
        relation="triggered",
    ),
    path(
        "rules",
        "SELECT * FROM ruled",
        "CREATE TABLE ruled (id int)",
        "CREATE RULE r AS ON INSERT TO ruled DO ALSO SELECT evil()",
        relation="ruled",
    ),
    path(
        "column defaults",
        "SELECT * FROM with_default",
        "CREATE TABLE with_default (id int DEFAULT evil(1))",
        relation="with_default",
    ),
    path(
        "stored generated columns",
        "SELECT * FROM computed",
        "CREATE TABLE computed (id int, v int GENERATED ALWAYS AS (evil(id)) STORED)",
        "INSERT INTO computed VALUES (1)",
        relation="computed",
    ),
    path(
        "materialized views",
        "SELECT * FROM kept",
        "CREATE MATERIALIZED VIEW kept AS SELECT public.evil(1) AS id",
        relation="kept",
    ),
]
