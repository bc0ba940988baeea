"""Statements that try to change something through `inspect query`, and where each idea is from.

They are run on what `SETUP` makes. `:victim` in a text is the pid of another session, `:folder` a
folder that the server may write to.
"""

from dataclasses import dataclass

# What the owner of the tables makes; `OWNER` is its role.
OWNER = "attack_owner"
SETUP = (
    "CREATE TABLE users (id int PRIMARY KEY, name text, password text)",
    "INSERT INTO users VALUES (1, 'ada', 'pw1'), (2, 'bob', 'pw2')",
    "CREATE SEQUENCE numbers",
    "CREATE INDEX users_name ON users USING brin (id)",
    "SELECT lo_create(4711)",
    # Functions that hide what they do.
    """CREATE FUNCTION quiet() RETURNS bool LANGUAGE plpgsql IMMUTABLE AS
       $$ BEGIN PERFORM pg_advisory_lock(7); RETURN true; END $$""",
    """CREATE FUNCTION definer() RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS
       $$ BEGIN DELETE FROM users; RETURN 1; END $$""",
    """CREATE FUNCTION dynamic(q text) RETURNS int LANGUAGE plpgsql AS
       $$ BEGIN EXECUTE q; RETURN 1; END $$""",
    """CREATE FUNCTION copying() RETURNS int LANGUAGE plpgsql AS
       $$ BEGIN COPY users TO PROGRAM 'cat > /tmp/dbctl_attack'; RETURN 1; END $$""",
    "CREATE FUNCTION plain() RETURNS int LANGUAGE sql AS 'SELECT pg_advisory_lock(8); SELECT 1'",
    """CREATE FUNCTION standard() RETURNS text LANGUAGE sql
       RETURN set_config('statement_timeout', '0', false)""",
    """CREATE FUNCTION by_default(a text DEFAULT set_config('statement_timeout', '0', false))
       RETURNS text LANGUAGE sql AS 'SELECT a'""",
    "CREATE FUNCTION of_row(users) RETURNS bool LANGUAGE sql AS 'SELECT quiet()'",
    """CREATE FUNCTION step(s int, v int) RETURNS int LANGUAGE sql AS
       'SELECT pg_advisory_lock(9); SELECT 1'""",
    "CREATE AGGREGATE total(int) (SFUNC = step, STYPE = int, INITCOND = '0')",
    "CREATE FUNCTION operated(int, int) RETURNS bool LANGUAGE sql AS 'SELECT quiet()'",
    "CREATE OPERATOR @#@ (LEFTARG = int, RIGHTARG = int, FUNCTION = operated)",
    "CREATE VIEW locking AS SELECT id, pg_try_advisory_lock(id) FROM users",
    "CREATE VIEW outer_view AS SELECT l.id FROM locking l",
    "CREATE VIEW lying AS SELECT id FROM users WHERE quiet()",
    "CREATE TABLE checked (id int CHECK (quiet()))",
    "CREATE TABLE indexed (id int)",
    "CREATE INDEX ON indexed (id) WHERE quiet()",
    "CREATE TABLE guarded (id int)",
    "ALTER TABLE guarded ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
    "CREATE POLICY odd ON guarded USING (quiet())",
    "INSERT INTO guarded SELECT 1",
    "CREATE FUNCTION \"Loud\"() RETURNS bool LANGUAGE sql AS 'SELECT quiet()'",
)
# What only a superuser can make; the owner may use it.
SUPERUSER_SETUP = (
    "CREATE EXTENSION dblink",
    "CREATE EXTENSION tablefunc",
    "CREATE EXTENSION file_fdw",
    "CREATE SERVER files FOREIGN DATA WRAPPER file_fdw",
    """CREATE FOREIGN TABLE program (line text) SERVER files
       OPTIONS (program 'touch /tmp/dbctl_attack; echo x')""",
    f"GRANT SELECT ON program TO {OWNER}",
    """CREATE FUNCTION renamed(int) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS
       'pg_advisory_lock_int8'""",
    """CREATE FUNCTION from_text(users) RETURNS int LANGUAGE sql AS
       'SELECT pg_advisory_lock(10); SELECT 1'""",
)


@dataclass(frozen=True)
class Attack:
    """A statement; `source` says where the idea is from."""

    name: str
    sql: str
    source: str


def _group(source: str, **statements: str) -> list[Attack]:
    return [Attack(name, sql, source) for name, sql in statements.items()]


ATTACKS = [
    *_group(
        "Several statements at once: the read-only MCP server for PostgreSQL was left by COMMIT; "
        "it ran the rest outside of its transaction.",
        commit_and_drop="COMMIT; DROP SCHEMA public CASCADE",
        commit_and_delete="SELECT 1; COMMIT; DELETE FROM users",
        rollback_and_delete="ROLLBACK; DELETE FROM users; SELECT 1",
        end_and_delete="END; DELETE FROM users",
        stacked_delete="SELECT 1; DELETE FROM users",
        stacked_after_comment="SELECT 1 /* ; */ ; DELETE FROM users --",
        stacked_in_line_comment="SELECT 1 --\n; DELETE FROM users",
        bracket_break="SELECT 1) AS q; DELETE FROM users; SELECT (1",
        bracket_break_alone="SELECT 1) AS q, (SELECT pg_advisory_lock(1)",
        begin_read_write="BEGIN READ WRITE; DELETE FROM users; COMMIT",
        commit_and_chain="COMMIT AND CHAIN; DELETE FROM users",
        abort="ABORT",
        savepoint="SAVEPOINT a",
        release="RELEASE SAVEPOINT a",
        prepare_transaction="PREPARE TRANSACTION 'x'",
    ),
    *_group(
        "hsql's read-only mode falls to a setting.",
        default_read_only_off="set default_transaction_read_only=off",
        default_read_only_off_stacked=(
            "set default_transaction_read_only=off; commit; delete from users"
        ),
        transaction_read_write="SET TRANSACTION READ WRITE",
        session_characteristics="SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
        set_transaction_read_only="SET transaction_read_only = off",
        set_timeout="SET statement_timeout = 0",
        set_role="SET ROLE postgres",
        session_authorization="SET SESSION AUTHORIZATION postgres",
        reset_all="RESET ALL",
        discard_all="DISCARD ALL",
        alter_system="ALTER SYSTEM SET work_mem = '99MB'",
        alter_role="ALTER ROLE CURRENT_USER SET work_mem = '99MB'",
        alter_database="ALTER DATABASE postgres SET work_mem = '99MB'",
        set_config_read_only="SELECT set_config('transaction_read_only', 'off', false)",
        set_config_local="SELECT set_config('statement_timeout', '0', true)",
        set_config_session="SELECT set_config('default_transaction_read_only', 'off', false)",
        set_config_from="SELECT * FROM set_config('work_mem', '99MB', false)",
        settings_update="UPDATE pg_settings SET setting = '99MB' WHERE name = 'work_mem'",
    ),
    *_group(
        "Quoting that a check by words reads differently from the server.",
        continued_escape="SELECT E'a'\n'\\'', pg_advisory_lock(1), '",
        continued_escape_stacked="SELECT E'a'\n'\\''; DELETE FROM users; SELECT '",
        nested_comment="SELECT 1 /* /* */ , pg_advisory_lock(1) /* */ */, pg_advisory_lock(2)",
        dollar_quote="SELECT $a$ ' $a$, pg_advisory_lock(1), $a$ ' $a$",
        dollar_in_a_name="SELECT 1 AS a$b$, pg_advisory_lock(1) AS a$b$",
        escape_string="SELECT E'\\'', pg_advisory_lock(1), E'\\''",
        backslash_in_plain_string="SELECT 'a\\', pg_advisory_lock(1), 'b'",
        quoted_name='SELECT "pg_advisory_lock"(1)',
        unicode_name='SELECT U&"pg\\005fadvisory\\005flock"(1)',
        unicode_name_other_escape="SELECT U&\"pg!005fadvisory!005flock\" UESCAPE '!' (1)",
        upper_case="SELECT PG_ADVISORY_LOCK(1)",
        qualified="SELECT pg_catalog.pg_advisory_lock(1)",
        qualified_with_blanks="SELECT pg_catalog /* a */ . /* b */ pg_advisory_lock /* c */ (1)",
        other_line_end="SELECT 1 -- a\r, pg_advisory_lock(1)",
        long_name='SELECT "Loud"()',
        attribute_notation="SELECT ('/etc/passwd'::text).pg_read_file",
        attribute_of_a_row="SELECT users.of_row FROM users",
        attribute_of_brackets="SELECT (u).from_text FROM users u",
        nul_byte="SELECT 1\0; DELETE FROM users",
        half_a_character="SELECT '\udc80'",
    ),
    *_group(
        "Statements that write, which a check for a first word lets through.",
        writing_cte="WITH x AS (DELETE FROM users RETURNING *) SELECT * FROM x",
        writing_cte_insert="WITH x AS (INSERT INTO users VALUES (3) RETURNING *) TABLE x",
        writing_cte_update=(
            "WITH x AS NOT MATERIALIZED (UPDATE users SET name = 'x' RETURNING *) SELECT 1"
        ),
        with_delete="WITH x AS (SELECT 1) DELETE FROM users",
        with_insert="WITH x AS (SELECT 3) INSERT INTO users SELECT * FROM x",
        select_into="SELECT * INTO copied FROM users",
        select_into_temporary="SELECT * INTO TEMP copied FROM users",
        for_update="SELECT * FROM users FOR UPDATE",
        for_share="SELECT * FROM users FOR SHARE",
        for_update_inside="SELECT * FROM (SELECT * FROM users FOR NO KEY UPDATE) u",
        explain_analyze_insert="EXPLAIN ANALYZE INSERT INTO users VALUES (3)",
        explain_analyze_options="EXPLAIN (ANALYZE, BUFFERS) DELETE FROM users",
        explain_analyze_cte="EXPLAIN ANALYZE WITH x AS (DELETE FROM users RETURNING 1) TABLE x",
        explain_create_table="EXPLAIN ANALYZE CREATE TABLE copied AS SELECT 1",
        explain_execute="EXPLAIN ANALYZE EXECUTE x",
        explain_lock="EXPLAIN ANALYZE SELECT pg_advisory_lock(1)",
        explain_declare="EXPLAIN ANALYZE DECLARE c CURSOR FOR SELECT 1",
        temporary_table="CREATE TEMP TABLE t (a int)",
        create_table_as="CREATE TABLE copied AS SELECT * FROM users",
        truncate="TRUNCATE users",
        merge="MERGE INTO users u USING users v ON u.id = v.id WHEN MATCHED THEN DELETE",
        refresh="REFRESH MATERIALIZED VIEW x",
        vacuum="VACUUM FULL users",
        analyze="ANALYZE users",
        reindex="REINDEX TABLE users",
        checkpoint="CHECKPOINT",
        comment_on="COMMENT ON TABLE users IS 'x'",
        grant="GRANT ALL ON users TO PUBLIC",
        do_block="DO $$ BEGIN DELETE FROM users; END $$",
        call="CALL p()",
        load="LOAD 'auto_explain'",
        lock_table="LOCK TABLE users",
        listen="LISTEN x",
        notify="NOTIFY x",
        prepare="PREPARE x AS DELETE FROM users",
        execute="EXECUTE x",
        deallocate="DEALLOCATE ALL",
        declare_cursor="DECLARE c CURSOR WITH HOLD FOR SELECT 1",
        import_schema="IMPORT FOREIGN SCHEMA public FROM SERVER files INTO public",
        security_label="SECURITY LABEL ON TABLE users IS 'x'",
    ),
    *_group(
        "COPY and psql's own commands: pgAdmin's query tool and wrappers around psql ran them.",
        copy_to_program="COPY users TO PROGRAM 'touch :folder/program'",
        copy_to_file="COPY users TO ':folder/file'",
        copy_from_program="COPY users FROM PROGRAM 'echo 3'",
        copy_query_to_program="COPY (SELECT 1) TO PROGRAM 'touch :folder/program'",
        shell_escape="\\! touch :folder/shell",
        gexec="SELECT 'DELETE FROM users' \\gexec",
        g_to_pipe="SELECT 1 \\g | touch :folder/pipe",
        client_copy="\\copy users to program 'touch :folder/program'",
        connect="\\connect postgres",
        include="\\i /etc/passwd",
        unrestrict="SELECT 1\n\\unrestrict x\n\\! touch :folder/shell",
    ),
    *_group(
        "Functions that READ ONLY does not stop.",
        advisory_lock="SELECT pg_advisory_lock(1)",
        advisory_lock_two_keys="SELECT pg_advisory_lock(1, 2)",
        advisory_lock_shared="SELECT pg_advisory_lock_shared(1)",
        advisory_try="SELECT pg_try_advisory_lock(1)",
        advisory_transaction="SELECT pg_advisory_xact_lock(1)",
        advisory_unlock="SELECT pg_advisory_unlock_all()",
        advisory_in_where="SELECT * FROM users WHERE pg_advisory_lock(id) IS NULL",
        advisory_in_from="SELECT * FROM users, LATERAL pg_advisory_lock(id)",
        advisory_in_values="VALUES (pg_advisory_lock(1))",
        advisory_in_limit="SELECT 1 LIMIT (SELECT count(pg_advisory_lock(1)))",
        large_object="SELECT lo_from_bytea(0, 'x')",
        large_object_create="SELECT lo_create(0)",
        large_object_unlink="SELECT lo_unlink(4711)",
        large_object_put="SELECT lo_put(4711, 0, 'x')",
        large_object_write="SELECT lowrite(lo_open(4711, 131072), 'x')",
        large_object_import="SELECT lo_import('/etc/passwd')",
        large_object_export="SELECT lo_export(4711, ':folder/exported')",
        terminate="SELECT pg_terminate_backend(:victim)",
        cancel="SELECT pg_cancel_backend(:victim)",
        terminate_by_select="SELECT pg_terminate_backend(pid) FROM pg_stat_activity",
        reload="SELECT pg_reload_conf()",
        rotate="SELECT pg_rotate_logfile()",
        log_memory="SELECT pg_log_backend_memory_contexts(:victim)",
        promote="SELECT pg_promote()",
        switch_wal="SELECT pg_switch_wal()",
        restore_point="SELECT pg_create_restore_point('x')",
        emit_message="SELECT pg_logical_emit_message(false, 'x', 'y')",
        begin_backup="SELECT pg_backup_start('x')",
        slot="SELECT pg_create_physical_replication_slot('attack', true)",
        logical_slot="SELECT pg_create_logical_replication_slot('attack', 'pgoutput')",
        drop_slot="SELECT pg_drop_replication_slot('kept')",
        origin="SELECT pg_replication_origin_create('attack')",
        reset_statistics="SELECT pg_stat_reset()",
        reset_shared_statistics="SELECT pg_stat_reset_shared('bgwriter')",
        read_file="SELECT pg_read_file('PG_VERSION')",
        read_binary_file="SELECT pg_read_binary_file('PG_VERSION')",
        list_folder="SELECT * FROM pg_ls_dir('.')",
        list_wal="SELECT * FROM pg_ls_waldir()",
        stat_file="SELECT * FROM pg_stat_file('PG_VERSION')",
        export_snapshot="SELECT pg_export_snapshot()",
        import_collations="SELECT pg_import_system_collations('pg_catalog')",
        nextval="SELECT nextval('numbers')",
        setval="SELECT setval('numbers', 99)",
        notify_function="SELECT pg_notify('attack', 'x')",
        next_oid="SELECT pg_nextoid('pg_class', 'oid', 'pg_class_oid_index')",
        summarize_index="SELECT brin_summarize_new_values('users_name')",
    ),
    *_group(
        "Functions that run SQL of their own.",
        query_to_xml="SELECT query_to_xml('SELECT pg_advisory_lock(1)', true, true, '')",
        table_to_xml="SELECT table_to_xml('users', true, true, '')",
        ts_stat="SELECT * FROM ts_stat('SELECT pg_advisory_lock(1)::text::tsvector')",
        ts_rewrite="SELECT ts_rewrite('a', 'SELECT pg_advisory_lock(1)::text, 1::text')",
        dblink="SELECT * FROM dblink('', 'DELETE FROM users RETURNING 1') AS t (a int)",
        dblink_exec="SELECT dblink_exec('', 'DELETE FROM users')",
        dblink_connect="SELECT dblink_connect('x', '')",
        crosstab=(
            "SELECT * FROM crosstab('SELECT pg_advisory_lock(1)::text, 1::text, 1::text')"
            " AS t (a text, b text)"
        ),
        connectby=(
            "SELECT * FROM connectby('(SELECT pg_advisory_lock(1)) x', 'a', 'b', '1', 0)"
            " AS t (a text, b text, c int)"
        ),
    ),
    *_group(
        "What somebody put into the database before, for others to run.",
        function_immutable="SELECT quiet()",
        function_definer="SELECT definer()",
        function_dynamic="SELECT dynamic('SELECT pg_advisory_lock(1)')",
        function_copying="SELECT copying()",
        function_sql="SELECT plain()",
        function_standard_body="SELECT standard()",
        function_default_argument="SELECT by_default()",
        function_internal="SELECT renamed(1)",
        aggregate="SELECT total(id) FROM users",
        window_aggregate="SELECT total(id) OVER () FROM users",
        operator="SELECT 1 @#@ 2",
        operator_qualified="SELECT 1 OPERATOR(public.@#@) 2",
        view="SELECT * FROM locking",
        view_as_table="TABLE locking",
        view_of_a_view="SELECT id FROM outer_view",
        view_lying="SELECT * FROM lying",
        view_explained="EXPLAIN SELECT * FROM lying",
        index_predicate="SELECT * FROM indexed WHERE id = 1",
        constraint="SELECT * FROM checked WHERE id = 1",
        policy="SELECT * FROM guarded",
        foreign_program="SELECT * FROM program",
    ),
]

# What must keep working, with the first value that it finds; None is not looked at.
CONTROLS: dict[str, object] = {
    "SELECT 1": 1,
    "SELECT 1;;": 1,
    "(SELECT 1) UNION (SELECT 1)": 1,
    "VALUES (2)": 2,
    "TABLE users": 1,
    "WITH x AS (SELECT 3) SELECT * FROM x": 3,
    "SHOW transaction_read_only": "on",
    "EXPLAIN SELECT * FROM users": None,
    "EXPLAIN (ANALYZE, COSTS OFF) SELECT * FROM users": None,
    "SELECT 'pg_advisory_lock(1); DELETE FROM users'": "pg_advisory_lock(1); DELETE FROM users",
    "SELECT 1 -- pg_advisory_lock(1)": 1,
    "SELECT 1 /* ; DELETE FROM users */": 1,
    "SELECT $$; COMMIT$$": "; COMMIT",
    "SELECT 1 AS update, 2 AS delete": 1,
    "SELECT count(*) FROM users WHERE name ~ 'a'": 1,
    "SELECT random() < 2": True,
    "SELECT pg_sleep(0)": None,
    "SELECT pg_size_pretty(pg_total_relation_size('users')) IS NOT NULL": True,
    "SELECT count(*) >= 0 FROM pg_locks": True,
    "SELECT count(*) > 0 FROM pg_stat_activity": True,
    "SELECT current_setting('transaction_read_only')": "on",
    "SELECT pg_is_in_recovery()": False,
    "SELECT max(name) FROM users": "bob",
    "SELECT convert_from(lo_get(4711), 'UTF8')": "",
    "SELECT normal_rand(1, 0, 0)": 0,
    "SELECT substring('abc' FOR 2)": "ab",
}
